/** Within one execution, in all its runs, one idempotency key belongs to one step. */
import { defineWorkflow, ExecutionCancelled, ExecutionFailed, NonRetryable, step, stepContext, type ExecutionHandle, type StepContext } from "pawl";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

/** What each step was told, in order. */
const told: string[] = [];
const tell = ({ step: name, idempotencyKey }: StepContext): void => void told.push(`${name}: ${idempotencyKey}`);

/** Where it waits for its signal it is cancelled, undoes what it has done, and goes on to its end after a resume. */
async function cancelAndResume(handle: ExecutionHandle<unknown, Pick<typeof order, "signals" | "queries" | "updates">>): Promise<void> {
  await eventually(async () => expect((await handle.history()).at(-1)!.event.type).toBe("WaitStarted"));
  await handle.cancel();
  await refusalOf(handle.result(), ExecutionCancelled);
  await handle.resume();
  await handle.signal("go", 1);
  await handle.result();
}

beforeEach(() => void told.splice(0));

const signals = { go: z.unknown() };
const order = defineWorkflow({
  name: "order",
  signals,
  run: async (ctx) =>
    ctx.saga(async (saga) => {
      await ctx.step("reserve", tell);
      saga.compensate((undo) => undo.step("refund", tell));
      await ctx.signal("go");
      await ctx.step("charge", tell);
    }),
});

test("a step has another key than the clean-up that was at its position before a resume", async () => {
  const { pawl } = await h.run([order]);
  const handle = await pawl.start(order, undefined, { executionId: "order" });
  await cancelAndResume(handle);
  expect(told).toEqual(["reserve: order/reserve/1", "refund: order/shielded:refund/3", "charge: order/charge/3"]);
});

test("a step on another queue has, too, also where the same function does something and undoes it", async () => {
  const transfer = step("transfer", async (_to: string) => tell(stepContext()), { taskQueue: "bank" });
  const moving = defineWorkflow({
    name: "moving",
    signals,
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        await transfer("there");
        saga.compensate(() => transfer("back"));
        await ctx.signal("go");
        await transfer("on");
      }),
  });
  const { pawl } = await h.run([moving]);
  await pawl.worker({ steps: [transfer], ...soon });
  const handle = await pawl.start(moving, undefined, { executionId: "moving" });
  await cancelAndResume(handle);
  expect(told).toEqual(["transfer: moving.1/transfer/1", "transfer: moving.3/shielded:transfer/1", "transfer: moving.3/transfer/1"]);
});

test("a retry tells the step that failed the key that it had, and what follows another than what followed the failure", async () => {
  let isDeclined = true;
  const paying = defineWorkflow({
    name: "paying",
    run: async (ctx) => {
      try {
        await ctx.step("charge", (context) => {
          tell(context);
          if (isDeclined) throw new NonRetryable("declined");
        });
      } catch (error) {
        await ctx.step("apologize", tell);
        throw error;
      }
      await ctx.step("ship", tell);
    },
  });
  const { pawl } = await h.run([paying]);
  const handle = await pawl.start(paying, undefined, { executionId: "paying" });
  await refusalOf(handle.result(), ExecutionFailed);
  isDeclined = false;
  await (await handle.retry()).result();
  expect(told).toEqual(["charge: paying/charge/1", "apologize: paying/apologize/2", "charge: paying/charge/1", "ship: paying/ship/2"]);
});

test("after a rollback the same step has the key that it had, and another one at its position has not", async () => {
  let answer = "yes";
  const asking = defineWorkflow({
    name: "asking",
    run: async (ctx) => {
      const answered = await ctx.step("ask", (context) => {
        tell(context);
        return answer;
      });
      await ctx.step(answered === "yes" ? "accept" : "decline", tell);
    },
  });
  const { pawl } = await h.run([asking]);
  const handle = await pawl.start(asking, undefined, { executionId: "asking" });
  for (const next of ["yes", "no"]) {
    await handle.result();
    answer = next;
    await handle.rollback({ to: 1 });
  }
  await handle.result();
  const [ask, accept] = ["ask: asking/ask/1", "accept: asking/accept/2"];
  expect(told).toEqual([ask, accept, ask, accept, ask, "decline: asking/decline/2"]);
});
