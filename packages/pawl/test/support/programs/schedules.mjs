/** Runs due schedules, and kills itself at the n-th occurrence of a transaction boundary. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";

const { url, namespace, kill } = /** @type {{ url: string, namespace: string, kill: { boundary: string, occurrence: number } }} */ (options);
let count = 0;

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (`${name}/${phase}` === kill.boundary && ++count === kill.occurrence) process.kill(process.pid, "SIGKILL");
}

const noted = defineWorkflow({
  name: "noted",
  /** @param {import("pawl").WorkflowContext} ctx */
  run: async (ctx) => ctx.schedule?.at.toISOString(),
});
const pawl = await openPawl({ url, namespace, migrate: false, logger: silentLogger }, intercept);
const worker = await pawl.worker({ workflows: [noted], manual: true });
await worker.runOnce();
await pawl.close({ drain: 0 });
report("done", { count });
