/** A parent ends, by itself or cancelled, while its children are open; the process kills itself around the commits that say so. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";

let ending = false;

export function makeFamily() {
  const child = defineWorkflow({ name: "open-child", run: async (ctx) => ctx.sleep("1 hour") });
  const parent = defineWorkflow({
    name: "ending-parent",
    run: async (ctx, /** @type {import("pawl").Duration} */ time) => {
      for (const parentClosePolicy of /** @type {const} */ (["cancel", "terminate", "abandon"]))
        ctx.child(child, undefined, { executionId: `${ctx.executionId}-${parentClosePolicy}`, parentClosePolicy }).catch(() => {});
      try {
        await ctx.sleep(time);
      } catch (error) {
        ending = true;
        // Its children have been told that it is cancelled before they are told that it ends.
        await ctx.shield((shielded) => shielded.sleep(200));
        throw error;
      }
      ending = true;
    },
  });
  return [parent, child];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { killAt } = await import("./kill-at.mjs");
  const { options } = await import("./program.mjs");
  const { url, kill, cancels } = /** @type {{ url: string, kill: import("./kill-at.mjs").Kill, cancels: boolean }} */ (options);
  const killThere = killAt(kill);
  let sent = false;
  /** @param {string} name @param {"before" | "after"} phase */
  const intercept = async (name, phase) => {
    if (!ending) return;
    killThere(name, phase);
    // A commit is done before its reply is read: until then nothing else of this process may go on from there.
    if (sent && phase === "before") await new Promise(() => {});
    if (kill.boundary === `${name}/after`) sent = true;
  };
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
  const [parent, child] = makeFamily();
  await pawl.worker({ workflows: [/** @type {never} */ (parent), /** @type {never} */ (child)], lease: "2s", pollInterval: 50 });
  const handle = await pawl.start("ending-parent", cancels ? "1 hour" : 1000, { executionId: "parent" });
  if (cancels) {
    const isRunning = 'workflow == "open-child" && state == "running"';
    while ((await pawl.count({ filter: isRunning })).count < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await handle.cancel();
  }
  await handle.result();
  await pawl.close();
}
