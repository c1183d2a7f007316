import { defineWorkflow, ExecutionCancelled, ExecutionFailed, ExecutionNotFound, ExecutionTerminated, PawlError, type Pawl } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, eventually, failureOf, gate, harness, parkedSleep, refusalOf, soon } from "./harness.ts";

const h = harness();

const square = defineWorkflow({ name: "square", run: async (ctx, input: { n: number }) => ctx.step("square", () => input.n * input.n) });
const failing = defineWorkflow({
  name: "failing",
  run: async () => {
    throw Object.assign(new TypeError("child said no"), { code: "E_NO" });
  },
});
const forever = defineWorkflow({ name: "forever", run: async (ctx) => ctx.sleep("30 days") });

describe("a child", () => {
  test("gives its parent its result, under an id made of the parent's and the call's position", async () => {
    const parent = defineWorkflow({ name: "parent", run: async (ctx, input: number[]) => ctx.map(input, (n) => ctx.child(square, { n })) });
    const { pawl } = await h.run([parent, square]);
    expect(await pawl.execute(parent, [1, 2, 3], { executionId: "family" })).toEqual([1, 4, 9]);
    expect(await pawl.handle("family.2", square).result()).toBe(4);
    expect((await pawl.list({ parent: "family" })).executions.map(({ executionId }) => executionId).toSorted()).toEqual(["family.1", "family.2", "family.3"]);
  });

  test("is started with the options as they were when it was called, whatever the code does with the object afterwards", async () => {
    const at = new Date(0);
    const options = { taskQueue: "", key: "", priority: 0, labels: { customer: "" }, attributes: { at } };
    const parent = defineWorkflow({
      name: "reuses-options",
      signals: { ping: z.number() },
      run: async (ctx) => {
        const children = ["ann", "bob", "cy"].map((customer, index) => {
          options.taskQueue = options.key = options.labels.customer = customer;
          options.priority = index + 1;
          at.setTime(options.priority * 1000);
          return ctx.child(square, { n: options.priority }, options);
        });
        return Promise.all(children);
      },
    });
    const pawl = await h.open();
    const handle = await pawl.start(parent, undefined, { executionId: "reuser" });
    // With a message to be read it starts nothing in its first turn: all three are called by then.
    await handle.signal("ping", 1);
    for (const taskQueue of ["default", "ann", "bob", "cy"]) await pawl.worker({ workflows: [parent, square], taskQueues: [taskQueue], ...soon });
    expect(await handle.result()).toEqual([1, 4, 9]);
    const { executions } = await pawl.list({ parent: "reuser" });
    const started = executions.map(({ taskQueue, key, priority, labels, attributes }) => ({ taskQueue, key, priority, labels, attributes }));
    expect(started.toSorted((a, b) => a.priority - b.priority)).toEqual(
      ["ann", "bob", "cy"].map((customer, index) => ({
        taskQueue: customer,
        key: customer,
        priority: index + 1,
        labels: { customer },
        attributes: { at: new Date((index + 1) * 1000) },
      })),
    );
  });

  test("is an execution of its own: it can be asked for, also while its parent waits", async () => {
    const held = gate();
    const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.step("wait", () => held.opened.then(() => "waited")) });
    const parent = defineWorkflow({ name: "patient", run: async (ctx) => ctx.child(waiting, undefined) });
    const { pawl } = await h.run([parent, waiting]);
    const handle = await pawl.start(parent, undefined, { executionId: "patient-1" });
    const child = await eventually(() => pawl.handle("patient-1.1").status());
    expect(child).toMatchObject({ workflow: "waiting", parentRunId: handle.runId });
    held.open();
    expect(await handle.result()).toBe("waited");
  });

  test("that outlasts the parent's time in memory wakes its parked parent, even on another worker", async () => {
    const held = gate();
    const waiting = defineWorkflow({
      name: "slow-child",
      taskQueue: "children",
      run: async (ctx) => ctx.step("wait", () => held.opened.then(() => "at last")),
    });
    const parent = defineWorkflow({ name: "parked-parent", run: async (ctx) => [await ctx.step("before", () => 1), await ctx.child(waiting, undefined)] });
    const { pawl, worker } = await h.run([parent]);
    const second = await h.open();
    await second.worker({ workflows: [waiting], ...soon });
    const handle = await pawl.start(parent, undefined, { executionId: "parked-parent" });
    await eventually(async () => expect(await handle.status()).toMatchObject({ workerId: null, waitingFor: "child parked-parent.2" }));
    await worker.stop();
    const third = await h.open();
    await third.worker({ workflows: [parent], ...soon });
    held.open();
    expect(await handle.result()).toEqual([1, "at last"]);
  });

  test("that runs while its parent is resumed tells the parent's new run of its end", async () => {
    const held = gate();
    const waiting = defineWorkflow({ name: "late-child", run: async (ctx) => ctx.step("wait", () => held.opened.then(() => "late")) });
    const parent = defineWorkflow({ name: "resumed-parent", run: async (ctx) => ctx.child(waiting, undefined) });
    const { pawl } = await h.run([parent, waiting]);
    const handle = await pawl.start(parent, undefined, { executionId: "resumed-parent" });
    const child = await eventually(async () => {
      const status = await pawl.handle("resumed-parent.1").status();
      expect(status.state).toBe("running");
      return pawl.handle("resumed-parent.1");
    });
    await handle.cancel();
    await expect(handle.result()).rejects.toBeInstanceOf(ExecutionCancelled);
    await expect(child.result()).rejects.toBeInstanceOf(ExecutionCancelled);
    await child.resume();
    await eventually(async () => expect((await child.status()).workerId).not.toBeNull());
    const resumed = await handle.resume();
    // Its new run has asked how the child is and found it running: only the child's own news can wake it.
    await eventually(async () => expect(await resumed.status()).toMatchObject({ workerId: null, waitingFor: "child resumed-parent.1" }));
    held.open();
    expect(await resumed.result({ timeout: "2 minutes" })).toBe("late");
  });

  test("that ended before its parent was resumed is found where the database refuses to say so at first", async () => {
    const held = gate();
    const waiting = defineWorkflow({ name: "ended-child", run: async (ctx) => ctx.step("wait", () => held.opened.then(() => "early")) });
    const parent = defineWorkflow({ name: "unsure-parent", run: async (ctx) => ctx.child(waiting, undefined) });
    let refusals = 0;
    const running = await h.open({}, (name, phase) => {
      if (name === "outcomes" && phase === "before" && refusals-- > 0) throw Object.assign(new Error("permission denied"), { code: "42501" });
    });
    await running.worker({ workflows: [parent, waiting], ...soon });
    const pawl = await h.open();
    const handle = await pawl.start(parent, undefined, { executionId: "unsure-parent" });
    const child = pawl.handle("unsure-parent.1");
    await eventually(async () => expect((await child.status()).state).toBe("running"));
    await handle.cancel();
    await expect(handle.result()).rejects.toBeInstanceOf(ExecutionCancelled);
    await expect(child.result()).rejects.toBeInstanceOf(ExecutionCancelled);
    const again = await child.resume();
    held.open();
    expect(await again.result()).toBe("early");
    refusals = 2;
    const resumed = await handle.resume();
    expect(await resumed.result({ timeout: "1 minute" })).toBe("early");
    expect(refusals).toBeLessThanOrEqual(0);
  });

  test("runs in the queue of its workflow, or in the one the call names", async () => {
    const queued = defineWorkflow({ name: "queued-child", taskQueue: "own", run: async () => "ran" });
    const parent = defineWorkflow({
      name: "queue-parent",
      run: async (ctx) => ctx.all([() => ctx.child(queued, undefined), () => ctx.child(queued, undefined, { taskQueue: "named" })]),
    });
    const { pawl } = await h.run([parent, queued], { taskQueues: ["default", "own", "named"] });
    expect(await pawl.execute(parent, undefined, { executionId: "queues" })).toEqual(["ran", "ran"]);
    expect((await pawl.handle("queues.1").status()).taskQueue).toBe("own");
    expect((await pawl.handle("queues.2").status()).taskQueue).toBe("named");
  });

  test("can have children of its own, several levels deep", async () => {
    const tree = defineWorkflow({
      name: "tree",
      run: async (ctx, input: { depth: number }): Promise<number> => {
        if (input.depth === 0) return 1;
        const below = await ctx.all([() => ctx.child(tree, { depth: input.depth - 1 }), () => ctx.child(tree, { depth: input.depth - 1 })]);
        return 1 + below[0] + below[1];
      },
    });
    const { pawl } = await h.run([tree], { concurrency: 2 });
    expect(await pawl.execute(tree, { depth: 4 }, { executionId: "tree" })).toBe(31);
  });
});

describe("a child that fails", () => {
  test("makes the call throw ExecutionFailed with the child's error as its cause, the same on replay", async () => {
    const seen: unknown[] = [];
    const parent = defineWorkflow({
      name: "catches",
      run: async (ctx) => {
        try {
          await ctx.child(failing, undefined);
        } catch (error) {
          if (!(error instanceof ExecutionFailed)) throw error;
          const cause = error.cause as Error & { code: string };
          seen.push([error.name, error.code, error.executionId, cause instanceof TypeError, cause.name, cause.message, cause.code]);
        }
        await ctx.sleep(parkedSleep);
      },
    });
    const { pawl } = await h.run([parent, failing]);
    await pawl.execute(parent, undefined, { executionId: "catches" });
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual(["ExecutionFailed", "EXECUTION_FAILED", "catches.1", true, "TypeError", "child said no", "E_NO"]);
    expect(seen[1]).toEqual(seen[0]);
  });

  test("fails its parent, with the whole chain of causes, when nobody catches it", async () => {
    const parent = defineWorkflow({ name: "does-not-catch", run: async (ctx) => ctx.child(failing, undefined) });
    const { pawl } = await h.run([parent, failing]);
    const cause = await causeOf(pawl.execute(parent, undefined, { executionId: "uncaught" }));
    expect(cause).toMatchObject({ name: "ExecutionFailed", code: "EXECUTION_FAILED", executionId: "uncaught.1" });
    expect(cause.cause).toMatchObject({ name: "TypeError", message: "child said no", code: "E_NO" });
  });

  test("by an input that does not fit makes the call throw with every path", async () => {
    const strict = defineWorkflow({ name: "strict-child", input: z.object({ a: z.number(), b: z.string() }), run: async () => "ran" });
    const parent = defineWorkflow({ name: "bad-child-input", run: async (ctx) => ctx.child(strict, { a: "x", b: 1 } as never) });
    const { pawl } = await h.run([parent, strict]);
    const cause = await causeOf(pawl.execute(parent, undefined));
    expect((cause.cause as Error).message).toMatch(/input\.a[\s\S]*input\.b/);
  });

  test("by cancellation or termination makes the call throw what says so", async () => {
    const seen: unknown[] = [];
    const parent = defineWorkflow({
      name: "watches",
      run: async (ctx) => {
        for (const executionId of ["watched-cancel", "watched-terminate"]) {
          await ctx.child(forever, undefined, { executionId }).catch((error: unknown) => seen.push(error));
        }
      },
    });
    const { pawl } = await h.run([parent, forever]);
    const handle = await pawl.start(parent, undefined);
    await eventually(() => pawl.handle("watched-cancel").cancel());
    await eventually(() => pawl.handle("watched-terminate").terminate());
    await handle.result();
    expect(seen.at(-2)).toBeInstanceOf(ExecutionCancelled);
    expect(seen.at(-1)).toBeInstanceOf(ExecutionTerminated);
    expect((seen.at(-1) as ExecutionTerminated).executionId).toBe("watched-terminate");
  });

  test("by cancellation or termination before it began tells its parent which of them it was, and why", async () => {
    const seen: Error[] = [];
    const parent = defineWorkflow({
      name: "told-why",
      run: async (ctx) => {
        for (const end of ["cancel", "terminate"]) {
          await ctx.child(forever, undefined, { executionId: `unbegun-${end}`, taskQueue: "nobody" }).catch((error: Error) => seen.push(error));
        }
      },
    });
    const { pawl } = await h.run([parent, forever]);
    const handle = await pawl.start(parent, undefined);
    await eventually(() => pawl.handle("unbegun-cancel").cancel({ reason: "changed my mind" }));
    await eventually(() => pawl.handle("unbegun-terminate").terminate({ reason: "too late" }));
    await handle.result();
    const [cancelled, terminated] = seen.slice(-2);
    expect(cancelled).toBeInstanceOf(ExecutionCancelled);
    expect(cancelled!.message).toBe('Execution "unbegun-cancel" was cancelled: changed my mind.');
    expect(cancelled!.stack).toContain("changed my mind");
    expect(terminated).toBeInstanceOf(ExecutionTerminated);
    expect(terminated!.message).toBe('Execution "unbegun-terminate" was terminated: too late.');
    const failed = (await handle.history()).flatMap(({ event }) => (event.type === "ChildFailed" ? [event] : []));
    expect(failed).toMatchObject([
      { state: "cancelled", failure: { name: "ExecutionCancelled", code: "EXECUTION_CANCELLED", message: cancelled!.message } },
      { state: "terminated", failure: { name: "ExecutionTerminated", code: "EXECUTION_TERMINATED", message: terminated!.message } },
    ]);
  });
});

describe("a child with an id of its own", () => {
  test("has that id, and the next child with it is a conflict that fails only that call", async () => {
    const parent = defineWorkflow({
      name: "named-child",
      run: async (ctx) => {
        const first = await ctx.child(square, { n: 5 }, { executionId: "the-child" });
        const second = await ctx.child(square, { n: 6 }, { executionId: "the-child" }).catch((error: Error) => `${error.name}: ${(error.cause as Error).name}`);
        return [first, second];
      },
    });
    const { pawl } = await h.run([parent, square]);
    expect(await pawl.execute(parent, undefined)).toEqual([25, "ExecutionFailed: ExecutionConflict"]);
    expect(await pawl.handle("the-child").result()).toBe(25);
  });

  test("is a conflict too when somebody else has started that id", async () => {
    const parent = defineWorkflow({ name: "late-child", run: async (ctx) => ctx.child(square, { n: 6 }, { executionId: "taken-before" }) });
    const { pawl } = await h.run([parent, square]);
    await pawl.execute(square, { n: 2 }, { executionId: "taken-before" });
    const cause = await causeOf(pawl.execute(parent, undefined));
    expect(cause.cause).toMatchObject({ name: "ExecutionConflict", code: "EXECUTION_CONFLICT", executionId: "taken-before" });
    expect(await pawl.handle("taken-before").result()).toBe(4);
  });

  test("does not block its parent when both children with that id are started together", async () => {
    const parent = defineWorkflow({
      name: "twins",
      run: async (ctx) =>
        Promise.allSettled([1, 2].map((n) => ctx.child(square, { n }, { executionId: "twin" }))).then((all) => all.map(({ status }) => status)),
    });
    const { pawl } = await h.run([parent, square]);
    const handle = await pawl.start(parent, undefined);
    expect(((await handle.result({ timeout: "2 minutes" })) as string[]).toSorted()).toEqual(["fulfilled", "rejected"]);
  });
});

test("a child that ends in the very moment in which its parent does is no reason for either not to end", async () => {
  const gates = Array.from({ length: 150 }, () => gate());
  // How many turns of the event loop the child gets before the step ends: moved until both win, so that it stays near the photo finish.
  let turns = 50;
  const child = defineWorkflow({ name: "photo-finish-child", run: async (ctx, index: number) => ctx.step("run", () => gates[index]!.open()) });
  const parent = defineWorkflow({
    name: "photo-finish",
    run: async (ctx, index: number) =>
      ctx.race([
        () => ctx.child(child, index).then(() => "child"),
        () =>
          ctx.step("run", async () => {
            await gates[index]!.opened;
            for (let turn = 0; turn < turns * ((index % 10) + 1); turn++) await new Promise((resolve) => setImmediate(resolve));
            return "step";
          }),
      ]),
  });
  const { pawl } = await h.run([parent, child]);
  const winners = new Set<string>();
  for (let index = 0; index < gates.length; index += 10) {
    const handles = await Promise.all(Array.from({ length: 10 }, (_, offset) => pawl.start(parent, index + offset)));
    const round = new Set(await Promise.all(handles.map((handle) => handle.result({ timeout: "2 minutes" }))));
    for (const winner of round) winners.add(winner);
    if (!round.has("child")) turns *= 2;
    else if (!round.has("step")) turns = Math.ceil(turns / 2);
  }
  expect(winners).toEqual(new Set(["child", "step"]));
});

describe("a child that is open when its parent ends", () => {
  const cleaned: string[] = [];
  const long = defineWorkflow({
    name: "long",
    run: async (ctx) => {
      try {
        await ctx.sleep("1 hour");
      } finally {
        await ctx.shield((shielded) => shielded.step("clean up", () => void cleaned.push(ctx.executionId)));
      }
    },
  });
  const middle = defineWorkflow({ name: "middle", run: async (ctx) => ctx.child(long, undefined) });
  type Ending = "completes" | "fails" | "times out" | "waits";
  const policies = ["cancel", "terminate", "abandon"] as const;
  const parent = defineWorkflow({
    name: "parent-that-ends",
    run: async (ctx, how: Ending) => {
      const open = [
        ctx.child(long, undefined, { executionId: `${ctx.executionId}-default` }),
        ...policies.map((parentClosePolicy) => ctx.child(long, undefined, { executionId: `${ctx.executionId}-${parentClosePolicy}`, parentClosePolicy })),
        ctx.child(middle, undefined, { executionId: `${ctx.executionId}-middle`, parentClosePolicy: "terminate" }),
      ];
      await ctx.until(() => false, { timeout: 300 }).catch(() => {});
      if (how === "fails") throw new Error("no");
      if (how === "times out" || how === "waits") await Promise.all(open);
    },
  });
  const stateOf = async (pawl: Pawl, id: string) => (await pawl.handle(id).status()).state;

  test.each(["completes", "fails", "times out", "waits"] as const)("%s, or is terminated: gets what its policy says", async (how) => {
    const { pawl } = await h.run([long, middle, parent]);
    const id = how.replace(" ", "-");
    const handle = await pawl.start(parent, how, { executionId: id, ...(how === "times out" ? { timeout: 1000 } : {}) });
    await eventually(async () => expect(await stateOf(pawl, `${id}-middle.1`)).toBe("running"));
    if (how === "waits") {
      await eventually(async () => expect(await handle.status()).toMatchObject({ workerId: null }));
      await handle.terminate();
    }
    await handle.result().catch(() => {});
    // Its time is that of its children too, and theirs may be over first.
    if (how === "times out") {
      for (const child of ["default", "cancel", "terminate"]) expect(await failureOf(pawl.handle(`${id}-${child}`).result())).toBeInstanceOf(PawlError);
      expect(await stateOf(pawl, `${id}-abandon`)).toBe("running");
      return pawl.handle(`${id}-abandon`).terminate();
    }
    const states = { default: "cancelled", cancel: "cancelled", terminate: "terminated", middle: "terminated", "middle.1": "cancelled" };
    for (const [child, state] of Object.entries(states)) await eventually(async () => expect(await stateOf(pawl, `${id}-${child}`), child).toBe(state));
    // One that was terminated ran no code; the one to be abandoned goes on, without its parent's deadline.
    expect(cleaned.filter((name) => name.startsWith(`${id}-`)).toSorted()).toEqual([`${id}-cancel`, `${id}-default`, `${id}-middle.1`]);
    expect(await stateOf(pawl, `${id}-abandon`)).toBe("running");
    const [end] = (await pawl.handle(`${id}-terminate`).history()).slice(-1);
    expect(end!.event).toMatchObject({ type: "ExecutionTerminated", reason: expect.stringContaining(`its parent ${id}`) as string });
    await pawl.handle(`${id}-abandon`).terminate();
  });

  test("is left alone by a cancel request if it is to be abandoned, and not started if its parent ends at once", async () => {
    const hasty = defineWorkflow({
      name: "hasty",
      run: async (ctx) => {
        void ctx.child(long, undefined, { executionId: "never" }).catch(() => {});
        void ctx.child(long, undefined, { executionId: "abandoned-at-once", parentClosePolicy: "abandon" });
      },
    });
    const { pawl } = await h.run([long, hasty, parent, middle]);
    await pawl.execute(hasty, undefined);
    await refusalOf(pawl.handle("never").status(), ExecutionNotFound);
    expect(await stateOf(pawl, "abandoned-at-once")).toBe("running");
    const handle = await pawl.start(parent, "waits", { executionId: "asked" });
    await eventually(async () => expect(await stateOf(pawl, "asked-middle.1")).toBe("running"));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    expect(await stateOf(pawl, "asked-abandon")).toBe("running");
    for (const id of ["asked-abandon", "abandoned-at-once"]) await pawl.handle(id).terminate();
  });

  test("that nobody waits for is started, and what is set is set, where the code ends as soon as it wakes", async () => {
    const signals = { end: z.string() };
    const slow = defineWorkflow({ name: "slow", signals, run: async (ctx) => ctx.signal("end") });
    const late = defineWorkflow({
      name: "late",
      signals,
      run: async (ctx, by: "child" | "signal") => {
        await (by === "child" ? ctx.child(slow, undefined) : ctx.signal("end"));
        void ctx.child(long, undefined, { executionId: `report-by-${by}`, parentClosePolicy: "abandon" });
        void ctx.set("reported", true);
        void ctx.setAttributes({ reported: true });
        void ctx.stream("log").write("reported");
        void ctx.step("never begun", () => begun.push(by));
        return "done";
      },
    });
    const begun: string[] = [];
    const { pawl } = await h.run([long, slow, late]);
    for (const by of ["child", "signal"] as const) {
      const handle = await pawl.start(late, by);
      await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
      await pawl.handle(by === "signal" ? handle.executionId : `${handle.executionId}.1`).signal("end", "now");
      expect(await handle.result()).toBe("done");
      expect(await stateOf(pawl, `report-by-${by}`)).toBe("running");
      expect(await handle.value("reported")).toBe(true);
      expect((await handle.status()).attributes).toEqual({ reported: true });
      const chunks: unknown[] = [];
      for await (const { value } of handle.stream("log")) chunks.push(value);
      expect(chunks).toEqual(["reported"]);
      await pawl.handle(`report-by-${by}`).terminate();
    }
    expect(begun).toEqual([]);
  });

  test("has one of the policies that there are", async () => {
    const wrong = defineWorkflow({ name: "wrong-policy", run: async (ctx) => ctx.child(long, undefined, { parentClosePolicy: "adopt" as never }) });
    const { pawl } = await h.run([wrong]);
    expect((await causeOf(pawl.execute(wrong, undefined))).message).toContain("parentClosePolicy");
  });
});
