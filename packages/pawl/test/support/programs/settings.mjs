/** Sets what workers go by, changes it and takes it away again, and kills itself on the way. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";

const noted = defineWorkflow({ name: "noted", run: async (ctx) => ctx.schedule?.scheduleId });

/** An operator's orders, which may be given again. @param {import("pawl").Pawl} pawl */
export async function order(pawl) {
  const schedule = await pawl.schedules.create({ scheduleId: "nightly", workflow: noted, cron: "0 2 * * *", ifExists: "keep" });
  await schedule.update({ cron: "30 2 * * *" });
  await pawl.queues.set("default", { concurrency: 2 });
  await pawl.retention.set({ keep: "30 days" });
}

/** @param {import("pawl").Pawl} pawl */
export async function takeBack(pawl) {
  await pawl.schedules.get("nightly").delete();
  await pawl.queues.delete("default");
  await pawl.retention.delete({});
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { killAt } = await import("./kill-at.mjs");
  const { options } = await import("./program.mjs");
  const { url, kill } = /** @type {{ url: string, kill: import("./kill-at.mjs").Kill }} */ (options);
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, killAt(kill));
  await order(pawl);
  await takeBack(pawl);
  await pawl.close();
}
