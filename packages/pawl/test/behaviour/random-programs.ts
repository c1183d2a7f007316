/** Random workflow programs of durable calls, as values: they travel as the input of the one workflow that runs them. */
import fc from "fast-check";
import { defineWorkflow, NonRetryable, type Workflow, type WorkflowContext } from "pawl";

export type Program =
  /** `delay` -1: returns at once, without a promise; otherwise after so many milliseconds. Fails `fails` times before its end. */
  | { readonly kind: "step"; readonly delay: number; readonly fails: number; readonly end: "value" | "error" }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "child"; readonly body: Program }
  | { readonly kind: "sequence" | "race" | "native all" | "native race" | "settled"; readonly parts: readonly Program[] }
  | { readonly kind: "all"; readonly parts: readonly Program[]; readonly concurrency: number }
  | { readonly kind: "map"; readonly times: number; readonly body: Program; readonly concurrency: number }
  | { readonly kind: "try"; readonly body: Program; readonly instead: Program }
  /** A step decides which branch is taken. */
  | { readonly kind: "choice"; readonly branches: readonly Program[] }
  /** Lets the microtask queue turn so many times before it goes on. */
  | { readonly kind: "turns"; readonly count: number; readonly body: Program }
  | { readonly kind: "label" | "attribute"; readonly name: string; readonly value: number | null }
  | { readonly kind: "values" };

/** What one run of the code did and saw, in order. */
export type Trace = string[];

const concurrency = fc.integer({ min: 1, max: 3 });
const step = fc.record({
  kind: fc.constant("step" as const),
  delay: fc.integer({ min: -1, max: 4 }),
  fails: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2 })),
  end: fc.oneof({ weight: 5, arbitrary: fc.constant("value" as const) }, fc.constant("error" as const)),
});

const pieces: fc.Arbitrary<Program> = fc.letrec<{ program: Program }>((tie) => {
  const parts = fc.array(tie("program"), { minLength: 1, maxLength: 4 });
  return {
    program: fc.oneof(
      { depthSize: "large", maxDepth: 4, withCrossShrink: true },
      step,
      fc.record({ kind: fc.constant("sleep" as const), ms: fc.integer({ min: 0, max: 5 }) }),
      fc.record({ kind: fc.constant("values" as const) }),
      fc.record({ kind: fc.constantFrom("label" as const, "attribute" as const), name: fc.constantFrom("a", "b"), value: fc.option(fc.nat(3)) }),
      fc.record({ kind: fc.constantFrom("sequence" as const, "race" as const, "native all" as const, "native race" as const, "settled" as const), parts }),
      fc.record({ kind: fc.constant("sequence" as const), parts }),
      fc.record({ kind: fc.constant("all" as const), parts, concurrency }),
      fc.record({ kind: fc.constant("map" as const), times: fc.integer({ min: 1, max: 4 }), body: tie("program"), concurrency }),
      fc.record({ kind: fc.constant("try" as const), body: tie("program"), instead: tie("program") }),
      fc.record({ kind: fc.constant("choice" as const), branches: fc.array(tie("program"), { minLength: 2, maxLength: 3 }) }),
      fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 5 }), body: tie("program") }),
      fc.record({ kind: fc.constant("child" as const), body: tie("program") }),
    ),
  };
}).program;

/** Several pieces one after the other, so that a history is long; an error ends only its own piece. */
export const programs: fc.Arbitrary<Program> = fc
  .array(fc.record({ kind: fc.constant("try" as const), body: pieces, instead: fc.constant<Program>({ kind: "values" }) }), { minLength: 3, maxLength: 8 })
  .map((parts) => ({ kind: "sequence", parts }));

/** The workflow that runs programs. `newTrace` is called whenever its code begins, live or in replay. */
export function programWorkflow(newTrace: (executionId: string) => Trace): Workflow<Program, unknown> {
  const workflow: Workflow<Program, unknown> = defineWorkflow({
    name: "program",
    retry: { initialInterval: 1, backoffCoefficient: 1 },
    run: async (ctx: WorkflowContext, program: Program): Promise<unknown> => new Interpreter(ctx, newTrace(ctx.executionId), workflow).run(program, "p"),
  });
  return workflow;
}

class Interpreter {
  readonly #ctx: WorkflowContext;
  readonly #trace: Trace;
  readonly #workflow: Workflow<Program, unknown>;

  constructor(ctx: WorkflowContext, trace: Trace, workflow: Workflow<Program, unknown>) {
    this.#ctx = ctx;
    this.#trace = trace;
    this.#workflow = workflow;
  }

  async run(program: Program, path: string): Promise<unknown> {
    switch (program.kind) {
      case "step":
        return this.#call(path, "step", () => this.#step(path, program));
      case "sleep":
        return this.#call(path, `sleep ${program.ms}`, () => this.#ctx.sleep(program.ms));
      case "label":
        return this.#call(path, `label ${program.name}`, () => this.#ctx.setLabels({ [program.name]: program.value === null ? null : String(program.value) }));
      case "attribute":
        return this.#call(path, `set ${program.name}`, () => this.#ctx.setAttributes({ [program.name]: program.value }));
      case "child":
        return this.#call(path, "child", () => this.#ctx.child(this.#workflow, program.body));
      case "sequence": {
        const results: unknown[] = [];
        for (const [index, part] of program.parts.entries()) results.push(await this.run(part, `${path}.${index}`));
        return results;
      }
      case "all":
        return this.#ctx.all(this.#tasks(program.parts, path), { concurrency: program.concurrency });
      case "race":
        return this.#ctx.race(this.#tasks(program.parts, path));
      case "native all":
        return Promise.all(this.#tasks(program.parts, path).map((task) => task()));
      case "native race":
        return Promise.race(this.#tasks(program.parts, path).map((task) => task()));
      case "settled":
        return (await Promise.allSettled(this.#tasks(program.parts, path).map((task) => task()))).map(({ status }) => status);
      case "map":
        return this.#ctx.map([...Array(program.times).keys()], (index) => this.run(program.body, `${path}#${index}`), { concurrency: program.concurrency });
      case "try":
        try {
          return await this.run(program.body, `${path}t`);
        } catch (error) {
          this.#trace.push(`caught ${path} ${(error as Error).message}`);
          return this.run(program.instead, `${path}c`);
        } finally {
          this.#trace.push(`finally ${path}`);
        }
      case "choice": {
        const choice = await this.#call(path, "choice", () => this.#ctx.step(`choose ${path}`, () => Math.floor(Math.random() * program.branches.length)));
        return this.run(program.branches[choice as number]!, `${path}?${String(choice)}`);
      }
      case "turns":
        for (let turn = 0; turn < program.count; turn++) await Promise.resolve();
        return this.run(program.body, path);
      case "values":
        this.#trace.push(`now ${path} ${this.#ctx.now().getTime()}`, `random ${path} ${this.#ctx.random()} ${this.#ctx.uuid()}`);
        return this.#ctx.now().getTime();
    }
  }

  #tasks(parts: readonly Program[], path: string): (() => Promise<unknown>)[] {
    return parts.map((part, index) => () => this.run(part, `${path}.${index}`));
  }

  async #call(path: string, what: string, call: () => Promise<unknown>): Promise<unknown> {
    this.#trace.push(`call ${path} ${what}`);
    try {
      const value = await call();
      this.#trace.push(`got ${path} ${JSON.stringify(value)} at ${this.#ctx.now().getTime()}`);
      return value;
    } catch (error) {
      this.#trace.push(`threw ${path} ${(error as Error).name} ${(error as Error).message}`);
      throw error;
    }
  }

  #step(path: string, program: Extract<Program, { kind: "step" }>): Promise<unknown> {
    return this.#ctx.step(`step ${path}`, ({ attempt }) => {
      const end = (): number => {
        if (attempt <= program.fails) throw new Error(`${path} attempt ${attempt}`);
        if (program.end === "error") throw new NonRetryable(`${path} failed`);
        return Math.floor(Math.random() * 1000);
      };
      return program.delay < 0 ? end() : new Promise<void>((resolve) => setTimeout(resolve, program.delay)).then(end);
    });
  }
}
