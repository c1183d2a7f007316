/** Continues as new with a signal and an update on their way, deletes the run before, and kills itself at the boundary of a transaction. */
import { defineWorkflow, update } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";

const { url, kill } = /** @type {{ url: string, kill: string }} */ (options);
let armed = false;

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (armed && kill === `${name}/${phase}`) process.kill(process.pid, "SIGKILL");
}

const anything = { "~standard": { version: /** @type {const} */ (1), vendor: "test", validate: (/** @type {unknown} */ value) => ({ value }) } };

export const workflow = defineWorkflow({
  name: "continuing",
  signals: { item: anything },
  state: () => ({ added: 0 }),
  updates: { add: update(anything, (/** @type {{ added: number }} */ state, /** @type {unknown} */ by) => (state.added += Number(by))) },
  run: async (ctx, /** @type {number} */ round) => {
    if (round === 0) {
      // Its answer is recorded before the run ends, and after what ends it.
      await ctx.until(() => ctx.state.added > 0);
      // Nobody waits for the end of this step: it is recorded on its own before the run ends.
      void ctx.step("aside", () => {});
      armed = true;
      return ctx.continueAsNew(1);
    }
    armed = false;
    return [await ctx.signal("item"), await ctx.signal("item"), ctx.runId];
  },
});

const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
await pawl.worker({ workflows: [workflow], lease: "2s", pollInterval: 50 });
const handle = await pawl.start(workflow, 0, { executionId: "first", labels: { of: "first" }, attributes: { size: 1 } });
await handle.signal("item", 1);
await handle.update("add", 0);
await handle.signal("item", 2);
await handle.update("add", 1);
await handle.result();
await pawl.retention.set({ state: "continued_as_new", keep: 0 });
armed = true;
await pawl.retention.run();
await pawl.close();
report("done", {});
