/** A workflow to pause, roll back and fork, with a ledger of what its steps did. */
import { appendFileSync } from "node:fs";
import { defineWorkflow } from "pawl";

const anything = { "~standard": { version: /** @type {1} */ (1), vendor: "test", validate: (/** @type {unknown} */ value) => ({ value }) } };

/** @param {string} ledger @param {Promise<unknown>} held what its first step waits for, if it is told to */
export function makeControlled(ledger, held) {
  return defineWorkflow({
    name: "controlled",
    signals: { go: anything },
    /** @param {import("pawl").WorkflowContext<{ go: typeof anything }>} ctx @param {{ waits: boolean }} input */
    run: async (ctx, { waits }) => {
      const one = await ctx.step("one", async (step) => {
        appendFileSync(ledger, `${step.executionId} one\n`);
        if (waits) await held;
        return 1;
      });
      const go = await ctx.signal("go");
      const two = await ctx.step("two", (step) => {
        appendFileSync(ledger, `${step.executionId} two\n`);
        return 2;
      });
      return [one, go, two];
    },
  });
}
