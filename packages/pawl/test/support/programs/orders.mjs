/** Takes an order in a transaction of its own, with a start and a signal in it, and kills itself before or after its commit. */
import { defineWorkflow } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import pg from "pg";
import { pathToFileURL } from "node:url";
import { z } from "zod";

export const shipping = defineWorkflow({ name: "shipping", run: async (ctx) => ctx.step("ship", () => "shipped") });

export const counting = defineWorkflow({
  name: "counting",
  signals: { item: z.string() },
  run: async (ctx) => [await ctx.signal("item"), await ctx.signal("item")],
});

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { options } = await import("./program.mjs");
  const { url, at } = /** @type {{ url: string, at: "before the commit" | "after the commit" }} */ (options);
  const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO public.orders VALUES ('order')");
  await pawl.start(shipping, undefined, { executionId: "shipping", transaction: client });
  await pawl.handle("counting").signal("item", "order", { transaction: client });
  if (at === "before the commit") process.kill(process.pid, "SIGKILL");
  await client.query("COMMIT");
  process.kill(process.pid, "SIGKILL");
}
