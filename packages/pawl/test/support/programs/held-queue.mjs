/** A queue is held, given limits and let go, then worked off one at a time; the process kills itself on the way. */
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";

export const count = 4;

/** @param {string} ledger gets a line when a step begins, and when it ends */
export function makeNarrow(ledger) {
  return defineWorkflow({
    name: "narrow",
    run: async (ctx) =>
      ctx.step("work", async (step) => {
        appendFileSync(ledger, `${step.executionId} begins\n`);
        await delay(20);
        appendFileSync(ledger, `${step.executionId} ends\n`);
        return step.executionId;
      }),
  });
}

/** Asked for again, it gives the same ones. @param {import("pawl").Pawl} pawl @param {ReturnType<typeof makeNarrow>} narrow */
export function startAll(pawl, narrow) {
  return Promise.all(Array.from({ length: count }, (_, n) => pawl.start(narrow, undefined, { executionId: `narrow-${n}` })));
}

/** The operator's part, which may be done again. @param {import("pawl").Pawl} pawl */
export async function hold(pawl) {
  await pawl.pauses.add({ taskQueue: "default", reason: "to set limits" });
  await pawl.pauses.add({ workflow: "narrow" });
  await pawl.queues.set("default", { concurrency: 3 });
  await pawl.queues.set("default", { concurrency: 1 });
}

/** @param {import("pawl").Pawl} pawl */
export async function release(pawl) {
  await pawl.pauses.remove({ taskQueue: "default" });
  await pawl.pauses.remove({ workflow: "narrow" });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { killAt } = await import("./kill-at.mjs");
  const { options } = await import("./program.mjs");
  const { url, ledger, kill } = /** @type {{ url: string, ledger: string, kill: import("./kill-at.mjs").Kill }} */ (options);
  const narrow = makeNarrow(ledger);
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, killAt(kill));
  const handles = await startAll(pawl, narrow);
  await hold(pawl);
  await release(pawl);
  await pawl.worker({ workflows: [narrow], lease: "2s", pollInterval: 50 });
  for (const handle of handles) await handle.result();
  await pawl.close();
}
