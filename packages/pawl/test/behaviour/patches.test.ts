/** Workflow code that is changed while executions are under way: each goes on in the way it has begun. */
import { defineWorkflow, ExecutionQuarantined, type ExecutionHandle, type WorkflowContext } from "pawl";
import { exploreCrashes } from "pawl/testing";
import { recordHistory, replayHistory } from "pawl/internal";
import { expect, test } from "vitest";
import { eventually, failureOf, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const versionOf = (run: (ctx: WorkflowContext) => Promise<string[]>) => defineWorkflow({ name: "order", run: (ctx) => run(ctx as WorkflowContext) });
/** It has come to where it waits, and that is recorded. */
const waits = (handle: ExecutionHandle) => eventually(async () => expect((await handle.history()).at(-1)!.event.type).toBe("WaitStarted"));
const before = versionOf(async (ctx) => {
  const did = [await ctx.step("reserve", () => "reserved")];
  await ctx.signal("go");
  return [...did, await ctx.step("charge", () => "charged")];
});
/** Checks for fraud before it waits, from now on. */
const after = versionOf(async (ctx) => {
  const did = [await ctx.step("reserve", () => "reserved")];
  if (ctx.patched("fraud")) did.push(await ctx.step("check", () => "checked"));
  await ctx.signal("go");
  if (ctx.patched("fraud")) did.push("patched");
  return [...did, await ctx.step("charge", () => "charged")];
});
/** When no execution is left that went the old way. */
const later = versionOf(async (ctx) => {
  const did = [await ctx.step("reserve", () => "reserved")];
  ctx.deprecatePatch("fraud");
  did.push(await ctx.step("check", () => "checked"));
  await ctx.signal("go");
  return [...did, "patched", await ctx.step("charge", () => "charged")];
});

const old = ["reserved", "charged"];
const changed = ["reserved", "checked", "patched", "charged"];

test("an execution that came by before the change goes the old way to its end, and a new one the new way", async () => {
  const { pawl, worker } = await h.run([before]);
  const begun = await pawl.start(before, undefined);
  await waits(begun);
  const recorded = await recordHistory(begun);
  await worker.stop();
  await pawl.worker({ workflows: [after], ...soon });
  const fresh = await pawl.start(after, undefined);
  for (const handle of [begun, fresh]) await pawl.handle(handle.executionId).signal("go", null);
  expect(await begun.result()).toEqual(old);
  expect(await fresh.result()).toEqual(changed);
  expect((await begun.history()).some(({ event }) => event.type === "PatchMarked")).toBe(false);
  expect((await fresh.history()).filter(({ event }) => event.type === "PatchMarked").map(({ event }) => event)).toEqual([
    { type: "PatchMarked", patchId: "fraud" },
  ]);
  // Held against the code of today, as before a deployment.
  expect(await replayHistory(after, recorded)).toMatchObject({ state: "running" });
  expect(await replayHistory(after, await recordHistory(fresh))).toMatchObject({ state: "completed", result: changed });
  expect((await failureOf(replayHistory(later, recorded))).message).toContain(
    'the history has no mark of patch "fraud", the code made deprecatePatch("fraud")',
  );
  expect(await replayHistory(later, await recordHistory(fresh))).toMatchObject({ state: "completed", result: changed });
});

test("a deprecated patch lets executions with its mark through, and holds one that went the old way", async () => {
  const { pawl, worker } = await h.run([before]);
  const begun = await pawl.start(before, undefined);
  await waits(begun);
  await worker.stop();
  const second = await pawl.worker({ workflows: [after], ...soon });
  const marked = await pawl.start(after, undefined);
  await waits(marked);
  await second.stop();
  await pawl.worker({ workflows: [later], ...soon });
  const fresh = await pawl.start(later, undefined);
  for (const { executionId } of [begun, marked, fresh]) await pawl.handle(executionId).signal("go", null);
  await refusalOf(begun.result(), ExecutionQuarantined);
  expect(await marked.result()).toEqual(changed);
  expect(await fresh.result()).toEqual(changed);
});

test("the first answer holds for the whole run, also where nothing was recorded when the code first came by", async () => {
  const looping = (steps: readonly string[]) =>
    versionOf(async (ctx) => {
      const did: string[] = [];
      for (const name of steps) {
        did.push(ctx.patched("loop") ? `new ${name}` : name);
        await ctx.step(name, () => {});
        await ctx.signal("go");
      }
      return did;
    });
  const unpatched = versionOf(async (ctx) => {
    for (const name of ["a", "b"]) {
      await ctx.step(name, () => {});
      await ctx.signal("go");
    }
    return [];
  });
  const { pawl, worker } = await h.run([unpatched]);
  const begun = await pawl.start(unpatched, undefined);
  await waits(begun);
  await worker.stop();
  await pawl.worker({ workflows: [looping(["a", "b"])], ...soon });
  const fresh = await pawl.start(looping(["a", "b"]), undefined);
  for (const { executionId } of [begun, fresh, begun, fresh]) await pawl.handle(executionId).signal("go", null);
  expect(await begun.result()).toEqual(["a", "b"]);
  expect(await fresh.result()).toEqual(["new a", "new b"]);
});

test("a worker may die at any moment around a patch, and the run goes the same way", async () => {
  const patched = defineWorkflow({
    name: "patched",
    async run(ctx, input: string) {
      await ctx.step("first", () => input);
      const isNew = ctx.patched("change");
      await ctx.step("second", () => input);
      return [isNew, ctx.patched("change"), ctx.patched("another")];
    },
  });
  const report = await exploreCrashes(patched, "x");
  expect(report.safe, String(report)).toBe(true);
  expect(report.crashPoints.join("\n")).toContain('the mark of patch "change"');
});

test("what has replayed nothing goes the new way: merged starts, what was paused before it began, a fork from the start", async () => {
  const patched = defineWorkflow({ name: "patched-first", run: (ctx, _input: readonly string[]) => Promise.resolve(ctx.patched("first")) });
  const pawl = await h.open();
  const batch = { key: "all", size: 2, window: "1 hour" };
  const [first, merged] = [await pawl.start(patched, ["a"], { batch }), await pawl.start(patched, ["b"], { batch })];
  expect(merged.executionId).toBe(first.executionId);
  const paused = await pawl.start(patched, []);
  await paused.pause();
  await paused.resume();
  await pawl.worker({ workflows: [patched], ...soon });
  const fork = await merged.fork({ from: 1 });
  for (const handle of [merged, paused, fork]) expect(await handle.result()).toBe(true);
});
