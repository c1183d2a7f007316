import { defineWorkflow, ExecutionCancelled, step, update, workflowContext } from "pawl";
import { expect, test } from "vitest";
import { z } from "zod";
import { causeOf, eventually, gate, harness, parkedSleep, refusalOf } from "./harness.ts";

const h = harness();

function trip(failing: boolean, done: string[]) {
  return defineWorkflow({
    name: "trip",
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        for (const part of ["flight", "hotel", "car"]) {
          await ctx.step(`book ${part}`, () => void done.push(`book ${part}`));
          saga.compensate((undo) => undo.step(`cancel ${part}`, () => void done.push(`cancel ${part}`)));
        }
        await ctx.sleep(parkedSleep);
        if (failing) throw new RangeError("no money");
        return done.length;
      }),
  });
}

test("a saga that succeeds undoes nothing", async () => {
  const done: string[] = [];
  const workflow = trip(false, done);
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toBe(3);
  expect(done).toEqual(["book flight", "book hotel", "book car"]);
});

test("a saga that fails undoes what it has done, the last first, and fails with its own error", async () => {
  const done: string[] = [];
  const workflow = trip(true, done);
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  expect(await causeOf(handle.result())).toMatchObject({ name: "RangeError", message: "no money" });
  expect(done.slice(3)).toEqual(["cancel car", "cancel hotel", "cancel flight"]);
});

test("a saga is undone, and a step's error caught, where the step collects more errors than can be kept", async () => {
  const done: string[] = [];
  const rows = Array.from({ length: 400 }, (_, row) => new Error(`row ${row} could not be written: ${"x".repeat(100)}`));
  const workflow = defineWorkflow({
    name: "batch",
    retry: { maximumAttempts: 1 },
    run: async (ctx) => {
      const undone = ctx.saga(async (saga) => {
        saga.compensate((undo) => undo.step("undo", () => void done.push("undone")));
        await ctx.step("write", () => {
          throw new AggregateError(rows, "400 rows failed");
        });
      });
      const caught = await undone.catch((error: AggregateError) => [error.message, error.errors]);
      await ctx.sleep(parkedSleep);
      return caught;
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual(["400 rows failed", []]);
  expect(done).toEqual(["undone"]);
});

test("a saga that waits for a state whose condition throws later is undone", async () => {
  const done: string[] = [];
  const workflow = defineWorkflow({
    name: "waiting-trip",
    state: () => ({ price: 100 }),
    updates: { price: update(z.number(), (state: { price: number }, price) => void (state.price = price)) },
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        await ctx.step("book", () => void done.push("book"));
        saga.compensate((undo) => undo.step("cancel", () => void done.push("cancel")));
        await ctx.until(() => {
          if (ctx.state.price > 500) throw new RangeError("no money");
          return ctx.state.price < 50;
        });
      }),
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  await eventually(() => expect(done).toEqual(["book"]));
  await handle.update("price", 1000);
  expect(await causeOf(handle.result())).toMatchObject({ name: "RangeError", message: "no money" });
  expect(done).toEqual(["book", "cancel"]);
});

test("what a branch does after its saga was undone is undone at once, as long as the workflow goes on", async () => {
  const done: string[] = [];
  const hotel = gate();
  const workflow = defineWorkflow({
    name: "late-branch",
    run: async (ctx) => {
      const booking = ctx.saga((saga) =>
        ctx.all([
          async () => {
            await ctx.step("book hotel", () => hotel.opened.then(() => void done.push("book hotel")));
            saga.compensate((undo) => undo.step("cancel hotel", () => void done.push("cancel hotel")));
          },
          async () => {
            saga.compensate((undo) => undo.step("cancel flight", () => void done.push("cancel flight")));
            throw new RangeError("no flight");
          },
        ]),
      );
      const error = await booking.catch((caught: Error) => caught.message);
      await ctx.step("tell", () => hotel.open());
      await ctx.sleep(parkedSleep);
      return error;
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toBe("no flight");
  expect(done).toEqual(["cancel flight", "book hotel", "cancel hotel"]);
});

test.each([0, 1, 2, 3, 4, 5])("a compensation that another branch adds %i turns after the saga has failed is not lost", async (turns) => {
  const done: string[] = [];
  const workflow = defineWorkflow({
    name: "late-by-turns",
    run: async (ctx) => {
      const saga = ctx.saga(async (one) => {
        await Promise.all([
          ctx.sleep("1 day"),
          ctx.sleep("1 day").catch(async () => {
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
            one.compensate((undo) => undo.step("undo", () => void done.push("undone")));
          }),
        ]);
      });
      await saga.catch(() => {});
      await ctx.shield((shielded) => shielded.sleep(50));
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  await eventually(async () => expect((await handle.history()).filter(({ event }) => event.type === "TimerStarted")).toHaveLength(2));
  await handle.cancel();
  await handle.result().catch(() => {});
  expect(done).toEqual(["undone"]);
});

test("a cancelled saga is undone although the execution was cancelled", async () => {
  const done: string[] = [];
  const workflow = trip(false, done);
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  await eventually(() => expect(done).toHaveLength(3));
  await handle.cancel();
  await refusalOf(handle.result(), ExecutionCancelled);
  expect(done.slice(3)).toEqual(["cancel car", "cancel hotel", "cancel flight"]);
});

test("reusable steps and workflowContext() undo a cancelled saga too, in a mix with steps of the given context", async () => {
  const done: string[] = [];
  const book = step("book", (part: string) => void done.push(`book ${part}`));
  const cancel = step("cancel", async (part: string) => void done.push(`cancel ${part}`));
  const workflow = defineWorkflow({
    name: "reusable-trip",
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        await book("flight");
        saga.compensate(() => cancel("flight"));
        await book("hotel");
        saga.compensate(async (undo) => {
          await undo.step("ask", () => void done.push("ask"));
          await undo.sleep(parkedSleep);
          await cancel("hotel");
        });
        await book("car");
        saga.compensate(() => workflowContext().step("return", () => void done.push("return car")));
        await ctx.sleep("1 day");
      }),
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  await eventually(() => expect(done).toHaveLength(3));
  await handle.cancel();
  await refusalOf(handle.result(), ExecutionCancelled);
  expect(done.slice(3)).toEqual(["return car", "ask", "cancel hotel", "cancel flight"]);
});

test("a compensation that fails does not stop the others, and is told of in the end", async () => {
  const done: string[] = [];
  const workflow = defineWorkflow({
    name: "broken-undo",
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        saga.compensate((undo) => undo.step("first", () => void done.push("first")));
        saga.compensate((undo) =>
          undo.step(
            "second",
            () => {
              throw new Error("stuck");
            },
            { retry: { maximumAttempts: 1 } },
          ),
        );
        throw new Error("no money");
      }),
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  expect((await causeOf(handle.result())).message).toBe("no money; besides, 1 of 2 compensations failed: stuck");
  expect(done).toEqual(["first"]);
});
