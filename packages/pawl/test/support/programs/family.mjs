/** A parent ends while its children are open; the process kills itself before or after the commit that ends it. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";

let ending = false;

export function makeFamily() {
  const child = defineWorkflow({ name: "open-child", run: async (ctx) => ctx.sleep("1 hour") });
  const parent = defineWorkflow({
    name: "ending-parent",
    run: async (ctx) => {
      for (const parentClosePolicy of /** @type {const} */ (["cancel", "terminate", "abandon"]))
        ctx.child(child, undefined, { executionId: `${ctx.executionId}-${parentClosePolicy}`, parentClosePolicy }).catch(() => {});
      await ctx.sleep(1000);
      ending = true;
    },
  });
  return [parent, child];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { options } = await import("./program.mjs");
  const { url, phase: at } = /** @type {{ url: string, phase: "before" | "after" }} */ (options);
  let committing = false;
  /** @param {string} name @param {"before" | "after"} phase */
  const intercept = async (name, phase) => {
    if (!ending) return;
    if (name === "commit" && phase === at) process.kill(process.pid, "SIGKILL");
    // The commit is done before its reply is read: until then nothing else of this process may go on from there.
    if (committing && phase === "before") await new Promise(() => {});
    if (name === "commit") committing = true;
  };
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
  const [parent, child] = makeFamily();
  await pawl.worker({ workflows: [/** @type {never} */ (parent), /** @type {never} */ (child)], lease: "2s", pollInterval: 50 });
  const handle = await pawl.start("ending-parent", undefined, { executionId: "parent" });
  await handle.result();
  await pawl.close();
}
