import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow } from "pawl";

export const tokens = 30;

/** Workflow code and a step write to one stream, in turn and side by side. */
export function makeTeller() {
  return defineWorkflow({
    name: "teller",
    run: async (ctx) => {
      await ctx.stream("s").write("first");
      await ctx.all([
        () =>
          ctx.step("tokens", async (step) => {
            for (let i = 0; i < tokens; i++) {
              await step.stream("s").write(i);
              if (i % 5 === 0) await delay(5);
            }
          }),
        () => ctx.stream("s").write("beside"),
      ]);
      await ctx.sleep(300);
      await ctx.stream("s").write("last");
      await ctx.stream("s").close();
    },
  });
}
