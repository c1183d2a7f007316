import { setTimeout as wait } from "node:timers/promises";
import { defineWorkflow, type StepContext } from "pawl";
import { writeLedger } from "./ledger.ts";

/** Attempts that "charge-card" needs: the first two fail. */
export const chargeAttempts = 3;

export interface Order {
  readonly ledger: string;
  readonly items: number;
}

export interface Receipt {
  readonly total: number;
  readonly parcel: string;
  readonly text: string;
}

/** What the workflow must return for that many items, worked out without it. */
export function expectedReceipt(items: number): Receipt {
  const total = items * 20 + items * 4 + 7;
  return { total, parcel: `parcel of ${items}`, text: `Paid ${total} for a parcel of ${items}` };
}

/** A step that takes a while and leaves a line in the ledger whenever it runs. */
function work<Result>(ledger: string, milliseconds: number, result: () => Result): (step: StepContext) => Promise<Result> {
  return async ({ step, attempt }) => {
    writeLedger(ledger, step, attempt);
    await wait(milliseconds);
    return result();
  };
}

export const packOrder = defineWorkflow({
  name: "pack-order",
  run: async (ctx, { ledger, items }: Order) =>
    ctx.step(
      "pack",
      work(ledger, 300, () => `parcel of ${items}`),
    ),
});

/** Eight steps: two in sequence, three side by side, one that fails twice, one in a child, and the last. */
export const processOrder = defineWorkflow({
  name: "process-order",
  retry: { initialInterval: "200ms", backoffCoefficient: 1 },
  async run(ctx, order: Order): Promise<Receipt> {
    const { ledger, items } = order;
    await ctx.step(
      "check-stock",
      work(ledger, 300, () => items),
    );
    await ctx.step(
      "reserve-stock",
      work(ledger, 300, () => items),
    );
    const [price, tax, shipping] = await ctx.all([
      () =>
        ctx.step(
          "price",
          work(ledger, 300, () => items * 20),
        ),
      () =>
        ctx.step(
          "tax",
          work(ledger, 500, () => items * 4),
        ),
      // Slower than the others, so that it is under way when the process is killed.
      () =>
        ctx.step(
          "shipping",
          work(ledger, 1500, () => 7),
        ),
    ]);
    const total = await ctx.step("charge-card", async (step) => {
      writeLedger(ledger, step.step, step.attempt);
      if (step.attempt < chargeAttempts) throw new Error("the bank does not answer");
      return price + tax + shipping;
    });
    const parcel = await ctx.child(packOrder, order, { executionId: childOf(ctx.executionId) });
    const text = await ctx.step(
      "send-receipt",
      work(ledger, 300, () => `Paid ${total} for a ${parcel}`),
    );
    return { total, parcel, text };
  },
});

export function childOf(executionId: string): string {
  return `${executionId}.pack`;
}
