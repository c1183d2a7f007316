import type { StandardSchemaV1 } from "@standard-schema/spec";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";

/** The signals a workflow takes: a schema of the payload by name. The schemas must be synchronous. */
export type SignalSchemas = Readonly<Record<string, StandardSchemaV1>>;

/** The questions a workflow answers: functions of its state, which change nothing and wait for nothing. */
export type QueryFunctions = Readonly<Record<string, (state: never, argument: never) => unknown>>;

/** A request that changes the state of an execution and is answered. Made by `update`. */
export interface Update<State, In, Result> {
  readonly input: StandardSchemaV1<In> | undefined;
  readonly apply: (state: State, input: never) => Result;
}

// `any`: updates of all inputs and results stand in one record.
// oxlint-disable-next-line typescript/no-explicit-any
export type UpdateFunctions = Readonly<Record<string, Update<never, any, unknown>>>;

/** What a function may return that is done when it does. */
type Synchronous<Result> = Result extends PromiseLike<unknown> ? never : Result;

/** What can be sent to the executions of a workflow. Exists only as a type. */
export interface Messages {
  readonly signals: SignalSchemas;
  readonly queries: QueryFunctions;
  readonly updates: UpdateFunctions;
}

/** Of a handle that was made from an id alone: any name, any payload. */
export interface AnyMessages extends Messages {
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly signals: Readonly<Record<string, StandardSchemaV1<any, any>>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly queries: Readonly<Record<string, (state: never, argument?: any) => unknown>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly updates: Readonly<Record<string, Update<never, any, any>>>;
}

/** What is sent for a schema; code gets what the schema makes of it. */
export type SignalPayload<Schema extends StandardSchemaV1> = StandardSchemaV1.InferInput<Schema>;
export type UpdateInput<Definition> = Definition extends { readonly input: StandardSchemaV1<infer In> | undefined } ? In : never;

/**
 * A request with a validated input, and a reply. `apply` may change the state; what it returns is the reply, and what it throws rejects
 * the request: throw before changing anything. It runs again on every replay, so it must be deterministic, and synchronous: a promise
 * rejects the request.
 *
 * @example
 * const shop = defineWorkflow({
 *   name: "shop",
 *   state: () => ({ items: [] as string[] }),
 *   updates: { add: update(z.string(), (state: { items: string[] }, item) => state.items.push(item)) },
 *   run: async (ctx) => ctx.until(() => ctx.state.items.length === 3),
 * });
 */
export function update<State, Schema extends StandardSchemaV1, Result>(
  input: Schema,
  apply: (state: State, input: StandardSchemaV1.InferOutput<Schema>) => Synchronous<Result>,
): Update<State, StandardSchemaV1.InferInput<Schema>, Result> {
  return { input, apply };
}

/** @throws OptionInvalid */
export function checkMessages(path: string, signals: SignalSchemas, queries: QueryFunctions, updates: UpdateFunctions): void {
  for (const [name, schema] of Object.entries(signals)) {
    checkName(name, `${path}.signals`);
    if (!isSchema(schema)) throw new OptionInvalid(`${path}.signals.${name}`, "must be a Standard Schema, such as a zod, valibot or arktype schema");
  }
  for (const [name, query] of Object.entries(queries)) {
    checkName(name, `${path}.queries`);
    if (typeof query !== "function") throw new OptionInvalid(`${path}.queries.${name}`, "must be a function (state, argument) => answer");
    checkSynchronous(query, `${path}.queries.${name}`, "read only the state");
  }
  for (const [name, { input, apply }] of Object.entries(updates)) {
    checkName(name, `${path}.updates`);
    if (typeof apply !== "function" || (input !== undefined && !isSchema(input)))
      throw new OptionInvalid(`${path}.updates.${name}`, "must be made by update(schema, (state, input) => reply)");
    checkSynchronous(apply, `${path}.updates.${name}`, "change the state, and let the workflow's code wait for that with ctx.until and do the rest");
  }
}

/** Before any state is changed: a promise would come too late for the place in the history. */
function checkSynchronous(fn: unknown, path: string, instead: string): void {
  if (/Async|Generator/.test(Object.prototype.toString.call(fn))) throw new OptionInvalid(path, `must be a synchronous function: ${instead}`);
}

function isSchema(value: unknown): boolean {
  return typeof (value as StandardSchemaV1 | undefined)?.["~standard"]?.validate === "function";
}
