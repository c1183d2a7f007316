/**
 * The workflows of the crash tests and a script of client operations over them. Shared by programs that are killed and by
 * tests that finish what those left: every operation may be repeated.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow, ExecutionCancelled, ExecutionStateInvalid, update } from "pawl";
import { z } from "zod";

/** @param {string} ledger path of the effects ledger */
export function makeWorkflows(ledger) {
  /** @param {import("pawl").StepContext} step */
  const effect = (step) => {
    appendFileSync(ledger, `${JSON.stringify({ execution: step.executionId, step: step.step, attempt: step.attempt, pid: process.pid, at: Date.now() })}\n`);
  };
  /**
   * @template Result
   * @param {() => Result} result
   * @param {number} [ms]
   */
  const doing = (result, ms = 0) => {
    /** @param {import("pawl").StepContext} step */
    return async (step) => {
      effect(step);
      if (ms > 0) await delay(ms);
      return result();
    };
  };

  const child = defineWorkflow({
    name: "child",
    /** @param {import("pawl").WorkflowContext} ctx @param {number} n */
    run: async (ctx, n) => {
      const value = await ctx.step(
        "work",
        doing(() => n * 10),
      );
      await ctx.sleep(30);
      return value;
    },
  });

  /** Sequential and parallel steps, a step that fails twice, a sleep that parks, and two children. */
  const mixed = defineWorkflow({
    name: "mixed",
    retry: { initialInterval: 20, backoffCoefficient: 1, jitter: 0 },
    /** @param {import("pawl").WorkflowContext} ctx @param {number} n */
    run: async (ctx, n) => {
      const first = await ctx.step(
        "first",
        doing(() => n + 1),
      );
      const second = await ctx.step(
        "second",
        doing(() => first * 2),
      );
      const squares = await ctx.map([1, 2, 3], (i) =>
        ctx.step(
          `square-${i}`,
          doing(() => i * i, i),
        ),
      );
      const retried = await ctx.step("retried", (step) => {
        effect(step);
        if (step.attempt < 3) throw new Error("not yet");
        return 1000;
      });
      await ctx.sleep(350);
      const [a, b] = await ctx.all([() => ctx.child(child, n), () => ctx.child(child, n + 1)]);
      return ctx.step(
        "last",
        doing(() => second + squares.reduce((sum, square) => sum + square, 0) + retried + a + b),
      );
    },
  });

  /** Sleeps until it is cancelled, and then cleans up. */
  const napping = defineWorkflow({
    name: "napping",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: async (ctx) => {
      await ctx.step(
        "before",
        doing(() => 1),
      );
      try {
        await ctx.sleep("1 hour");
      } catch (error) {
        await ctx.shield((shielded) =>
          shielded.step(
            "clean-up",
            doing(() => 2, 20),
          ),
        );
        throw error;
      }
      return 0;
    },
  });

  const resumable = defineWorkflow({
    name: "resumable",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: async (ctx) => {
      await ctx.step(
        "before",
        doing(() => 1),
      );
      await ctx.sleep(400);
      return ctx.step(
        "after",
        doing(() => 7),
      );
    },
  });

  const slow = defineWorkflow({
    name: "slow",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: async (ctx) => {
      for (let i = 1; i <= 5; i++)
        await ctx.step(
          `part-${i}`,
          doing(() => i, 40),
        );
      return 5;
    },
  });

  /** Adds up two signals, and an update that comes before them. */
  const told = defineWorkflow({
    name: "told",
    signals: { add: z.number() },
    state: () => ({ sum: 0 }),
    updates: { begin: update(z.number(), (/** @type {{ sum: number }} */ state, from) => (state.sum = from)) },
    run: async (ctx) => {
      await ctx.until(() => ctx.state.sum > 0);
      for (let n = 0; n < 2; n++) ctx.state.sum += await ctx.signal("add");
      return ctx.step(
        "after",
        doing(() => ctx.state.sum),
      );
    },
  });

  return { child, mixed, napping, resumable, slow, told };
}

/** @typedef {ReturnType<typeof makeWorkflows>} Workflows */

/** What `mixed` gives for an input. @param {number} n */
export function mixedResult(n) {
  return (n + 1) * 2 + 14 + 1000 + n * 10 + (n + 1) * 10;
}

export const mixedCount = 3;

/**
 * Starts, cancels, terminates and resumes. `acknowledge` is told each operation after it was answered.
 *
 * @param {import("pawl").Pawl} pawl
 * @param {Workflows} workflows
 * @param {(operation: string) => void} acknowledge
 */
export async function drive(pawl, workflows, acknowledge) {
  const { mixed, napping, resumable, told } = workflows;
  const mixedHandles = Array.from({ length: mixedCount }, async (_, n) => {
    const handle = await pawl.start(mixed, n, { executionId: `mixed-${n}` });
    acknowledge(`start mixed-${n}`);
    return handle.result();
  });
  await Promise.all([
    ...mixedHandles,
    cancelled(pawl, workflows, acknowledge),
    (async () => {
      const handle = await pawl.start(napping, undefined, { executionId: "terminated" });
      acknowledge("start terminated");
      await handle.terminate({ reason: "test" });
      acknowledge("terminate terminated");
    })(),
    (async () => {
      // It has not begun when it is cancelled.
      const handle = await pawl.start(mixed, 9, { executionId: "delayed", delay: "1 hour" });
      acknowledge("start delayed");
      await handle.cancel();
      acknowledge("cancel delayed");
    })(),
    (async () => {
      const handle = await pawl.start(told, undefined, { executionId: "told" });
      acknowledge("start told");
      if ((await handle.status()).finishedAt === null) await tell(handle, acknowledge);
      await handle.result();
    })(),
    (async () => {
      const handle = await pawl.start(resumable, undefined, { executionId: "resumed" });
      acknowledge("start resumed");
      await resumeAfterCancel(handle, acknowledge);
    })(),
  ]);
}

/** @param {import("pawl").Pawl} pawl @param {Workflows} workflows @param {(operation: string) => void} acknowledge */
async function cancelled(pawl, { napping }, acknowledge) {
  const handle = await pawl.start(napping, undefined, { executionId: "cancelled" });
  acknowledge("start cancelled");
  await handle.cancel({ reason: "test" });
  acknowledge("cancel cancelled");
  await handle.result().then(
    () => {
      throw new Error("an execution that was cancelled gave a result");
    },
    (error) => {
      if (!(error instanceof ExecutionCancelled)) throw error;
    },
  );
}

export const toldResult = 111;

/** @param {import("pawl").ExecutionHandle<unknown, any>} handle @param {(operation: string) => void} acknowledge */
async function tell(handle, acknowledge) {
  try {
    for (const [signalId, amount] of /** @type {const} */ ([
      ["ten", 10],
      ["hundred", 100],
    ])) {
      await handle.signal("add", amount, { signalId });
      acknowledge(`signal told ${signalId}`);
    }
    await handle.update("begin", 1, { updateId: "one" });
    acknowledge("update told one");
  } catch (error) {
    // A process before may have told it all.
    if (!(error instanceof ExecutionStateInvalid)) throw error;
  }
}

/** @param {import("pawl").ExecutionHandle<unknown>} handle @param {(operation: string) => void} acknowledge */
async function resumeAfterCancel(handle, acknowledge) {
  const { runNumber } = await handle.status();
  if (runNumber === 1) {
    try {
      await handle.cancel();
      acknowledge("cancel resumed");
    } catch (error) {
      // A process before may have come to its end.
      if (!(error instanceof ExecutionStateInvalid)) throw error;
    }
    const completed = await handle.result().then(
      () => true,
      (error) => {
        if (error instanceof ExecutionCancelled) return false;
        throw error;
      },
    );
    if (completed) return;
    try {
      await handle.resume();
      acknowledge("resume resumed");
    } catch (error) {
      if (!(error instanceof ExecutionStateInvalid)) throw error;
    }
  }
  await handle.result();
}

/** @param {import("pawl").Pawl} pawl @param {Workflows} workflows @param {(operation: string) => void} acknowledge */
export async function startSlow(pawl, { slow }, acknowledge) {
  return Promise.all(
    [0, 1].map(async (n) => {
      const handle = await pawl.start(slow, undefined, { executionId: `slow-${n}` });
      acknowledge(`start slow-${n}`);
      return handle;
    }),
  );
}
