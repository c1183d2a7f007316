import { defineWorkflow } from "pawl";

/** @param {{ beforeSql?: () => unknown, afterSql?: () => unknown }} hooks */
export function makeMover({ beforeSql, afterSql } = {}) {
  return defineWorkflow({
    name: "mover",
    run: async (ctx) => {
      const balance = await ctx.transaction("move", async (tx) => {
        beforeSql?.();
        const { rows } = await tx.query("UPDATE public.account SET cents = cents - 100 RETURNING cents");
        afterSql?.();
        return /** @type {{ cents: number }[]} */ (rows)[0]?.cents;
      });
      await ctx.step("tell", () => {});
      return balance;
    },
  });
}
