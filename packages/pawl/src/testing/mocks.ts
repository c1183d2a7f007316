import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkStepName } from "../base/ids.ts";
import type { StepContext, WorkflowContext } from "../definition/context.ts";
import { reusableStepName } from "../definition/reusable-step.ts";
import type { AnyWorkflow, InputOf, OutputOf } from "../definition/workflow.ts";
import type { StepInvocation } from "./instrument-workflow.ts";

/** One call that a mock answered. */
export interface MockCall<Arguments extends readonly unknown[] = readonly unknown[]> {
  readonly executionId: string;
  /** Name of the workflow whose code made the call. */
  readonly workflow: string;
  /** Which try it is, from 1. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** What the mock was given. */
  readonly args: Arguments;
}

/** A step or a workflow with another function in its place. */
export interface Mock<Arguments extends readonly unknown[] = readonly unknown[]> {
  /** In the order in which they came, attempts that failed included. Replays add nothing: what is recorded is not called. */
  readonly calls: readonly MockCall<Arguments>[];
  /** Puts the original back. */
  restore(): void;
}

export interface MockOptions {
  /** Only in this workflow, in all its versions (in all workflows). */
  readonly workflow?: AnyWorkflow;
  /** Answers only so many calls, of a workflow so many executions; those after them reach the original (all). */
  readonly times?: number;
}

const mockKeys = { workflow: true, times: true } satisfies KnownKeys<MockOptions>;

interface Entry {
  readonly name: string;
  readonly only: string | undefined;
  readonly times: number;
  readonly calls: MockCall[];
  readonly answer: (...args: never[]) => unknown;
  /** Called with the arguments of a reusable step, not with the step's context. */
  readonly reusable: boolean;
}

/**
 * Functions that stand in for steps and for whole workflows. The engine treats what they give or throw like the original's:
 * it is recorded, retried, replayed. The newest mock that fits is taken.
 *
 * @example
 * const charge = pawl.mocks.step("charge", () => ({ receipt: "r-1" }));
 * await pawl.execute(order, { id: "o-1" });
 * expect(charge.calls).toHaveLength(1);
 */
export class Mocks {
  readonly #steps: Entry[] = [];
  readonly #workflows: Entry[] = [];
  readonly #mocked = new Map<string, Entry>();
  readonly #definitions = new Map<string, AnyWorkflow>();

  /**
   * Replaces a reusable step, made by `step(name, fn)`: the mock gets its arguments and must give what it gives.
   *
   * @throws OptionInvalid for a function that `step()` did not make
   */
  step<Arguments extends unknown[], Result>(
    step: (...args: Arguments) => Promise<Result>,
    answer: (...args: Arguments) => Result | Promise<Result>,
    options?: MockOptions,
  ): Mock<Arguments>;
  /** Replaces the steps of that name. @throws OptionInvalid */
  step(name: string, answer: (step: StepContext) => unknown, options?: MockOptions): Mock<[StepContext]>;
  step(which: string | ((...args: never[]) => unknown), answer: (...args: never[]) => unknown, options: MockOptions = {}): Mock<never> {
    const name = typeof which === "string" ? checkStepName(which, "mocks.step name") : reusableStepName(which);
    if (name === undefined) throw new OptionInvalid("mocks.step", "takes a step made by step(name, fn), or the name of a step");
    return add(this.#steps, { name, answer, reusable: typeof which !== "string" }, options, "mocks.step");
  }

  /**
   * Replaces a workflow, for those that start it as a child and for starts by the test itself. The mock runs as one step of
   * an execution of that workflow; what it throws fails that execution, at once.
   *
   * @throws OptionInvalid
   */
  workflow<W extends AnyWorkflow>(
    workflow: W,
    answer: (input: InputOf<W>) => OutputOf<W> | Promise<OutputOf<W>>,
    options: Pick<MockOptions, "times"> = {},
  ): Mock<[InputOf<W>]> {
    if (typeof workflow?.run !== "function") throw new OptionInvalid("mocks.workflow", "takes a workflow made by defineWorkflow");
    this.#definitions.set(`${workflow.name}@${workflow.version}`, workflow);
    return add(this.#workflows, { name: workflow.name, answer, reusable: true }, options, "mocks.workflow");
  }

  /** Puts all originals back. */
  restoreAll(): void {
    this.#steps.length = 0;
    this.#workflows.length = 0;
    this.#definitions.clear();
  }

  /** The workflows among these, and those that are only known because they are mocked. */
  withMocked(workflows: readonly AnyWorkflow[]): readonly AnyWorkflow[] {
    const known = new Set(workflows.map(({ name, version }) => `${name}@${version}`));
    return [...workflows, ...[...this.#definitions].filter(([key]) => !known.has(key)).map(([, workflow]) => workflow)];
  }

  /** Runs a step's function, or the mock in its place. */
  async runStep({ workflow, step, args, run }: StepInvocation): Promise<unknown> {
    const entry = this.#find(this.#steps, step.step, workflow.name);
    if (entry === undefined) return run();
    const given: readonly unknown[] = entry.reusable ? (args ?? []) : [step];
    const { executionId, attempt, idempotencyKey } = step;
    entry.calls.push({ executionId, workflow: workflow.name, attempt, idempotencyKey, args: given });
    return entry.answer(...(given as never[]));
  }

  /** The code in the place of a mocked workflow's: once an execution has it, for all its life, since replays must find the same. */
  codeOf(workflow: AnyWorkflow, executionId: string): ((ctx: WorkflowContext, input: unknown) => Promise<unknown>) | undefined {
    const entry = this.#mocked.get(executionId) ?? this.#find(this.#workflows, workflow.name, workflow.name);
    if (entry === undefined) return undefined;
    this.#mocked.set(executionId, entry);
    return (ctx, input) =>
      ctx.step(
        "mock",
        ({ attempt, idempotencyKey }) => {
          entry.calls.push({ executionId, workflow: workflow.name, attempt, idempotencyKey, args: [input] });
          return entry.answer(input as never);
        },
        { retry: { maximumAttempts: 1 } },
      );
  }

  #find(entries: readonly Entry[], name: string, workflow: string): Entry | undefined {
    return entries.findLast((entry) => entry.name === name && (entry.only ?? workflow) === workflow && entry.calls.length < entry.times);
  }
}

function add(entries: Entry[], { name, answer, reusable }: Pick<Entry, "name" | "answer" | "reusable">, options: MockOptions, path: string): Mock<never> {
  if (typeof answer !== "function") throw new OptionInvalid(`${path} "${name}"`, "takes a function as its second argument, which answers in its place");
  checkKeys(options, mockKeys, `${path} "${name}"`);
  const { times = Number.POSITIVE_INFINITY, workflow } = options;
  if (!(times >= 1)) throw new OptionInvalid(`${path} "${name}".times`, `must be at least 1, not ${String(times)}`);
  if (workflow !== undefined && typeof workflow?.name !== "string")
    throw new OptionInvalid(`${path} "${name}".workflow`, "must be a workflow made by defineWorkflow");
  const entry: Entry = { name, answer, reusable, only: workflow?.name, times, calls: [] };
  entries.push(entry);
  return {
    calls: entry.calls as never,
    restore: () => {
      const index = entries.indexOf(entry);
      if (index >= 0) entries.splice(index, 1);
    },
  };
}
