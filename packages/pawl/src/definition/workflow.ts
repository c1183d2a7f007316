import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import { isPlainObject } from "../base/value-inspection.ts";
import type { WorkflowContext } from "./context.ts";
import { checkMessages, type Messages, type QueryFunctions, type SignalSchemas, type Update, type UpdateFunctions } from "./messages.ts";
import { resolveRetryPolicy, type RetryPolicy } from "./retry-policy.ts";

/**
 * A workflow as code. Made by `defineWorkflow`; `In` is what callers pass, `Out` what `result()` gives them, `Sent` what its
 * executions can be sent.
 */
export interface Workflow<In, Out, Sent extends Messages = Messages> {
  readonly name: string;
  readonly version: string;
  readonly taskQueue: string;
  readonly input: StandardSchemaV1<In> | undefined;
  readonly retry: RetryPolicy;
  readonly timeout: Duration | undefined;
  readonly signals: Sent["signals"];
  readonly queries: Sent["queries"];
  readonly updates: Sent["updates"];
  /** Makes the state that an execution begins with. */
  readonly state: (() => object) | undefined;
  /** Receives the schema's output where there is a schema, the caller's input otherwise. */
  readonly run: (ctx: never, input: never) => Promise<Out> | Out;
}

// `never` as the input of `run` and `any` here are what lets definitions of all inputs stand in one list.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyWorkflow = Workflow<any, unknown>;
export type InputOf<W extends AnyWorkflow> = W extends Workflow<infer In, unknown> ? In : never;
export type MessagesOf<W extends AnyWorkflow> = Pick<W, "signals" | "queries" | "updates">;
export type OutputOf<W extends AnyWorkflow> = W extends { run(ctx: never, input: never): infer Out } ? Awaited<Out> : never;

export interface WorkflowOptions {
  /** How callers, histories and the dashboard name it: `[A-Za-z0-9._:/-]`, at most 200 characters. */
  readonly name: string;
  /** An execution runs on the version it started with ("1"). */
  readonly version?: string;
  /** Where its executions wait for a worker ("default"). */
  readonly taskQueue?: string;
  /** Retry policy of its steps, unless a step says otherwise. */
  readonly retry?: RetryPolicy;
  /** An execution that takes longer ends as timed out; none of its code runs then (none). */
  readonly timeout?: Duration;
}

type QueriesOf<State> = Readonly<Record<string, (state: State, argument: never) => unknown>>;

// `any`: updates of all inputs stand in one record.
// oxlint-disable-next-line typescript/no-explicit-any
type UpdatesOf<State> = Readonly<Record<string, Update<State, any, unknown>>>;

/** What executions can be told and asked while they run. */
export interface MessageOptions<Signals, State, Queries, Updates> {
  /** Payloads by name of what `ctx.signal` waits for. */
  readonly signals?: Signals;
  /** Makes `ctx.state`, which queries read and updates change. Rebuilt on every replay. */
  readonly state?: () => State;
  /** Answers by name, read from the state. */
  readonly queries?: Queries;
  /** Requests by name that change the state and are answered; made by `update`. */
  readonly updates?: Updates;
}

export const workflowKeys = { name: true, version: true, taskQueue: true, retry: true, timeout: true } satisfies KnownKeys<WorkflowOptions>;

const definitionKeys = {
  ...workflowKeys,
  input: true,
  run: true,
  signals: true,
  state: true,
  queries: true,
  updates: true,
} satisfies KnownKeys<WorkflowOptions & MessageOptions<unknown, unknown, unknown, unknown> & Pick<AnyWorkflow, "input" | "run">>;

/**
 * Declares a workflow: an async function whose durable calls go through its context.
 *
 * @example
 * const greet = defineWorkflow({
 *   name: "greet",
 *   input: z.object({ name: z.string() }),
 *   run: async (ctx, { name }) => ctx.step("say", () => `Hello ${name}`),
 * });
 * @throws OptionInvalid if the name, the version or the retry policy is malformed.
 */
export function defineWorkflow<
  Schema extends StandardSchemaV1,
  Out,
  Signals extends SignalSchemas = {},
  State extends object = object,
  Queries extends QueriesOf<State> = {},
  Updates extends UpdatesOf<State> = {},
>(
  options: WorkflowOptions &
    MessageOptions<Signals, State, Queries, Updates> & {
      readonly input: Schema;
      run(ctx: WorkflowContext<Signals, State, StandardSchemaV1.InferInput<Schema>>, input: StandardSchemaV1.InferOutput<Schema>): Promise<Out> | Out;
    },
): Workflow<StandardSchemaV1.InferInput<Schema>, Out, { signals: Signals; queries: Queries; updates: Updates }>;
export function defineWorkflow<
  In,
  Out,
  Signals extends SignalSchemas = {},
  State extends object = object,
  Queries extends QueriesOf<State> = {},
  Updates extends UpdatesOf<State> = {},
>(
  options: WorkflowOptions & MessageOptions<Signals, State, Queries, Updates> & { run(ctx: WorkflowContext<Signals, State>, input: In): Promise<Out> | Out },
): Workflow<In, Out, { signals: Signals; queries: Queries; updates: Updates }>;
export function defineWorkflow(
  options: WorkflowOptions &
    MessageOptions<SignalSchemas, object, QueryFunctions, UpdateFunctions> & { readonly input?: StandardSchemaV1; run(ctx: never, input: never): unknown },
): AnyWorkflow {
  if (typeof options !== "object" || options === null) throw new OptionInvalid("defineWorkflow", "takes one options object");
  const name = checkName(options.name, "defineWorkflow.name");
  const path = `workflow "${name}"`;
  // An object of a class may have more, for its `run` to use.
  if (isPlainObject(options)) checkKeys(options, definitionKeys, path);
  if (typeof options.run !== "function") throw new OptionInvalid(`${path}.run`, "must be a function (ctx, input) => result");
  if (options.input !== undefined && typeof options.input["~standard"]?.validate !== "function") {
    throw new OptionInvalid(`${path}.input`, "must be a Standard Schema, such as a zod, valibot or arktype schema");
  }
  resolveRetryPolicy(options.retry ?? {}, `${path}.retry`);
  if (options.timeout !== undefined) toMilliseconds(options.timeout, `${path}.timeout`);
  const { signals = {}, queries = {}, updates = {}, state } = options;
  if (state !== undefined && typeof state !== "function") throw new OptionInvalid(`${path}.state`, "must be a function that makes the first state");
  checkMessages(path, signals, queries, updates);
  return Object.freeze({
    name,
    version: checkName(options.version ?? "1", `${path}.version`),
    taskQueue: checkName(options.taskQueue ?? "default", `${path}.taskQueue`),
    input: options.input as StandardSchemaV1<never> | undefined,
    retry: options.retry ?? {},
    timeout: options.timeout,
    signals: Object.freeze({ ...signals }),
    queries: Object.freeze({ ...queries }),
    updates: Object.freeze({ ...updates }),
    state,
    run: options.run.bind(options),
  });
}

/** `name@version`, the key by which workers say what they can run. */
export function definitionKey(workflow: string, version: string): string {
  return `${workflow}@${version}`;
}
