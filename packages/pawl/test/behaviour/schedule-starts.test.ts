/** What the executions of a schedule are started with: labels, attributes, a timeout and a place in their queue. */
import { defineWorkflow, InputInvalid, OptionInvalid, type ExecutionHandle, type ScheduleHandle, type ScheduleInfo } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const report = defineWorkflow({ name: "report", run: async (ctx) => ctx.schedule?.scheduleId });
const rarely = "0 0 29 2 *";
const due = new Date("2026-12-24T18:00:00.5Z");
const place = { key: "acme", priority: -5 };
const found = { labels: { team: "red", customer: "acme" }, attributes: { urgent: true, pages: 7.5, due } };
const everything = { ...found, ...place, timeout: "1 hour" };
const shown = { ...found, ...place, timeoutMs: 3_600_000 };
const nothing = { labels: {}, attributes: {}, timeoutMs: null, key: null, priority: 0 };

/** What it was started with: its row, and the timeout of its first event, whose labels and attributes are compared with the row's after each test. */
async function startedWith(handle: ExecutionHandle): Promise<object> {
  const { labels, attributes, key, priority } = await handle.status();
  const [first] = await handle.history();
  return { labels, attributes, key, priority, timeoutMs: first!.event.type === "ExecutionStarted" ? (first!.event.timeoutMs ?? null) : undefined };
}

const told = ({ labels, attributes, key, priority, timeoutMs }: ScheduleInfo): object => ({ labels, attributes, key, priority, timeoutMs });
const described = async (handle: ScheduleHandle): Promise<object> => told(await handle.describe());

test("an instant, a trigger and a backfill all carry everything, and are found by it", async () => {
  const pawl = await h.open({ namespace: "everything" });
  await pawl.worker({ workflows: [report], ...soon });
  const handle = await pawl.schedules.create({ scheduleId: "s", workflow: report, interval: "1s", maximumRuns: 1, ...everything });
  const other = await pawl.schedules.create({ scheduleId: "s2", workflow: report, cron: rarely });
  await (await other.trigger()).result();
  const triggered = await handle.trigger();
  await handle.backfill({ from: "2025-01-01T00:00:00Z", to: "2025-01-01T00:00:00Z" });
  await eventually(async () => expect(await handle.describe()).toMatchObject({ state: "ended", open: [], recent: [{}, {}] }));
  const { recent } = await handle.describe();
  const ids = [...recent.map(({ executionId }) => executionId), triggered.executionId].toSorted();
  expect(ids).toContain("s:2025-01-01T00:00:00Z");
  for (const id of ids) expect(await startedWith(pawl.handle(id)), id).toEqual(shown);
  expect(await startedWith(pawl.handle((await pawl.list({ filter: 'executionId.startsWith("s2:")' })).executions[0]!.executionId))).toEqual(nothing);

  for (const filter of [
    'labels.team == "red"',
    'attributes.urgent && attributes.due > timestamp("2026-12-24T00:00:00Z")',
    'key == "acme"',
    "priority == -5",
    'executionId.startsWith("s:")',
  ]) {
    const { executions } = await pawl.list({ filter });
    expect(executions.map(({ executionId }) => executionId).toSorted(), filter).toEqual(ids);
  }
});

test("a fork and an imported copy of what a schedule started are none of its own, although their code sees the same", async () => {
  const pawl = await h.open({ namespace: "copies" });
  const daily = defineWorkflow({
    name: "daily",
    run: async (ctx, left: number): Promise<string> => {
      await ctx.step(`report of ${ctx.schedule?.scheduleId}`, () => left);
      return left > 0 ? ctx.continueAsNew(left - 1) : `report of ${ctx.schedule?.scheduleId}`;
    },
  });
  await pawl.worker({ workflows: [daily], ...soon });
  const schedule = await pawl.schedules.create({ scheduleId: "s", workflow: daily, input: 1, cron: rarely });
  const handle = await schedule.trigger();
  await handle.result();
  const [first] = await handle.runs();
  const fork = await handle.fork({ from: { step: "report of s" }, runId: first!.runId, executionId: "forked" });
  expect(await fork.result()).toBe("report of s");
  const copy = await pawl.importExecution(await pawl.exportExecution(handle.executionId), { executionId: "copied" });
  expect(await copy.result()).toBe("report of s");
  // What the invariants say of them is asked after each test.
});

test("describe and list show it", async () => {
  const pawl = await h.open({ namespace: "shown" });
  const plain = await pawl.schedules.create({ scheduleId: "plain", workflow: report, cron: rarely });
  const full = await pawl.schedules.create({ scheduleId: "full", workflow: report, cron: rarely, ...everything });
  expect(await described(plain)).toEqual(nothing);
  expect(await described(full)).toEqual(shown);
  const { schedules } = await pawl.schedules.list();
  expect(schedules.map((info) => [info.scheduleId, told(info)])).toEqual([
    ["full", shown],
    ["plain", nothing],
  ]);
});

describe("an update", () => {
  const timed = defineWorkflow({ name: "timed", timeout: "2 hours", run: async () => 1 });

  test.each([
    ["labels", { team: "blue" }, {}],
    ["attributes", { pages: 8 }, {}],
    ["timeout", "5 minutes", null],
    ["key", "other", null],
    ["priority", 9, 0],
  ] as const)("of the %s changes only these, and null takes them away", async (name, given, none) => {
    const pawl = await h.open({ namespace: `update-${name}` });
    const handle = await pawl.schedules.create({ scheduleId: "s", workflow: timed, input: 1, cron: rarely, ...everything } as never);
    const field = name === "timeout" ? "timeoutMs" : name;
    for (const [update, value] of [
      [{ [name]: given }, name === "timeout" ? 300_000 : given],
      [{ input: 2 }, name === "timeout" ? 300_000 : given],
      [{ overlap: "allow_all" }, name === "timeout" ? 300_000 : given],
      [{ [name]: null }, none],
      [{ input: 3 }, none],
    ] as const) {
      await handle.update(update);
      const expected = { ...shown, [field]: value };
      expect(await described(handle)).toEqual(expected);
      expect(await startedWith(await handle.trigger())).toEqual(expected);
    }
    expect(await handle.describe()).toMatchObject({ input: 3, overlap: "allow_all" });
  });

  test("that is refused changes nothing", async () => {
    const pawl = await h.open({ namespace: "update-refused" });
    const handle = await pawl.schedules.create({ scheduleId: "s", workflow: report, cron: rarely, ...everything });
    expect((await refusalOf(handle.update({ labels: { team: "blue" }, priority: 1001 }), OptionInvalid)).path).toBe("priority");
    expect(await described(handle)).toEqual(shown);
  });

  test("by create takes away what is not given", async () => {
    const pawl = await h.open({ namespace: "update-by-create" });
    const options = { scheduleId: "s", workflow: timed, cron: rarely } as const;
    await pawl.schedules.create({ ...options, ...everything });
    const handle = await pawl.schedules.create({ ...options, ifExists: "update" });
    expect(await described(handle)).toEqual({ ...nothing, timeoutMs: 7_200_000 });
    await pawl.schedules.create({ ...options, timeout: null, labels: null, attributes: null, key: null, priority: null, ifExists: "update" });
    expect(await described(handle)).toEqual(nothing);
  });
});

describe("the timeout of the workflow's definition", () => {
  const input = z.object({ days: z.number() });
  const first = defineWorkflow({ name: "work", version: "1", timeout: "1 hour", input, run: async () => 1 });
  const second = defineWorkflow({ name: "work", version: "2", timeout: "2 hours", input, run: async () => 2 });
  const third = defineWorkflow({ name: "work", version: "3", input: z.object({ weeks: z.number() }), run: async () => 3 });
  const byName = { scheduleId: "s", workflow: "work", version: "1", input: { days: 1 }, cron: rarely } as const;

  test("holds by name, too, where a worker of this process has it, and its schema checks the input", async () => {
    const pawl = await h.open({ namespace: "name-here" });
    await pawl.worker({ workflows: [first, second, third], ...soon });
    await refusalOf(pawl.schedules.create({ ...byName, input: { days: "one" } }), InputInvalid);
    const handle = await pawl.schedules.create(byName);
    expect(await handle.describe()).toMatchObject({ version: "1", timeoutMs: 3_600_000 });
    expect(await startedWith(await handle.trigger())).toMatchObject({ timeoutMs: 3_600_000 });
    await handle.update({ version: "2" });
    expect(await handle.describe()).toMatchObject({ version: "2", timeoutMs: 7_200_000 });
    await refusalOf(handle.update({ version: "3" }), InputInvalid);
    await handle.update({ version: "3", input: { weeks: 1 } });
    expect(await handle.describe()).toMatchObject({ version: "3", timeoutMs: null });
    await handle.update({ workflow: "work", version: "1", input: { days: 1 }, timeout: "1 minute" });
    expect(await handle.describe()).toMatchObject({ version: "1", timeoutMs: 60_000 });
  });

  test("is not known by name elsewhere: there is none, and an update keeps what there was", async () => {
    const [there, here] = await Promise.all([h.open({ namespace: "name-elsewhere" }), h.open({ namespace: "name-elsewhere" })]);
    await there.worker({ workflows: [first, second], ...soon });
    const handle = await here.schedules.create(byName);
    expect(await handle.describe()).toMatchObject({ timeoutMs: null });
    await handle.update({ timeout: "5 minutes" });
    await handle.update({ version: "2" });
    expect(await handle.describe()).toMatchObject({ version: "2", timeoutMs: 300_000 });
  });
});

test.each([
  [{ labels: { team: 7 } }, "schedule labels.team"],
  [{ labels: ["red"] }, "schedule labels"],
  [{ attributes: { "a b": 1 } }, "schedule attributes.a b"],
  [{ attributes: { list: [1] } }, "schedule attributes.list"],
  [{ timeout: "soon" }, "timeout"],
  [{ key: "" }, "key"],
  [{ key: "a b" }, "key"],
  [{ priority: 1001 }, "priority"],
  [{ priority: 0.5 }, "priority"],
])("%o is refused with its path", async (options, path) => {
  const pawl = await h.open({ namespace: "refused" });
  const given = { scheduleId: "s", workflow: report, cron: rarely, ...options } as never;
  expect((await refusalOf(pawl.schedules.create(given), OptionInvalid)).path).toBe(path);
});
