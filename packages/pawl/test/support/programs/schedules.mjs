/** Runs due schedules, and kills itself at the n-th occurrence of a transaction boundary. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { killAt } from "./kill-at.mjs";
import { options, report } from "./program.mjs";

const { url, namespace, kill } = /** @type {{ url: string, namespace: string, kill: import("./kill-at.mjs").Kill }} */ (options);

const noted = defineWorkflow({
  name: "noted",
  /** @param {import("pawl").WorkflowContext} ctx */
  run: async (ctx) => ctx.schedule?.at.toISOString(),
});
const pawl = await openPawl({ url, namespace, migrate: false, logger: silentLogger }, killAt(kill));
const worker = await pawl.worker({ workflows: [noted], manual: true });
await worker.runOnce();
await pawl.close({ drain: 0 });
report("done", {});
