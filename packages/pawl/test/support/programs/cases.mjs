/** Workflows that do one thing each. What goes wrong is up to the process: its `temper`. */
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow } from "pawl";

/**
 * @typedef {object} Temper
 * @property {boolean} [deadly] steps of `poison` kill the process
 * @property {number} [blockMs] steps of `heavy` block the loop for so long
 * @property {boolean} [hang] steps of `hanging` never give the loop back
 * @property {number} [killAtAttempt] steps of `stubborn` kill the process in this attempt
 * @property {string} [comment] makes the source of `parked` another text
 */

/** @param {string} ledger @param {Temper} [temper] */
export function makeCases(ledger, temper = {}) {
  /** @param {import("pawl").StepContext} step */
  const effect = (step) => {
    appendFileSync(ledger, `${JSON.stringify({ execution: step.executionId, step: step.step, attempt: step.attempt, pid: process.pid, at: Date.now() })}\n`);
  };

  const steady = defineWorkflow({
    name: "steady",
    /** @param {import("pawl").WorkflowContext} ctx @param {{ steps: number, ms: number }} input */
    run: async (ctx, { steps, ms }) => {
      let sum = 0;
      for (let i = 1; i <= steps; i++) {
        sum += await ctx.step(`part-${i}`, async (step) => {
          effect(step);
          if (ms > 0) await delay(ms);
          return i;
        });
      }
      return sum;
    },
  });

  const poison = defineWorkflow({
    name: "poison",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: async (ctx) => {
      await ctx.step("harmless", effect);
      return ctx.step("deadly", (step) => {
        effect(step);
        if (temper.deadly === true) process.kill(process.pid, "SIGKILL");
        return "survived";
      });
    },
  });

  const heavy = defineWorkflow({
    name: "heavy",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: (ctx) =>
      ctx.step("block", (step) => {
        effect(step);
        const until = performance.now() + (temper.blockMs ?? 0);
        while (performance.now() < until);
        return 1;
      }),
  });

  const hanging = defineWorkflow({
    name: "hanging",
    /** @param {import("pawl").WorkflowContext} ctx */
    run: (ctx) =>
      ctx.step("hang", (step) => {
        effect(step);
        while (temper.hang === true);
        return 1;
      }),
  });

  const stubborn = defineWorkflow({
    name: "stubborn",
    /** @param {import("pawl").WorkflowContext} ctx @param {{ failures: number, initialInterval: number, maximumAttempts: number }} input */
    run: (ctx, { failures, initialInterval, maximumAttempts }) =>
      ctx.step(
        "try",
        (step) => {
          effect(step);
          if (step.attempt === temper.killAtAttempt) process.kill(process.pid, "SIGKILL");
          if (step.attempt <= failures) throw new Error(`attempt ${step.attempt} fails`);
          return step.attempt;
        },
        { retry: { initialInterval, backoffCoefficient: 1, jitter: 0, maximumAttempts } },
      ),
  });

  const sleeping = defineWorkflow({
    name: "sleeping",
    /** @param {import("pawl").WorkflowContext} ctx @param {number} ms */
    run: async (ctx, ms) => {
      await ctx.sleep(ms);
      return ms;
    },
  });

  return { steady, poison, heavy, hanging, stubborn, sleeping };
}
