/** Does something in bulk to executions that are held, and kills itself in the middle. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";
import { z } from "zod";

/** The bulk operation's, with which it is asked for again. */
export const executionId = "bulk";

/** @param {"waits" | "does not fit what has waited"} code */
export function makeTreated(code) {
  return defineWorkflow({
    name: "treated",
    signals: { go: z.string() },
    run: async (ctx) => (code === "waits" ? ctx.signal("go") : ctx.step("work", () => "done")),
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { killAt } = await import("./kill-at.mjs");
  const { options } = await import("./program.mjs");
  const { url, bulk, kill } = /** @type {{ url: string, bulk: import("pawl").BulkOptions, kill: import("./kill-at.mjs").Kill }} */ (options);
  const pawl = await openPawl({ url, migrate: false, poolSize: 4, logger: silentLogger }, killAt(kill));
  await pawl.worker({ workflows: [makeTreated("does not fit what has waited")], lease: "2s", pollInterval: 50 });
  await (await pawl.bulk({ ...bulk, executionId })).result();
  await pawl.close();
}
