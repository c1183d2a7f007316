import {
  defineWorkflow,
  NonRetryable,
  step as reusableStep,
  stepContext,
  StepNotStarted,
  update,
  WaitTimeout,
  type AnyWorkflow,
  type ParentClosePolicy,
  type ReusableStep,
  type StepContext,
  type WorkflowContext,
} from "pawl";
import type { Program } from "./program.ts";
import type { SimProcess } from "./sim-process.ts";

/** What the workflows' steps do to the world outside: told to whoever keeps the ledger. */
export interface Effects {
  /** Gives how often this step has begun before. */
  begin(process: SimProcess, step: StepContext): number;
  /** A step begins that says how far it is: it has to know what of that is recorded. */
  beats(process: SimProcess, step: StepContext): void;
  /** A step begins that its code asked for after it had continued as new. */
  tooLate(step: StepContext): void;
}

/** Far beyond the end of any simulation. */
const forEverMs = 30 * 24 * 3600 * 1000;

interface State {
  bumps: number;
}

const types: { readonly input: number; readonly output: number } | undefined = undefined;
/** Their starts may become one execution. */
export const mergedWorkflows = ["debounced", "batched", "deduplicated"] as const;

const number = { "~standard": { version: 1, vendor: "sim", types, validate: (value: unknown) => ({ value: value as number }) } } as const;

/** What executions of all workflows here can be sent. */
const messages = {
  state: (): State => ({ bumps: 0 }),
  signals: { go: number },
  queries: { bumps: (state: State) => state.bumps },
  updates: { bump: update(number, (state: State, by: number) => (state.bumps += by)) },
};
type Context = WorkflowContext<typeof messages.signals, State>;

/** The definitions, as this process has loaded them. */
export function makeWorkflows(
  process: SimProcess,
  version: string,
  effects: Effects,
): { readonly workflows: readonly AnyWorkflow[]; readonly steps: readonly ReusableStep[] } {
  const effect = async (step: StepContext, ms: number): Promise<void> => {
    effects.begin(process, step);
    if (ms > 0) await process.sleep(ms);
  };

  const remotely = async (ms: number, value: number): Promise<number> => {
    await effect(stepContext(), ms);
    return value;
  };
  const remote = reusableStep("remote", remotely, { taskQueue: "default" });
  const inTime = reusableStep("in-time", remotely, { taskQueue: "default", scheduleToStart: 700 });

  const run = async (ctx: Context, program: Program): Promise<number> => {
    switch (program.do) {
      case "step":
        return ctx.step("step", async (step) => {
          await effect(step, program.ms);
          return program.value;
        });
      case "retry":
        return ctx.step(
          "retry",
          async (step) => {
            await effect(step, 0);
            if (step.attempt <= program.fails) throw new Error(`attempt ${step.attempt} fails`);
            return program.value;
          },
          { retry: { initialInterval: program.intervalMs, backoffCoefficient: 3, maximumAttempts: program.attempts } },
        );
      case "beat":
        return ctx.step(
          "beat",
          async (step) => {
            effects.begin(process, step);
            effects.beats(process, step);
            for (let beat = ((step.lastHeartbeat as number | undefined) ?? 0) + 1; beat <= program.beats; beat++) {
              await process.sleep(1500);
              step.heartbeat(beat);
            }
            if (step.attempt === 1) throw new Error("the first attempt fails");
            return program.value;
          },
          { retry: { initialInterval: 50, maximumAttempts: 0 } },
        );
      case "fail":
        return ctx.step("fail", async (step) => {
          await effect(step, 0);
          throw new NonRetryable("as planned");
        });
      case "slow":
        return ctx.step(
          "slow",
          async (step) => {
            await effect(step, 0);
            if (step.attempt <= program.hangs) await new Promise(() => {});
            return program.value;
          },
          { [program.over]: 400, retry: { initialInterval: 50, maximumAttempts: 0 } },
        );
      case "remote":
        return program.inTime ? inTime(program.ms, program.value).catch(zeroIfNotStarted) : remote(program.ms, program.value);
      case "kill":
        return ctx.step("kill", async (step) => {
          if (effects.begin(process, step) < program.deaths) process.crash();
          return program.value;
        });
      case "sleep":
        await ctx.sleep(program.ms);
        return 0;
      case "signal":
        return ctx.signal("go", { timeout: program.timeoutMs }).catch(zeroIfLate);
      case "take":
        for (let time = 0; time < program.times; time++) {
          const order = await ctx.signal("go", { timeout: program.timeoutMs }).catch(noneIfLate);
          await ctx.step("took", async (step) => {
            await effect(step, 0);
            return order;
          });
        }
        return 0;
      case "until":
        await ctx.until(() => ctx.state.bumps >= program.bumps, { timeout: program.timeoutMs }).catch(zeroIfLate);
        return 0;
      case "publish":
        await ctx.set("value", program.value);
        return program.value;
      case "saga":
        return ctx.saga(async (saga) => {
          await ctx.step("do", (step) => effect(step, 0));
          saga.compensate(async (undo) => undo.step("undo", (step) => effect(step, 0)));
          return run(ctx, program.program);
        });
      case "patched": {
        const isPatched = ctx.patched(program.id);
        if (isPatched && program.id === "q") await ctx.transaction(newTransaction, async (_, step) => effect(step, 0));
        else await ctx.step(isPatched ? newStep : "old", (step) => effect(step, 0));
        return ctx.patched(program.id) === isPatched ? program.value : Number.NaN;
      }
      case "continue": {
        const beside = run(ctx, program.beside);
        beside.catch(() => {});
        await run(ctx, program.first);
        try {
          return ctx.continueAsNew(program.next);
        } catch (error) {
          // Cancelled, it does not continue, and this fails as it should.
          await ctx.step("too late", (step) => effects.tooLate(step));
          throw error;
        }
      }
      case "set":
        if (program.what === "attributes") await ctx.setAttributes({ [program.name]: program.value });
        else await ctx.setLabels({ [program.name]: program.value === null ? null : String(program.value) });
        return 0;
      case "tell":
        for (let chunk = 0; chunk < program.chunks; chunk++) await ctx.stream("s").write(chunk);
        return program.chunks;
      case "tokens":
        return ctx.step(
          "tokens",
          async (step) => {
            effects.begin(process, step);
            const stream = step.stream("s");
            for (let chunk = 0; chunk < program.chunks; chunk++) {
              void stream.write(chunk);
              if (chunk * 2 >= program.chunks && step.attempt <= program.fails) throw new Error(`attempt ${step.attempt} fails`);
              if (program.ms > 0) await process.sleep(program.ms);
            }
            return program.chunks;
          },
          { retry: { initialInterval: 50, maximumAttempts: 0 } },
        );
      case "transact":
        return ctx.transaction(
          "transact",
          async (tx, step) => {
            effects.begin(process, step);
            await tx.query("INSERT INTO effects VALUES ($1, $2)", [step.idempotencyKey, program.value]);
            if (step.attempt <= program.fails) throw new Error(`attempt ${step.attempt} fails`);
            return program.value;
          },
          { retry: { initialInterval: 50, maximumAttempts: 0 } },
        );
      case "child":
        return ctx.child(child, program.program, {
          parentClosePolicy: closePolicyOf(program.program),
          ...(program.own ? { executionId: `${ctx.executionId}-own` } : {}),
        });
      case "inOrder": {
        let sum = 0;
        for (const part of program.parts) sum += await run(ctx, part);
        return sum;
      }
      case "together":
        return sumOf(await ctx.map(program.parts, (part) => run(ctx, part), { concurrency: program.concurrency }));
      case "race":
        return ctx.race(program.parts.map((part) => () => run(ctx, part)));
      case "settle":
        return sumOf(
          (await Promise.allSettled(program.parts.map((part) => run(ctx, part)))).map((outcome) => (outcome.status === "fulfilled" ? outcome.value : 0)),
        );
      case "wait to be cancelled":
        try {
          await Promise.all([
            ctx.sleep(forEverMs),
            ctx.child(child, { do: "sleep", ms: forEverMs }),
            ctx.step("hang", async (step) => {
              effects.begin(process, step);
              await new Promise((_, reject) => step.signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true }));
            }),
          ]);
          return 0;
        } finally {
          await ctx.shield(async (shielded) => shielded.step("clean up", (step) => void effects.begin(process, step)));
        }
    }
  };

  const child = defineWorkflow({ name: "child", version, ...messages, run: async (ctx, program: Program): Promise<number> => run(ctx, program) });
  const root = defineWorkflow({ name: "root", version, ...messages, run: async (ctx, program: Program): Promise<number> => run(ctx, program) });
  const gathering = mergedWorkflows.map((name) =>
    defineWorkflow({
      name,
      version,
      run: async (ctx, input: number | readonly number[]) =>
        ctx.step("gather", async (step) => {
          await effect(step, 20);
          return input;
        }),
    }),
  );
  return { workflows: [root, child, ...gathering], steps: [remote, inTime] };
}

function zeroIfNotStarted(error: unknown): number {
  if (error instanceof StepNotStarted) return 0;
  throw error;
}

const newStep = "new";
/** A result may be recorded before what was asked for earlier, in its turn. */
const newTransaction = "new, in a transaction";

/** Whether the code of a patch comes to that step only where it goes the new way. */
export function isNewWay(step: string): boolean {
  return step === newStep || step === newTransaction;
}

/** Its attempt begins before its function does: it waits for a session, or is run again. */
export function isTransaction(step: string): boolean {
  return step === "transact" || step === newTransaction;
}

/** Nothing that is drawn: simulations of before go on as they were. */
function closePolicyOf(program: Program): ParentClosePolicy {
  const policies = ["cancel", "cancel", "terminate", "abandon"] as const;
  return policies[JSON.stringify(program).length % policies.length]!;
}

function zeroIfLate(error: unknown): number {
  if (error instanceof WaitTimeout) return 0;
  throw error;
}

/** The first signal is 0. */
function noneIfLate(error: unknown): undefined {
  if (error instanceof WaitTimeout) return undefined;
  throw error;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
