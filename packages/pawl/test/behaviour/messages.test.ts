import type { StandardSchemaV1 } from "@standard-schema/spec";
import {
  defineWorkflow,
  ExecutionCancelled,
  ExecutionConflict,
  ExecutionNotFound,
  ExecutionStateInvalid,
  InputInvalid,
  MessageUnknown,
  NonRetryable,
  OptionInvalid,
  PayloadInvalid,
  QueryNeedsCode,
  update,
  UpdateRejected,
  ValueNotSerializable,
  WaitTimeout,
  WorkflowUnknown,
  type ExecutionHandle,
} from "pawl";
import { recordHistory, replayHistory } from "pawl/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const parked = (handle: Pick<ExecutionHandle, "status">) => eventually(async () => expect(await handle.status()).toMatchObject({ workerId: null }));
const types = async (handle: Pick<ExecutionHandle, "history">) => (await handle.history()).map(({ event }) => event.type);

const approval = defineWorkflow({
  name: "approval",
  signals: { approve: z.object({ by: z.string() }), note: z.string() },
  run: async (ctx) => (await ctx.signal("approve")).by,
});

const counting = defineWorkflow({
  name: "counting",
  state: () => ({ total: 0, seen: [] as number[] }),
  signals: { stop: z.string() },
  queries: {
    total: (state: { total: number }) => state.total,
    seen: (state: { seen: number[] }, longest: number) => state.seen.slice(0, longest),
    broken: (): number => {
      throw new Error("no answer");
    },
  },
  updates: {
    add: update(z.number().int(), (state: { total: number; seen: number[] }, amount) => {
      if (amount < 0) throw new RangeError("only upwards");
      state.total += amount;
      state.seen.push(amount);
      return state.total;
    }),
  },
  run: async (ctx) => {
    await ctx.until(() => ctx.state.total >= 10);
    return ctx.state.total;
  },
});

describe("signals", () => {
  test("reach an execution before it begins, while it waits in memory, and while it is parked", async () => {
    const pawl = await h.open();
    const early = await pawl.start(approval, undefined);
    await early.signal("approve", { by: "early" });
    await pawl.worker({ workflows: [approval], ...soon });
    expect(await early.result()).toBe("early");
    const waiting = await pawl.start(approval, undefined);
    await eventually(async () => expect(await types(waiting)).toContain("WaitStarted"));
    await waiting.signal("approve", { by: "in time" });
    expect(await waiting.result()).toBe("in time");
    const late = await pawl.start(approval, undefined);
    await parked(late);
    expect((await late.status()).waitingFor).toBe('signal "approve"');
    await late.signal("approve", { by: "late" });
    expect(await late.result()).toBe("late");
  });

  test("of one name are taken in the order in which they were sent, and kept until somebody waits for them", async () => {
    const begun = gate();
    const goOn = gate();
    const workflow = defineWorkflow({
      name: "in-order",
      signals: { item: z.number() },
      run: async (ctx) => {
        await ctx.step("wait", async () => {
          begun.open();
          await goOn.opened;
        });
        const items: number[] = [];
        while (items.length < 200) items.push(await ctx.signal("item"));
        return items;
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await Promise.all(Array.from({ length: 200 }, (_, index) => handle.signal("item", index)));
    goOn.open();
    expect(await handle.result()).toEqual(Array.from({ length: 200 }, (_, index) => index));
  });

  test("sent twice with one id arrive once, also when the first has been read already", async () => {
    const workflow = defineWorkflow({
      name: "once",
      signals: { item: z.string() },
      run: async (ctx) => {
        const first = await ctx.signal("item");
        const second = await ctx.signal("item");
        return [first, second];
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await handle.signal("item", "a", { signalId: "one" });
    await handle.signal("item", "a", { signalId: "one" });
    await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
    await parked(handle);
    await handle.signal("item", "a", { signalId: "one" });
    await handle.signal("item", "b", { signalId: "two" });
    expect(await handle.result()).toEqual(["a", "b"]);
    expect((await types(handle)).filter((type) => type === "SignalReceived")).toHaveLength(2);
  });

  test("and updates have ids of their own: one of each with the same id arrive both", async () => {
    const workflow = defineWorkflow({
      name: "own-ids",
      signals: { go: z.string() },
      state: () => ({ items: [] as string[] }),
      updates: { add: update(z.string(), (state: { items: string[] }, item) => state.items.push(item)) },
      run: async (ctx, round: number): Promise<unknown> => {
        const went = await ctx.signal("go");
        if (round === 1) return ctx.continueAsNew(2);
        await ctx.until(() => ctx.state.items.length === 1);
        return [went, ctx.state.items];
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, 1);
    expect(await handle.update("add", "x", { updateId: "one" })).toBe(1);
    await handle.signal("go", "first", { signalId: "one" });
    await eventually(async () => expect((await handle.status()).runNumber).toBe(2));
    // Known to the first run, both of them: as an update, and as a signal.
    await handle.update("add", "of the first run", { updateId: "one" });
    await handle.signal("go", "of the first run", { signalId: "one" });
    await handle.signal("go", "second", { signalId: "two" });
    expect(await handle.update("add", "y", { updateId: "two" })).toBe(1);
    expect(await handle.result()).toEqual(["second", ["y"]]);
    // The last run has ended, and knows them still.
    expect(await handle.update("add", "of the first run", { updateId: "one" })).toBe(1);
    await handle.signal("go", "of the first run", { signalId: "one" });
  });

  test("take the idempotency key of a step as their id, and so does a start as its key", async () => {
    const receiver = defineWorkflow({ name: "receiver", signals: { go: z.number() }, run: async (ctx) => [await ctx.signal("go"), await ctx.signal("go")] });
    let client: Pick<Awaited<ReturnType<typeof h.open>>, "start">;
    const sender = defineWorkflow({
      name: "sender",
      run: async (ctx) =>
        ctx.step(
          "tell the other: 100 %",
          async ({ attempt, idempotencyKey }) => {
            const started = await client.start(receiver, undefined, { idempotencyKey });
            await started.signal("go", attempt, { signalId: idempotencyKey });
            if (attempt < 3) throw new Error("once more");
            await started.signal("go", 7);
            return started.result();
          },
          { retry: { initialInterval: 1 } },
        ),
    });
    const { pawl } = await h.run([receiver, sender]);
    client = pawl;
    expect(await pawl.execute(sender, undefined)).toEqual([1, 7]);
  });

  test("of two names with one id count as one: the second is dropped", async () => {
    const workflow = defineWorkflow({
      name: "one-id",
      signals: { a: z.number(), b: z.number() },
      run: async (ctx) => [await ctx.signal("a"), await ctx.signal("b")],
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await handle.signal("a", 1, { signalId: "one" });
    await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
    await handle.signal("b", 2, { signalId: "one" });
    await handle.signal("b", 3, { signalId: "two" });
    expect(await handle.result()).toEqual([1, 3]);
  });

  test("go to waits of their own name, whatever else is waited for", async () => {
    const workflow = defineWorkflow({
      name: "several",
      signals: { a: z.number(), b: z.number() },
      run: async (ctx) => {
        const order: string[] = [];
        const take = async (name: "a" | "b"): Promise<number> => {
          const value = await ctx.signal(name);
          order.push(`${name}${value}`);
          return value;
        };
        await ctx.all([() => take("a"), () => take("b"), () => take("a")]);
        return order;
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await handle.signal("b", 1);
    await handle.signal("a", 2);
    await parked(handle);
    await handle.signal("a", 3);
    expect(await handle.result()).toEqual(["b1", "a2", "a3"]);
  });

  test("are not taken by what lost a race: they come to whoever waits next, sent before or while it waits, parked or not", async () => {
    const judge = defineWorkflow({
      name: "judge",
      signals: { approve: z.number(), reject: z.number(), end: z.null() },
      run: async (ctx) => {
        const verdicts: string[] = [];
        for (;;) {
          const verdict = await ctx.race([
            () => ctx.signal("approve").then((n) => `approve ${n}`),
            async () => `reject ${await ctx.signal("reject")}`,
            () => ctx.race([() => ctx.signal("end").then(() => "end"), () => ctx.sleep("1 day").then(() => "late")]),
          ]);
          if (verdict === "end") return verdicts;
          verdicts.push(verdict);
          await ctx.step("noted", () => verdict);
        }
      },
    });
    const sent = ["approve", "reject", "reject", "approve", "reject", "approve"] as const;
    const { pawl } = await h.run([judge]);
    // All are there before anybody waits: each race takes one, that of the first task that has one.
    const early = await pawl.start(judge, undefined, { delay: "200 ms" });
    for (const [n, name] of sent.entries()) await early.signal(name, n);
    await early.signal("end", null);
    expect(await early.result()).toEqual(["approve 0", "approve 3", "approve 5", "reject 1", "reject 2", "reject 4"]);
    // One by one, replayed each time.
    const late = await pawl.start(judge, undefined);
    for (const [n, name] of sent.entries()) {
      await parked(late);
      await late.signal(name, n);
      await eventually(async () => expect((await late.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(n + 1));
    }
    await late.signal("end", null);
    expect(await late.result()).toEqual(sent.map((name, n) => `${name} ${n}`));
    for (const handle of [early, late]) expect(await replayHistory(judge, await recordHistory(handle))).toMatchObject({ state: "completed" });
  });

  test("that do not come in time are given up, and the workflow goes on", async () => {
    const workflow = defineWorkflow({
      name: "in-vain",
      signals: { never: z.string() },
      run: async (ctx) => {
        try {
          return await ctx.signal("never", { timeout: 300 });
        } catch (error) {
          return (error as Error).name;
        }
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect(await handle.result()).toBe("WaitTimeout");
    expect(await types(handle)).toEqual(["ExecutionStarted", "WaitStarted", "WaitTimedOut", "ExecutionCompleted"]);
    const patient = defineWorkflow({ name: "patient", signals: { now: z.string() }, run: async (ctx) => ctx.signal("now", { timeout: "2 days" }) });
    await pawl.worker({ workflows: [patient], ...soon });
    const waits = await pawl.start(patient, undefined);
    await parked(waits);
    await waits.signal("now", "here");
    expect(await waits.result()).toBe("here");
  });

  test("are refused by the sender when name or payload do not fit, and reach nobody when they come past the check", async () => {
    const { pawl } = await h.run([approval]);
    const handle = await pawl.start(approval, undefined);
    // @ts-expect-error there is no such signal
    expect((await refusalOf(handle.signal("aprove", {}), MessageUnknown)).message).toContain("approve, note");
    // @ts-expect-error the payload is of another type
    const invalid = await refusalOf(handle.signal("approve", { by: 7 }), PayloadInvalid);
    expect(invalid.issues.map(({ path }) => path)).toEqual(["payload.by"]);
    const anybody = pawl.handle(handle.executionId);
    await anybody.signal("approve", { by: 7 });
    await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
    await handle.signal("approve", { by: "ann" });
    expect(await handle.result()).toBe("ann");
  });

  test("are refused once the execution has ended, and for one that never was", async () => {
    const { pawl } = await h.run([approval]);
    const handle = await pawl.start(approval, undefined);
    await handle.signal("approve", { by: "ann" });
    await handle.result();
    expect((await refusalOf(handle.signal("approve", { by: "bob" }), ExecutionStateInvalid)).state).toBe("completed");
    await refusalOf(pawl.handle("nobody").signal("approve", {}), ExecutionNotFound);
    expect(await h.count("inbox")).toBe(0);
  });

  test("that it has are not refused when they are sent again after the end, by their sender or because the reply was lost", async () => {
    const lost = { left: 0 };
    let ended: Promise<unknown> = Promise.resolve();
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "send-messages" || phase !== "after" || lost.left-- <= 0) return;
      await ended;
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    });
    await (await h.open()).worker({ workflows: [approval], ...soon });
    const handle = await pawl.start(approval, undefined);
    lost.left = 1;
    ended = handle.result();
    await handle.signal("approve", { by: "ann" }, { signalId: "one" });
    expect(await handle.result()).toBe("ann");
    await Promise.all([handle.signal("approve", { by: "ann" }, { signalId: "one" }), handle.signal("approve", { by: "ann" }, { signalId: "one" })]);
    await refusalOf(handle.signal("approve", { by: "bob" }, { signalId: "two" }), ExecutionStateInvalid);
    // An update of that id is another message.
    await refusalOf(pawl.handle(handle.executionId).update("one", 1, { updateId: "one" }), ExecutionStateInvalid);
    expect((await types(handle)).filter((type) => type === "SignalReceived")).toHaveLength(1);
  });

  test("that were read after a cancel request come again when the execution is resumed", async () => {
    const cleaning = gate();
    const goOn = gate();
    const workflow = defineWorkflow({
      name: "interrupted",
      signals: { go: z.string() },
      run: async (ctx) => {
        try {
          return await ctx.signal("go");
        } finally {
          if (ctx.cancelRequested)
            await ctx.shield(async (shielded) =>
              shielded.step("clean up", async () => {
                cleaning.open();
                await goOn.opened;
              }),
            );
        }
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.cancel();
    await cleaning.opened;
    await handle.signal("go", "after all");
    await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
    goOn.open();
    await refusalOf(handle.result(), ExecutionCancelled);
    const resumed = await handle.resume();
    expect(await resumed.result()).toBe("after all");
  });

  test.each(["retry", "resume", "rollback"] as const)("that came while the execution ended are read by the run that a %s starts", async (how) => {
    const [began, cleaning, ending, mayEnd] = [gate(), gate(), gate(), gate()];
    const cleaned = gate();
    let [isBroken, isEnding] = [true, false];
    const workflow = defineWorkflow({
      name: "late",
      signals: { go: z.string() },
      run: async (ctx) => {
        try {
          await ctx.step("work", async () => {
            if (!isBroken) return;
            if (how !== "resume") throw new NonRetryable("broken");
            began.open();
            await new Promise(() => {});
          });
        } catch (error) {
          await ctx.shield(async (shielded) =>
            shielded.step("clean up", () => {
              cleaning.open();
              return cleaned.opened;
            }),
          );
          isEnding = true;
          throw error;
        }
        return [await ctx.signal("go"), await ctx.signal("go"), await ctx.signal("go")];
      },
    });
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "commit" || phase !== "before" || !isEnding) return;
      ending.open();
      await mayEnd.opened;
    });
    await pawl.worker({ workflows: [workflow], ...soon });
    const handle = await pawl.start(workflow, undefined);
    if (how === "resume") {
      await began.opened;
      await handle.cancel();
    }
    await cleaning.opened;
    const sender = (await h.open()).handle(handle.executionId);
    await sender.signal("go", "before its end");
    await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
    cleaned.open();
    await ending.opened;
    await sender.signal("go", "at its end", { signalId: "last" });
    await sender.signal("go", "right behind it");
    mayEnd.open();
    await handle.result().catch(() => {});
    expect((await handle.status()).state).toBe(how === "resume" ? "cancelled" : "failed");
    // It has it: sent again, it is not refused.
    await sender.signal("go", "at its end", { signalId: "last" });
    await refusalOf(sender.signal("go", "too late"), ExecutionStateInvalid);
    [isBroken, isEnding] = [false, false];
    const next = how === "rollback" ? await handle.rollback({ to: 1 }) : await handle[how]();
    expect(await next.result()).toEqual(["before its end", "at its end", "right behind it"]);
  });

  test("reach a quarantined execution and wait for its resume", async () => {
    let broken = true;
    const workflow = defineWorkflow({
      name: "held",
      signals: { go: z.string() },
      run: async (ctx) => (broken ? ctx.sleep(1) : ctx.signal("go")),
    });
    const first = await h.run([workflow]);
    const handle = await first.pawl.start(workflow, undefined);
    broken = false;
    // Its history says sleep, its code now says signal.
    await eventually(async () => expect(["quarantined", "completed"]).toContain((await handle.status()).state));
    broken = true;
    if ((await handle.status()).state === "completed") return;
    await handle.signal("go", "x");
    expect((await (await handle.resume()).status()).state).toBe("running");
  });
});

describe("queries", () => {
  test("are answered from the running execution, from its history, and after its end", async () => {
    const { pawl, worker } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    await handle.update("add", 3);
    expect(await handle.query("total")).toBe(3);
    await parked(handle);
    expect(await handle.query("total")).toBe(3);
    expect(await handle.query("seen", 1)).toEqual([3]);
    await worker.stop();
    expect(await pawl.handle(handle.executionId, counting).query("total")).toBe(3);
    await pawl.worker({ workflows: [counting], ...soon });
    await handle.update("add", 7);
    expect(await handle.result()).toBe(10);
    expect(await handle.query("seen", 5)).toEqual([3, 7]);
    expect(await types(handle)).toEqual([
      "ExecutionStarted",
      ...(await types(handle)).filter((type) => type !== "ExecutionStarted" && type !== "ExecutionCompleted"),
      "ExecutionCompleted",
    ]);
  });

  test("are answered with copies: what is done to an answer does nothing to the execution, in this process or another", async () => {
    const workflow = defineWorkflow({
      name: "copying",
      state: () => ({ items: ["a"], done: false }),
      queries: { items: (state: { items: string[] }) => state.items, odd: () => () => "a function" },
      updates: {
        finish: update(z.boolean(), (state: { items: string[]; done: boolean }, done) => {
          state.done = done;
          return state.items;
        }),
      },
      run: async (ctx) => {
        await ctx.until(() => ctx.state.done);
        return ctx.state.items;
      },
    });
    const { pawl, worker } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    (await handle.update("finish", false)).push("from a reply");
    (await handle.query("items")).push("from a query");
    expect(await handle.query("items")).toEqual(["a"]);
    expect((await refusalOf(handle.query("odd"), ValueNotSerializable)).path).toBe('answer to query "odd"');
    await worker.stop();
    await refusalOf(handle.query("odd"), ValueNotSerializable);
    await pawl.worker({ workflows: [workflow], ...soon });
    await handle.update("finish", true);
    expect(await handle.result()).toEqual(["a"]);
  });

  test("that do not exist, that throw, or for which nobody here has the code say so", async () => {
    const { pawl } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    // @ts-expect-error there is no such query
    expect((await refusalOf(handle.query("sum"), MessageUnknown)).message).toContain("total, seen, broken");
    await expect(handle.query("broken")).rejects.toThrow("no answer");
    const elsewhere = await h.open();
    await refusalOf(elsewhere.handle(handle.executionId).query("total"), QueryNeedsCode);
  });
});

describe("updates", () => {
  test("change the state in order, are answered, and are applied once however often they are sent", async () => {
    const { pawl } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    expect(await Promise.all([1, 2, 3].map((amount) => handle.update("add", amount)))).toEqual([1, 3, 6]);
    expect(await handle.update("add", 2, { updateId: "again" })).toBe(8);
    expect(await handle.update("add", 2, { updateId: "again" })).toBe(8);
    await parked(handle);
    expect(await handle.update("add", 2, { updateId: "again" })).toBe(8);
    expect(await handle.update("add", 5)).toBe(13);
    expect(await handle.result()).toBe(13);
  });

  test("are answered although they are the last that happens, and refused after the end", async () => {
    const { pawl } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    expect(await handle.update("add", 10)).toBe(10);
    expect(await handle.result()).toBe(10);
    await refusalOf(handle.update("add", 1), ExecutionStateInvalid);
  });

  test("get the same reply when they are sent again after the end, whatever it was", async () => {
    const { pawl } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    const elsewhere = (await h.open()).handle(handle.executionId);
    await refusalOf(handle.update("add", -1, { updateId: "down" }), UpdateRejected);
    expect(await handle.update("add", 10, { updateId: "up" })).toBe(10);
    expect(await handle.result()).toBe(10);
    expect(await handle.update("add", 10, { updateId: "up" })).toBe(10);
    expect(await elsewhere.update("add", 10, { updateId: "up" })).toBe(10);
    expect((await refusalOf(elsewhere.update("add", -1, { updateId: "down" }), UpdateRejected)).cause).toMatchObject({ message: "only upwards" });
    expect((await refusalOf(handle.update("add", 1, { updateId: "other" }), ExecutionStateInvalid)).message).toContain("nothing was changed");
  });

  test("are rejected by their schema or their function, and leave the state alone", async () => {
    const { pawl } = await h.run([counting]);
    const handle = await pawl.start(counting, undefined);
    expect((await refusalOf(handle.update("add", -1), UpdateRejected)).cause).toMatchObject({ name: "RangeError", message: "only upwards" });
    await refusalOf(handle.update("add", 0.5), PayloadInvalid);
    const rejected = await refusalOf(pawl.handle(handle.executionId).update("add", "many"), UpdateRejected);
    expect(rejected.cause).toMatchObject({ name: "PayloadInvalid" });
    await refusalOf(pawl.handle(handle.executionId).update("subtract", 1), UpdateRejected);
    expect(await handle.query("total")).toBe(0);
  });

  test("that are asynchronous are refused where they are defined; a promise rejects the request and ends no process", async () => {
    const refused = (messages: object, path: string) =>
      expect(() => defineWorkflow({ name: "waiting", ...messages, run: async () => {} })).toThrow(
        new RegExp(`^workflow "waiting"\\.${path}: must be a synchronous`),
      );
    // @ts-expect-error an update has no time to wait
    refused({ updates: { add: update(z.number(), async () => 1) } }, "updates\\.add");
    refused({ queries: { total: async () => 1 } }, "queries\\.total");
    const disguised = defineWorkflow({
      name: "disguised",
      // @ts-expect-error an update has no time to wait
      updates: { add: update(z.number(), () => Promise.reject(new Error("late"))) },
      run: async (ctx) => ctx.until(() => false),
    });
    const { pawl } = await h.run([disguised]);
    const handle = await pawl.start(disguised, undefined);
    const { cause } = await refusalOf(pawl.handle(handle.executionId).update("add", 1), UpdateRejected);
    expect((cause as Error).message).toContain('result of update "add" is a promise');
    await handle.terminate();
  });

  test("and signals and queries named like what every object has are as unknown as any other", async () => {
    const { pawl } = await h.run([approval]);
    const handle = await pawl.start(approval, undefined);
    const anybody = pawl.handle(handle.executionId);
    expect((await refusalOf(anybody.update("constructor", 1), UpdateRejected)).cause).toMatchObject({ name: "MessageUnknown" });
    // @ts-expect-error there is no such query
    await refusalOf(handle.query("toString"), MessageUnknown);
    await anybody.signal("constructor", 1);
    await handle.signal("approve", { by: "ann" });
    expect(await handle.result()).toBe("ann");
  });

  test("that nobody reads in time are given up by the sender, and applied all the same", async () => {
    const pawl = await h.open();
    const handle = await pawl.start(counting, undefined);
    await refusalOf(handle.update("add", 10, { timeout: 50 }), WaitTimeout);
    await pawl.worker({ workflows: [counting], ...soon });
    expect(await handle.result()).toBe(10);
  });
});

describe("schemas that throw", () => {
  const standard = <Value>(
    validate: (value: unknown) => StandardSchemaV1.Result<Value> | Promise<StandardSchemaV1.Result<Value>>,
  ): StandardSchemaV1<Value> => ({
    "~standard": { version: 1, vendor: "test", validate },
  });
  const boom = (): never => {
    throw new RangeError("boom");
  };
  const throwing = {
    // Zod asks once more, asynchronously, when this throws.
    json: z.string().transform((text): unknown => JSON.parse(text)),
    sync: standard<string>(boom),
    rejecting: standard<string>(async () => boom()),
    late: standard<string>(async (value) => ({ value: String(value) })),
  };
  const names = ["json", "sync", "rejecting", "late"] as const;
  const replace = (state: { text: unknown }, input: unknown): string => String((state.text = input));
  const fragile = defineWorkflow({
    name: "fragile",
    signals: { ...throwing, go: z.string() },
    state: () => ({ text: "untouched" as unknown }),
    queries: { text: (state: { text: unknown }) => state.text },
    updates: {
      json: update(throwing.json, replace),
      sync: update(throwing.sync, replace),
      rejecting: update(throwing.rejecting, replace),
      late: update(throwing.late, replace),
    },
    run: async (ctx) => ctx.signal("go"),
  });

  test("refuse every message at the sender, with a reason", async () => {
    const { pawl } = await h.run([fragile]);
    const handle = await pawl.start(fragile, undefined);
    for (const name of names) {
      const signal = await refusalOf(handle.signal(name, "not json"), PayloadInvalid);
      expect(signal.issues).toMatchObject([{ path: "payload", message: expect.stringContaining(name === "sync" ? "RangeError: boom" : "asynchronous") }]);
      await refusalOf(handle.update(name, "not json"), PayloadInvalid);
    }
    await handle.update("json", '"fine"');
    expect(await handle.query("text")).toBe("fine");
    await handle.signal("go", "on");
    expect(await handle.result()).toBe("on");
    expect(await types(handle)).toEqual(expect.not.arrayContaining(["UpdateRejected"]));
  });

  test("drop at the receiver what was sent past the check, and stop neither the execution nor its process", async () => {
    const { pawl } = await h.run([fragile]);
    const handle = await pawl.start(fragile, undefined);
    const anybody = pawl.handle(handle.executionId);
    for (const name of names) {
      await anybody.signal(name, "not json");
      expect((await refusalOf(anybody.update(name, "not json"), UpdateRejected)).cause).toMatchObject({ name: "PayloadInvalid" });
    }
    expect(await handle.query("text")).toBe("untouched");
    await handle.signal("go", "on");
    expect(await handle.result()).toBe("on");
  });

  test("refuse every input, before the start and after it", async () => {
    const workflows = Object.entries(throwing).map(([name, input]) =>
      defineWorkflow({ name: `fragile-${name}`, input: input as StandardSchemaV1<string>, run: async () => "begun" }),
    );
    const { pawl } = await h.run(workflows);
    const elsewhere = await h.open();
    for (const workflow of workflows.slice(0, 3)) {
      const refused = await refusalOf(pawl.start(workflow, "not json"), InputInvalid);
      expect(refused.issues).toMatchObject([{ path: "input", message: expect.stringMatching(/^the schema throws (SyntaxError|RangeError): /) }]);
      expect(await causeOf((await elsewhere.start(workflow.name, "not json")).result())).toMatchObject({ name: "InputInvalid" });
    }
    expect(await pawl.execute(workflows[3]!, "fine")).toBe("begun");
  });
});

describe("waiting for the state", () => {
  test("goes on at once when it is so already, and gives up in time when it never is", async () => {
    const workflow = defineWorkflow({
      name: "until",
      state: () => ({ ready: true }),
      run: async (ctx) => {
        await ctx.until(() => ctx.state.ready);
        ctx.state.ready = false;
        await ctx.until(() => ctx.state.ready, { timeout: 20 });
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect(await causeOf(handle.result())).toMatchObject({ name: "WaitTimeout", code: "WAIT_TIMEOUT" });
  });

  test("fails when its condition throws later: code can catch that, here and wherever it is replayed, and other waits go on", async () => {
    const workflow = defineWorkflow({
      name: "breaking",
      state: () => ({ word: "" as string | null, caught: [] as string[] }),
      queries: { caught: ({ caught }: { caught: string[] }) => caught },
      updates: { say: update(z.string().nullable(), (state: { word: string | null }, word) => void (state.word = word)) },
      run: async (ctx) => {
        const end = ctx.until(() => ctx.state.word === "end");
        await ctx.until(() => ctx.state.word!.length > 3).catch((error: Error) => ctx.state.caught.push(error.name));
        await ctx.set("state", "caught");
        await end;
        return ctx.step("tell", () => ctx.state.caught);
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.update("say", null);
    expect(await handle.value("state", { wait: true })).toBe("caught");
    const elsewhere = await h.open();
    expect(await elsewhere.handle(handle.executionId, workflow).query("caught")).toEqual(["TypeError"]);
    await parked(handle);
    await handle.update("say", "end");
    expect(await handle.result()).toEqual(["TypeError"]);
    expect(await replayHistory(workflow, await recordHistory(handle))).toMatchObject({ state: "completed", result: ["TypeError"] });
  });

  test("sees what other branches of the code have changed", async () => {
    const workflow = defineWorkflow({
      name: "branches",
      state: () => ({ done: 0 }),
      run: async (ctx) => {
        const work = async (): Promise<void> => {
          await ctx.step("work", () => 1);
          ctx.state.done++;
        };
        const [, , at] = await ctx.all([work, work, async () => ctx.until(() => ctx.state.done === 2).then(() => ctx.state.done)]);
        return at;
      },
    });
    const { pawl } = await h.run([workflow]);
    expect(await pawl.execute(workflow, undefined)).toBe(2);
  });
});

describe("values", () => {
  test("are read from outside, replaced, and waited for", async () => {
    const goOn = gate();
    const workflow = defineWorkflow({
      name: "publishing",
      run: async (ctx) => {
        await ctx.set("progress", { done: 1 });
        await ctx.step("work", () => goOn.opened);
        await ctx.set("progress", { done: 2 });
        await ctx.set("late", new Date(5));
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect(await handle.value("progress", { wait: true })).toEqual({ done: 1 });
    expect(await handle.value("late")).toBeUndefined();
    await refusalOf(handle.value("late", { wait: true, timeout: 20 }), WaitTimeout);
    const elsewhere = (await h.open()).handle(handle.executionId);
    const late = elsewhere.value("late", { wait: true });
    goOn.open();
    expect(await late).toEqual(new Date(5));
    await handle.result();
    expect(await handle.value("progress")).toEqual({ done: 2 });
    await refusalOf(handle.value("never", { wait: true }), ExecutionStateInvalid);
    await refusalOf(pawl.handle("nobody").value("progress"), ExecutionNotFound);
  });
});

describe("a signal with a start", () => {
  const collecting = defineWorkflow({
    name: "collecting",
    input: z.object({ wanted: z.number() }),
    signals: { item: z.string() },
    run: async (ctx, { wanted }) => {
      const items: string[] = [];
      while (items.length < wanted) items.push(await ctx.signal("item"));
      return items;
    },
  });
  const send = (pawl: Awaited<ReturnType<typeof h.open>>, executionId: string, payload: string, wanted = 3) =>
    pawl.signalWithStart(collecting, { wanted }, { executionId, signal: { name: "item", payload, signalId: payload } });

  test("starts the execution the first time, and only signals it from then on, whoever sends", async () => {
    const [one, two] = await Promise.all([h.open(), h.open()]);
    const handles = await Promise.all([send(one, "cart", "a"), send(two, "cart", "b"), send(one, "cart", "c")]);
    expect(new Set(handles.map(({ runId }) => runId)).size).toBe(1);
    expect((await handles[0].history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted"]);
    await one.worker({ workflows: [collecting], ...soon });
    expect(new Set(await handles[1].result())).toEqual(new Set(["a", "b", "c"]));
  });

  test("arrives once however often it is sent, also when it waits or is parked", async () => {
    const { pawl } = await h.run([collecting]);
    const handle = await send(pawl, "again", "a");
    await parked(handle);
    await send(pawl, "again", "a");
    await send(pawl, "again", "b");
    await send(pawl, "again", "c");
    expect(await handle.result()).toEqual(["a", "b", "c"]);
  });

  test("to one that has ended changes nothing, nor does one to another workflow or with a wrong payload", async () => {
    const { pawl } = await h.run([collecting, approval]);
    await (await send(pawl, "ended", "a", 1)).result();
    const ended = await refusalOf(send(pawl, "ended", "b"), ExecutionStateInvalid);
    expect(ended.message).toContain("Choose another id");
    const waiting = await pawl.start(approval, undefined, { executionId: "other" });
    await refusalOf(send(pawl, "other", "a"), ExecutionConflict);
    const options = { executionId: "wrong", signal: { name: "item", payload: 5 as never } } as const;
    await refusalOf(pawl.signalWithStart(collecting, { wanted: 1 }, options), PayloadInvalid);
    await refusalOf(pawl.signalWithStart("collecting", { wanted: 1 }, { executionId: "wrong" } as never), OptionInvalid);
    await refusalOf(pawl.signalWithStart("nowhere", 1, { executionId: "wrong", signal: { name: "x", payload: 1 } }), WorkflowUnknown);
    await refusalOf(pawl.handle("wrong").status(), ExecutionNotFound);
    expect(await types(waiting)).not.toContain("SignalReceived");
    await waiting.terminate();
  });

  test("whose reply was lost is sent again and arrives once, whether it started something or not", async () => {
    const lost = { left: 0 };
    const pawl = await h.open({}, (name, phase) => {
      if (name !== "signal-with-start" || phase !== "after" || lost.left-- <= 0) return;
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    });
    lost.left = 1;
    const handle = await send(pawl, "lost", "a", 2);
    lost.left = 1;
    await send(pawl, "lost", "b", 2);
    await pawl.worker({ workflows: [collecting], ...soon });
    expect(await handle.result()).toEqual(["a", "b"]);
    expect((await types(handle)).filter((type) => type === "SignalReceived")).toHaveLength(2);
  });

  test("that it has is not refused when it is sent again after the end, nor is one that started what has ended by then", async () => {
    const { pawl } = await h.run([collecting]);
    await (await send(pawl, "over", "a", 1)).result();
    expect(await (await send(pawl, "over", "a", 1)).result()).toEqual(["a"]);
    await refusalOf(send(pawl, "over", "b", 1), ExecutionStateInvalid);
    let isLost = false;
    const slow = await h.open({}, async (name, phase) => {
      if (name !== "signal-with-start" || phase !== "after" || isLost) return;
      isLost = true;
      await pawl.handle("ignored").result();
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    });
    expect(await (await send(slow, "ignored", "a", 0)).result()).toEqual([]);
    expect(isLost).toBe(true);
  });

  test("whose input is checked for long holds up what goes to this execution, and nothing else", async () => {
    const checked = gate<boolean>();
    const order = z.object({ wanted: z.number().refine(() => checked.opened) });
    const slow = defineWorkflow({
      name: "slow",
      input: order,
      signals: { item: z.string() },
      run: async (ctx) => [await ctx.signal("item"), await ctx.signal("item"), await ctx.signal("item")],
    });
    const { pawl } = await h.run([slow, collecting]);
    const other = await pawl.start(collecting, { wanted: 2 });
    const sent: string[] = [];
    const note = (what: string) => () => void sent.push(what);
    const starting = pawl.signalWithStart(slow, { wanted: 3 }, { executionId: "slow", signal: { name: "item", payload: "a" } });
    const after = [
      starting.then(note("a")),
      pawl.handle("slow").signal("item", "b").then(note("b")),
      // What cannot be prepared takes its turn, and holds nothing up.
      refusalOf(pawl.signalWithStart(slow, { wanted: "x" as never }, { executionId: "slow", signal: { name: "item", payload: "x" } }), InputInvalid),
      pawl.signalWithStart(collecting, { wanted: 3 }, { executionId: "slow", signal: { name: "item", payload: "x" } }).catch(note("conflict")),
      pawl.handle("slow").signal("item", "c").then(note("c")),
    ];
    await other.signal("item", "x");
    await send(pawl, other.executionId, "y");
    expect(await other.result()).toEqual(["x", "y"]);
    expect(sent).toEqual([]);
    checked.open(true);
    await Promise.all(after);
    expect(sent).toEqual(["a", "b", "conflict", "c"]);
    expect(await (await starting).result()).toEqual(["a", "b", "c"]);
  });

  test("by name is checked where this process has the definition", async () => {
    const { pawl } = await h.run([collecting]);
    const options = { executionId: "by-name", signal: { name: "item", payload: 5 } };
    await refusalOf(pawl.signalWithStart("collecting", { wanted: 1 }, options), PayloadInvalid);
    await refusalOf(pawl.signalWithStart("collecting", { wanted: 1 }, { ...options, signal: { name: "itme", payload: "a" } }), MessageUnknown);
    await refusalOf(pawl.handle("by-name").status(), ExecutionNotFound);
  });

  test("may start later, with labels, in another queue", async () => {
    const pawl = await h.open();
    const handle = await pawl.signalWithStart(
      collecting,
      { wanted: 1 },
      { executionId: "later", signal: { name: "item", payload: "x" }, delay: 50, taskQueue: "elsewhere", labels: { team: "red" } },
    );
    expect(await handle.status()).toMatchObject({ state: "pending", taskQueue: "elsewhere", labels: { team: "red" } });
    await pawl.worker({ workflows: [collecting], taskQueues: ["elsewhere"], ...soon });
    expect(await handle.result()).toEqual(["x"]);
  });
});
