/** A saga whose last step fails: what was booked is cancelled. Shared by the program that is killed and the test that finishes what it left. */
import { appendFileSync } from "node:fs";
import { defineWorkflow } from "pawl";

export const bookings = ["flight", "hotel", "car"];

/** @param {string} ledger path of the effects ledger @param {(boundary: string) => void} reached told before and after the effect of a step */
export function makeTrip(ledger, reached) {
  /** @param {import("pawl").StepContext} step */
  const effect = (step) => {
    reached(`${step.step}/before`);
    appendFileSync(ledger, `${JSON.stringify({ execution: step.executionId, step: step.step, attempt: step.attempt, pid: process.pid, at: Date.now() })}\n`);
    reached(`${step.step}/after`);
  };
  return defineWorkflow({
    name: "trip",
    retry: { maximumAttempts: 1 },
    run: (ctx) =>
      ctx.saga(async (saga) => {
        for (const what of bookings) {
          // Before it is booked: it may be, without a record of that.
          saga.compensate((undo) => undo.step(`cancel-${what}`, effect));
          await ctx.step(what, effect);
        }
        await ctx.step("pay", (step) => {
          effect(step);
          throw new Error("no money");
        });
      }),
  });
}
