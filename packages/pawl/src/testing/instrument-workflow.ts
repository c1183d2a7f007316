import type { StandardSchemaV1 } from "@standard-schema/spec";
import { runAmbient, runWithContext } from "../definition/ambient.ts";
import type { StepContext, StepFunction, WorkflowContext } from "../definition/context.ts";
import { argumentsOf, withArguments } from "../definition/reusable-step.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";

/** One call of a step's function. */
export interface StepInvocation {
  readonly workflow: AnyWorkflow;
  readonly step: StepContext;
  /** Of a reusable step, what it was called with. */
  readonly args: readonly unknown[] | undefined;
  /** The step's own function. */
  readonly run: () => Promise<unknown>;
}

export interface Instruments {
  /** In the place of every step's function. */
  readonly step: (invocation: StepInvocation) => Promise<unknown>;
  /** In the place of the workflow's code, if it gives something; gets the input as callers pass it. */
  readonly workflow: (workflow: AnyWorkflow, executionId: string) => ((ctx: WorkflowContext, input: unknown) => Promise<unknown>) | undefined;
}

/** The same workflow, with what its code calls passing through the instruments. */
export function instrumentWorkflow(workflow: AnyWorkflow, instruments: Instruments): AnyWorkflow {
  const run = async (original: WorkflowContext, given: unknown): Promise<unknown> => {
    const { raw, parsed } = given instanceof BothInputs ? given : { raw: given, parsed: given };
    const context = instrumentContext(original, workflow, instruments);
    const replacement = instruments.workflow(workflow, original.executionId);
    // Reusable steps and `workflowContext()` find the context there.
    return runAmbient({ kind: "workflow", context }, async () =>
      replacement === undefined ? workflow.run(context as never, parsed as never) : replacement(context, raw),
    );
  };
  return Object.freeze({ ...workflow, input: workflow.input === undefined ? undefined : keepingRaw(workflow.input), run });
}

/** The code gets what the schema made of the input; what stands in the code's place gets what callers pass. */
class BothInputs {
  readonly raw: unknown;
  readonly parsed: unknown;

  constructor(raw: unknown, parsed: unknown) {
    this.raw = raw;
    this.parsed = parsed;
  }
}

function keepingRaw(schema: StandardSchemaV1): StandardSchemaV1 {
  const standard = schema["~standard"];
  const validate: typeof standard.validate = async (raw) => {
    const outcome = await standard.validate(raw);
    return outcome.issues === undefined ? { value: new BothInputs(raw, outcome.value) } : outcome;
  };
  return { "~standard": { ...standard, validate } };
}

function instrumentContext(original: WorkflowContext, workflow: AnyWorkflow, instruments: Instruments): WorkflowContext {
  const step: WorkflowContext["step"] = (name, fn, options) => original.step(name, instrumentStep(fn), options);
  const transaction: WorkflowContext["transaction"] = (name, fn, options) => {
    if (typeof fn !== "function") return original.transaction(name, fn, options);
    const instrumented: typeof fn = async (tx, context) =>
      instruments.step({ workflow, step: context, args: undefined, run: async () => fn(tx, context) }) as ReturnType<typeof fn>;
    return original.transaction(name, instrumented, options);
  };
  const instrumentStep = <Result>(fn: StepFunction<Result>): StepFunction<Result> => {
    // What is wrong with it, the context says.
    if (typeof fn !== "function") return fn;
    const args = argumentsOf(fn);
    const instrumented: StepFunction<Result> = (context) =>
      instruments.step({ workflow, step: context, args, run: async () => fn(context) }) as Promise<Result>;
    // A step that runs elsewhere takes its arguments along.
    return args === undefined ? instrumented : withArguments(instrumented, args);
  };
  const withInstruments =
    <Result>(fn: (ctx: WorkflowContext) => Result) =>
    (ctx: WorkflowContext): Result => {
      const context = instrumentContext(ctx, workflow, instruments);
      return runWithContext(context, () => fn(context));
    };
  const shield: WorkflowContext["shield"] = (fn) => original.shield(typeof fn === "function" ? withInstruments(fn) : fn);
  const saga: WorkflowContext["saga"] = (fn) => {
    if (typeof fn !== "function") return original.saga(fn);
    return original.saga((made) => fn({ compensate: (undo) => made.compensate(typeof undo === "function" ? withInstruments(undo) : undo) }));
  };
  const replaced: Partial<WorkflowContext> = { step, transaction, shield, saga };
  return new Proxy(original, {
    get: (target, key) => {
      if (Object.hasOwn(replaced, key)) return replaced[key as keyof typeof replaced];
      const value: unknown = Reflect.get(target, key, target);
      // Methods know the context itself, not what stands for it here.
      return typeof value === "function" && !Object.hasOwn(target, key) ? (value.bind(target) as unknown) : value;
    },
  });
}
