/** The workflows file that most tests give to the command line, as its text. */
export const workflowsFile = `
import { defineWorkflow, step, update, workflow, workflowsOf } from "pawl";
import { setTimeout as wait } from "node:timers/promises";

class Orders {
  @step()
  async charge(amount: number): Promise<number> {
    return amount * 2;
  }
  @workflow({ name: "order" })
  async order(input: { amount: number }): Promise<number> {
    return this.charge(input.amount);
  }
}

export const orders = workflowsOf(new Orders());

export const greet = defineWorkflow({
  name: "greet",
  run: (ctx, input: { name: string }) => ctx.step("say", () => \`Hello \${input.name}\`),
});

const slow = defineWorkflow({ name: "slow", run: (ctx) => ctx.step("think", () => wait(2500, "done")) });
const sleeper = defineWorkflow({ name: "sleeper", run: (ctx) => ctx.sleep("1h") });
const late = defineWorkflow({ name: "late", timeout: 300, run: (ctx) => ctx.sleep("1h") });
const failing = defineWorkflow({
  name: "failing",
  retry: { maximumAttempts: 2, initialInterval: 10 },
  run: (ctx) => ctx.step("break", () => { throw new TypeError("out of \\u001b[31mpaper\\u001b]0;owned\\u0007\\nerror: forged"); }),
});
const family = defineWorkflow({ name: "family", run: (ctx) => ctx.child(greet, { name: "child" }) });
const anything = { "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) => ({ value: value as number }) } };
export const cart = defineWorkflow({
  name: "cart",
  state: () => ({ items: [] as number[] }),
  signals: { pay: anything },
  queries: { items: (state: { items: number[] }, first?: number) => state.items.slice(0, first ?? undefined) },
  updates: { add: update(anything, (state: { items: number[] }, item: number) => state.items.push(item)) },
  run: async (ctx) => {
    await ctx.set("step", "open");
    const paid = await ctx.signal("pay");
    await ctx.set("step", "paid");
    return { paid, items: ctx.state.items };
  },
});

export const chat = defineWorkflow({
  name: "chat",
  run: async (ctx) => {
    await ctx.step("answer", (step) => step.stream("tokens").write("one\\u001b[31m"));
    await ctx.stream("tokens").write({ n: 2 });
  },
});

export const list = [slow, sleeper, late, failing];
export default family;
`;
