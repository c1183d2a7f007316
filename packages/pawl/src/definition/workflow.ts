import type { StandardSchemaV1 } from "@standard-schema/spec";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { WorkflowContext } from "./context.ts";
import { resolveRetryPolicy, type RetryPolicy } from "./retry-policy.ts";

/** A workflow as code. Made by `defineWorkflow`; `In` is what callers pass, `Out` what `result()` gives them. */
export interface Workflow<In, Out> {
  readonly name: string;
  readonly version: string;
  readonly taskQueue: string;
  readonly input: StandardSchemaV1<In> | undefined;
  readonly retry: RetryPolicy;
  /** Receives the schema's output where there is a schema, the caller's input otherwise. */
  readonly run: (ctx: WorkflowContext, input: never) => Promise<Out> | Out;
}

// `never` as the input of `run` and `any` here are what lets definitions of all inputs stand in one list.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyWorkflow = Workflow<any, unknown>;
export type InputOf<W extends AnyWorkflow> = W extends Workflow<infer In, unknown> ? In : never;
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
}

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
export function defineWorkflow<Schema extends StandardSchemaV1, Out>(
  options: WorkflowOptions & { readonly input: Schema; run(ctx: WorkflowContext, input: StandardSchemaV1.InferOutput<Schema>): Promise<Out> | Out },
): Workflow<StandardSchemaV1.InferInput<Schema>, Out>;
export function defineWorkflow<In, Out>(options: WorkflowOptions & { run(ctx: WorkflowContext, input: In): Promise<Out> | Out }): Workflow<In, Out>;
export function defineWorkflow(
  options: WorkflowOptions & { readonly input?: StandardSchemaV1; run(ctx: WorkflowContext, input: never): unknown },
): AnyWorkflow {
  if (typeof options !== "object" || options === null) throw new OptionInvalid("defineWorkflow", "takes one options object");
  const name = checkName(options.name, "defineWorkflow.name");
  const path = `workflow "${name}"`;
  if (typeof options.run !== "function") throw new OptionInvalid(`${path}.run`, "must be a function (ctx, input) => result");
  if (options.input !== undefined && typeof options.input["~standard"]?.validate !== "function") {
    throw new OptionInvalid(`${path}.input`, "must be a Standard Schema, such as a zod, valibot or arktype schema");
  }
  resolveRetryPolicy(options.retry ?? {}, `${path}.retry`);
  return Object.freeze({
    name,
    version: checkName(options.version ?? "1", `${path}.version`),
    taskQueue: checkName(options.taskQueue ?? "default", `${path}.taskQueue`),
    input: options.input as StandardSchemaV1<never> | undefined,
    retry: options.retry ?? {},
    run: options.run.bind(options),
  });
}

/** `name@version`, the key by which workers say what they can run. */
export function definitionKey(workflow: string, version: string): string {
  return `${workflow}@${version}`;
}
