import { defineWorkflow, ExecutionCancelled, ExecutionConflict, ExecutionFailed, FilterInvalid, OptionInvalid, WorkflowUnknown } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

let mended = false;
const waiting = defineWorkflow({ name: "waiting", signals: { go: z.number() }, run: async (ctx) => ctx.signal("go") });
const fragile = defineWorkflow({
  name: "fragile",
  retry: { maximumAttempts: 1 },
  run: async (ctx) => {
    const first = await ctx.step("first", () => 1);
    return ctx.step("second", () => {
      if (!mended) throw new Error("no");
      return first + 1;
    });
  },
});
const workflows = [waiting, fragile];

describe("bulk", () => {
  test("signals, pauses, resumes and cancels all that a filter finds, and says how far it is", async () => {
    const { pawl } = await h.run(workflows);
    const handles = await Promise.all(Array.from({ length: 105 }, (_, n) => pawl.start(waiting, undefined, { labels: { group: n < 103 ? "a" : "b" } })));
    const running = 'workflow == "waiting" && labels.group == "a" && state == "running"';
    await eventually(async () => expect((await pawl.count({ filter: running })).count).toBe(103));
    const pause = await pawl.bulk({ operation: "pause", filter: running, reason: "all at once" });
    expect(await pause.result()).toEqual({ matched: 103, done: 103, skipped: 0, failed: 0, failures: [] });
    expect(await pause.value("progress")).toEqual(await pause.result());
    await eventually(async () => expect((await pawl.count({ filter: 'state == "paused"' })).count).toBe(103));
    expect(await (await pawl.bulk({ operation: "resume", filter: 'labels.group == "a"' })).result()).toMatchObject({ done: 103 });
    const signal = await pawl.bulk({ operation: "signal", filter: 'labels.group == "a"', signal: { name: "go", payload: 7 }, executionId: "go-all" });
    expect(await signal.result()).toMatchObject({ matched: 103, done: 103 });
    expect(await handles[0]!.result()).toBe(7);
    // The same id again is the same operation.
    expect((await pawl.bulk({ operation: "signal", filter: 'labels.group == "a"', signal: { name: "go", payload: 7 }, executionId: "go-all" })).runId).toBe(
      signal.runId,
    );
    await eventually(async () => expect((await pawl.count({ filter: 'labels.group == "a" && state == "completed"' })).count).toBe(103));
    const cancel = await pawl.bulk({ operation: "cancel", filter: 'workflow == "waiting"' });
    expect(await cancel.result()).toEqual({ matched: 105, done: 2, skipped: 103, failed: 0, failures: [] });
    await eventually(async () => expect((await handles[104]!.status()).state).toBe("cancelled"));
  });

  test("stops when it is cancelled, also in the middle of a page", async () => {
    const go = gate();
    let begun = 0;
    let done = 0;
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "pause") return;
      if (phase === "after") return void done++;
      begun++;
      await go.opened;
    });
    await pawl.worker({ workflows, ...soon });
    await Promise.all(Array.from({ length: 30 }, () => pawl.start(waiting, undefined, { delay: "1 day", labels: { group: "held" } })));
    const bulk = await pawl.bulk({ operation: "pause", filter: 'labels.group == "held"' });
    await eventually(() => expect(begun).toBe(8));
    await bulk.cancel();
    await refusalOf(bulk.result(), ExecutionCancelled);
    go.open();
    await eventually(() => expect(done).toBeGreaterThanOrEqual(8));
    expect((await pawl.count({ filter: 'labels.group == "held" && state == "paused"' })).count).toBe(8);
    expect(begun).toBe(8);
  });

  test("leaves children to the retry of their parent, which begins them anew", async () => {
    let isMended = false;
    const brittle = defineWorkflow({
      name: "brittle",
      run: async () => {
        if (!isMended) throw new Error("no");
        return 2;
      },
    });
    const parent = defineWorkflow({ name: "parent-of-brittle", run: async (ctx) => ctx.child(brittle, undefined) });
    const { pawl } = await h.run([brittle, parent]);
    const handle = await pawl.start(parent, undefined, { executionId: "of-brittle" });
    await refusalOf(handle.result(), ExecutionFailed);
    isMended = true;
    const bulk = await pawl.bulk({ operation: "retry", filter: 'state == "failed" && executionId.startsWith("of-brittle")' });
    expect(await bulk.result()).toEqual({ matched: 2, done: 1, skipped: 1, failed: 0, failures: [] });
    expect(await handle.result()).toBe(2);
    expect((await pawl.handle("of-brittle.1").status()).state).toBe("failed");
  });

  test("continues as new after some thousand executions, and goes on where it was", async () => {
    const pawl = await h.open();
    await pawl.worker({ workflows: [waiting], ...soon });
    const count = 2_050;
    await Promise.all(Array.from({ length: count }, () => pawl.start(waiting, undefined, { delay: "1 day", labels: { group: "many" } })));
    const bulk = await pawl.bulk({ operation: "terminate", filter: 'labels.group == "many"' });
    expect(await bulk.result()).toEqual({ matched: count, done: count, skipped: 0, failed: 0, failures: [] });
    expect(await bulk.value("progress")).toEqual(await bulk.result());
    expect((await bulk.runs()).map(({ state }) => state)).toEqual(["continued_as_new", "completed"]);
  });

  test("meets each that was there when it began, also those that continue as new meanwhile, and none that came later", async () => {
    const looping = defineWorkflow({
      name: "looping",
      signals: { turn: z.null() },
      async run(ctx) {
        await ctx.signal("turn");
        return ctx.continueAsNew(undefined);
      },
    });
    const client = await h.open();
    // The newest hundred come first, whether by age or by id: what is on the second page goes on before that page is asked for.
    const ids = Array.from({ length: 130 }, (_, n) => `loop-${String(130 - n).padStart(3, "0")}`);
    const later = ids.slice(0, 30);
    let pages = 0;
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "list" || phase !== "before" || ++pages !== 2) return;
      for (const executionId of later) await client.handle(executionId).signal("turn", null);
      await eventually(async () => {
        for (const executionId of later) expect((await client.handle(executionId).runs()).length).toBe(2);
      });
      await client.start(looping, undefined, { executionId: "loop-999" });
    });
    await pawl.worker({ workflows: [looping], ...soon });
    for (const executionId of ids) await client.start(looping, undefined, { executionId });
    await eventually(async () => expect((await client.count({ filter: 'workflow == "looping" && state == "running"' })).count).toBe(130));
    const bulk = await client.bulk({ operation: "cancel", filter: 'workflow == "looping"', reason: "enough" });
    expect(await bulk.result()).toEqual({ matched: 130, done: 130, skipped: 0, failed: 0, failures: [] });
    await eventually(async () => expect((await client.count({ filter: 'workflow == "looping" && state == "cancelled"' })).count).toBe(130));
    expect((await client.handle("loop-999").status()).state).toMatch(/pending|running/);
    expect((await client.handle(later[0]!).status()).runNumber).toBe(2);
    expect(pages).toBe(2);
    await client.handle("loop-999").terminate();
  });

  test("retries, rolls back, forks and terminates", async () => {
    mended = false;
    const { pawl } = await h.run(workflows);
    const handles = await Promise.all(["x", "y"].map((executionId) => pawl.start(fragile, undefined, { executionId, priority: executionId === "x" ? -1 : 0 })));
    await eventually(async () => expect((await pawl.count({ filter: 'workflow == "fragile" && state == "failed"' })).count).toBe(2));
    mended = true;
    const retry = await pawl.bulk({ operation: "retry", filter: 'workflow == "fragile" && state == "failed"' });
    expect(await retry.result()).toMatchObject({ matched: 2, done: 2 });
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual([2, 2]);
    expect(await (await pawl.bulk({ operation: "rollback", filter: 'workflow == "fragile" && priority < 0', to: { step: "first" } })).result()).toMatchObject({
      done: 1,
    });
    const missing = await (await pawl.bulk({ operation: "rollback", filter: 'executionId == "y"', to: { step: "third" } })).result();
    expect(missing).toMatchObject({ done: 0, failed: 1, failures: [{ executionId: "y", code: "OPTION_INVALID" }] });
    await (await pawl.bulk({ operation: "fork", filter: 'executionId == "y"', from: 1, executionId: "all-forks" })).result();
    expect(await pawl.handle("y.all-forks").result()).toBe(2);
    const alive = await pawl.start(waiting, undefined);
    await (await pawl.bulk({ operation: "terminate", filter: 'state == "running" || state == "pending"' })).result();
    expect((await alive.status()).state).toBe("terminated");
  });

  test("moves executions to another version, each from where it stands", async () => {
    const ran: string[] = [];
    const stages = (version: string) =>
      defineWorkflow({
        name: "stages",
        version,
        signals: { go: z.null() },
        async run(ctx) {
          const step = (name: string): Promise<string> => ctx.step(name, () => (ran.push(`${ctx.executionId} ${name} ${version}`), `${name}${version}`));
          await ctx.signal("go");
          const one = await step("one");
          await ctx.signal("go");
          const two = await step("two");
          await ctx.signal("go");
          return [one, two, await step("three")];
        },
      });
    const { pawl } = await h.run([stages("1"), stages("2")]);
    const ids = ["s0", "s1", "s2"];
    for (const [signals, executionId] of ids.entries()) {
      const handle = await pawl.start(stages("1"), undefined, { executionId });
      for (let sent = 0; sent < signals; sent++) await handle.signal("go", null);
    }
    const old = 'workflow == "stages" && version == "1"';
    await eventually(async () => expect(ran).toHaveLength(3));
    await eventually(async () => expect((await pawl.count({ filter: `${old} && state == "running"` })).count).toBe(3));
    await (await pawl.bulk({ operation: "pause", filter: old })).result();
    await eventually(async () => expect((await pawl.count({ filter: `${old} && state == "paused"` })).count).toBe(3));
    ran.length = 0;
    const move = { operation: "fork", filter: `${old} && state == "paused"`, from: "latest", version: "2" } as const;
    expect(await (await pawl.bulk({ ...move, executionId: "moved" })).result()).toEqual({ matched: 3, done: 3, skipped: 0, failed: 0, failures: [] });
    await (await pawl.bulk({ operation: "terminate", filter: move.filter })).result();
    for (const [done, executionId] of ids.entries()) {
      const fork = pawl.handle(`${executionId}.moved`);
      for (let sent = done; sent < 3; sent++) await fork.signal("go", null);
      expect(await fork.result()).toEqual([done > 0 ? "one1" : "one2", done > 1 ? "two1" : "two2", "three2"]);
      expect(await fork.status()).toMatchObject({ version: "2" });
      expect((await pawl.handle(executionId).status()).state).toBe("terminated");
    }
    expect(ran.toSorted()).toEqual(["s0.moved one 2", "s0.moved three 2", "s0.moved two 2", "s1.moved three 2", "s1.moved two 2", "s2.moved three 2"]);
  });

  test("a fork from the latest checkpoint is made once, however far the original goes on", async () => {
    const { pawl } = await h.run(workflows);
    mended = true;
    const two = defineWorkflow({
      name: "two",
      signals: { go: z.null() },
      async run(ctx) {
        await ctx.step("one", () => 1);
        await ctx.signal("go");
        await ctx.step("two", () => 2);
        return ctx.executionId;
      },
    });
    await pawl.worker({ workflows: [two], ...soon });
    const handle = await pawl.start(two, undefined);
    await eventually(async () => expect(await handle.checkpoints()).toHaveLength(1));
    const options = { from: "latest", runId: handle.runId!, executionId: "once" } as const;
    const fork = await handle.fork(options);
    await handle.signal("go", null);
    await handle.result();
    expect((await handle.fork(options)).runId).toBe(fork.runId);
    await refusalOf(handle.fork({ ...options, from: { step: "two" } }), ExecutionConflict);
    await fork.signal("go", null);
    expect(await fork.result()).toBe("once");
    // And a rollback to there repeats nothing but what came after it.
    const again = await handle.rollback({ to: "latest" });
    expect(await again.result()).toBe(handle.executionId);
    expect((await handle.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(2);
  });

  test.each(["cancel", "terminate", "pause"] as const)(
    "does not %s again what somebody has put into another run since, and reaches what continued as new",
    async (operation) => {
      const client = await h.open();
      const turning = defineWorkflow({
        name: `turning-${operation}`,
        signals: { turn: z.null() },
        async run(ctx) {
          await ctx.signal("turn");
          return ctx.continueAsNew(undefined);
        },
      });
      let isFound = false;
      const pawl = await h.open({}, async (name, phase) => {
        if (name !== "list" || phase !== "after" || isFound) return;
        isFound = true;
        // As between a crash in mid-page and the step's next attempt.
        await client.handle(`${operation}-again`).rollback({ to: 1 });
        await client.handle(`${operation}-goes-on`).signal("turn", null);
        await eventually(async () => expect(await client.handle(`${operation}-goes-on`).runs()).toHaveLength(2));
      });
      await pawl.worker({ workflows: [turning], ...soon });
      for (const name of ["again", "goes-on", "stays"]) await client.start(turning, undefined, { executionId: `${operation}-${name}` });
      const running = `workflow == "turning-${operation}" && state == "running"`;
      await eventually(async () => expect((await client.count({ filter: running })).count).toBe(3));
      const bulk = await client.bulk({ operation, filter: running });
      expect(await bulk.result()).toEqual({ matched: 3, done: 2, skipped: 1, failed: 0, failures: [] });
      const after = { cancel: "cancelled", terminate: "terminated", pause: "paused" }[operation];
      for (const name of ["goes-on", "stays"]) {
        await eventually(async () => expect((await client.handle(`${operation}-${name}`).status()).state).toBe(after));
      }
      await eventually(async () => expect((await client.handle(`${operation}-again`).status()).state).toBe("running"));
    },
  );

  test("skips executions whose run retention has deleted since it was found", async () => {
    const client = await h.open();
    let isFound = false;
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "list" || phase !== "after" || isFound) return;
      isFound = true;
      const handle = client.handle("goes-on");
      await handle.signal("turn", null);
      await eventually(async () => expect((await handle.runs()).length).toBe(2));
      await client.handle("ends").terminate();
      await client.retention.set({ workflow: "turning", keep: 0 });
      await client.retention.run();
      await eventually(async () => expect((await handle.runs()).length).toBe(1));
    });
    const turning = defineWorkflow({
      name: "turning",
      signals: { turn: z.null() },
      async run(ctx) {
        await ctx.signal("turn");
        return ctx.continueAsNew(undefined);
      },
    });
    await pawl.worker({ workflows: [turning], ...soon });
    for (const executionId of ["ends", "goes-on", "stays"]) await client.start(turning, undefined, { executionId });
    await eventually(async () => expect((await client.count({ filter: 'workflow == "turning" && state == "running"' })).count).toBe(3));
    const bulk = await client.bulk({ operation: "fork", filter: 'workflow == "turning"', from: 1, executionId: "copy" });
    expect(await bulk.result()).toEqual({ matched: 3, done: 1, skipped: 2, failed: 0, failures: [] });
    expect(await client.handle("stays.copy").status()).toMatchObject({ workflow: "turning" });
  });

  test("refuses what it cannot do, and is no workflow that people see", async () => {
    const idle = await h.open();
    await refusalOf(idle.bulk({ operation: "cancel", filter: 'state == "running"' }), WorkflowUnknown);
    const { pawl } = await h.run(workflows);
    expect((await pawl.workers()).flatMap(({ definitions }) => definitions)).not.toContain("pawl.bulk@1");
    await refusalOf(pawl.bulk({ operation: "explode" as never, filter: "true" }), OptionInvalid);
    await refusalOf(pawl.bulk({ operation: "cancel", filter: " " }), OptionInvalid);
    await refusalOf(pawl.bulk({ operation: "cancel", filter: "nonsense ==" }), FilterInvalid);
    await refusalOf(pawl.bulk({ operation: "rollback", filter: 'state == "failed"' }), OptionInvalid);
    await refusalOf(pawl.bulk({ operation: "cancel", filter: 'state == "failed"', to: 1 }), OptionInvalid);
    await refusalOf(pawl.bulk({ operation: "fork", filter: 'state == "failed"', from: 7 as never }), OptionInvalid);
    await refusalOf(pawl.bulk({ operation: "retry", filter: 'state == "failed"', version: "2" }), OptionInvalid);
  });
});
