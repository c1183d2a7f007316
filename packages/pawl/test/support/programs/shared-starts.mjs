/** Starts that become one execution, and signals that start one: a process makes them one after the other, and kills itself among them. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";
import { z } from "zod";

export const gathered = defineWorkflow({ name: "gathered", input: z.array(z.number()), run: async (ctx, input) => ctx.step("all", () => input) });
export const settled = defineWorkflow({ name: "settled", run: async (ctx, /** @type {string} */ input) => ctx.step("last", () => input) });
export const signalled = defineWorkflow({
  name: "signalled",
  signals: { item: z.string() },
  run: async (ctx) => [await ctx.signal("item"), await ctx.signal("item")],
});

/** What is asked, in this order. @type {readonly ((pawl: import("pawl").Pawl) => Promise<unknown>)[]} */
export const requests = [
  ...[1, 2, 3].map((n) => (/** @type {import("pawl").Pawl} */ pawl) => pawl.start(gathered, [n], { batch: { key: "b", size: 3, window: "1 hour" } })),
  ...["a", "b"].map((input) => (/** @type {import("pawl").Pawl} */ pawl) => pawl.start(settled, input, { debounce: { key: "d", period: 300 } })),
  ...["first", "second"].map(
    (payload) => (/** @type {import("pawl").Pawl} */ pawl) =>
      pawl.signalWithStart(signalled, undefined, { executionId: "signalled", signal: { name: "item", payload, signalId: payload } }),
  ),
];

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { killAt } = await import("./kill-at.mjs");
  const { options } = await import("./program.mjs");
  const { url, kill } = /** @type {{ url: string, kill: import("./kill-at.mjs").Kill }} */ (options);
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, killAt(kill));
  for (const request of requests) await request(pawl);
  await pawl.close();
}
