/** Sets labels and attributes, exports, imports and deletes, and kills itself at the first occurrence of a transaction boundary. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";

const { url, kill } = /** @type {{ url: string, kill: string }} */ (options);
let armed = false;

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (armed && kill === `${name}/${phase}`) process.kill(process.pid, "SIGKILL");
}

export const workflow = defineWorkflow({
  name: "searchable",
  run: async (ctx) => {
    await ctx.setAttributes({ phase: "begun" });
    armed = true;
    await Promise.all([ctx.setAttributes({ phase: "done", size: 1 }), ctx.setLabels({ stage: "done", of: null })]);
    armed = false;
  },
});

const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
await pawl.worker({ workflows: [workflow], lease: "2s", pollInterval: 50, retentionInterval: "1h" });
await pawl.execute(workflow, undefined, { executionId: "first", labels: { of: "first" } });
const document = await pawl.exportExecution("first");
armed = true;
await pawl.importExecution(document, { executionId: "copy" });
await pawl.retention.set({ keep: 0 });
await pawl.retention.run();
armed = false;
await pawl.close();
report("done", {});
