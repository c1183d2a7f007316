/** Schedules through the public interface. Each moment is a Pawl of its own whose database clock stands still at it. */
import { defineWorkflow, InputInvalid, OptionInvalid, ScheduleConflict, ScheduleNotFound, WorkflowUnknown, type OverlapPolicy, type Pawl } from "pawl";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { openPawl, silentLogger } from "pawl/internal";
import { eventually, failureOf, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const report = defineWorkflow({
  name: "report",
  input: z.object({ days: z.number() }),
  run: async (ctx, { days }) => ({ days, ...ctx.schedule }),
});
const long = defineWorkflow({ name: "long", run: async (ctx) => ctx.sleep("1000 days") });

/** Does something in a namespace at a moment: all of its transactions see this time. */
async function at<Result>(time: string, namespace: string, work: (pawl: Pawl) => Promise<Result>): Promise<Result> {
  const options = encodeURIComponent(`-c pawl.now=${time}`);
  const pawl = await openPawl({ url: `${h.url}${h.url.includes("?") ? "&" : "?"}options=${options}`, namespace, logger: silentLogger });
  try {
    return await work(pawl);
  } finally {
    await pawl.close({ drain: 0 });
  }
}

/** Fires what is due at a moment and runs it. */
async function tick(time: string, namespace: string): Promise<void> {
  await at(time, namespace, async (pawl) => {
    const worker = await pawl.worker({ workflows: [report, long], manual: true });
    await worker.runOnce();
    // What has just ended may let buffered instants go.
    await worker.runOnce();
  });
}

async function started(namespace: string): Promise<string[]> {
  const pawl = await h.open({ namespace });
  const { executions } = await pawl.list({ limit: 1000 });
  return executions.map(({ executionId }) => executionId).toSorted();
}

test("starts one execution at each instant, and its code knows for which", async () => {
  const namespace = "each-instant";
  await at("2026-03-27T12:00:00Z", namespace, async (pawl) => {
    const handle = await pawl.schedules.create({ scheduleId: "s", workflow: report, input: { days: 7 }, cron: "30 2 * * *", timeZone: "Europe/Berlin" });
    expect(await handle.describe()).toMatchObject({
      state: "active",
      workflow: "report",
      input: { days: 7 },
      overlap: "skip",
      catchUpMs: 86_400_000,
      nextTimes: ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        .map((text) => new Date(text))
        .concat(new Array(7).fill(expect.any(Date))),
    });
  });
  await tick("2026-03-28T01:29:59.999Z", namespace);
  expect(await started(namespace)).toEqual([]);
  // The clocks go forward on the 29th: the time of day that is left out comes at the end of the gap.
  for (const time of ["2026-03-28T01:30:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:01Z", "2026-03-30T00:31:00Z"]) await tick(time, namespace);
  expect(await started(namespace)).toEqual(["s:2026-03-28T01:30:00Z", "s:2026-03-29T01:00:00Z", "s:2026-03-30T00:30:00Z"]);
  const pawl = await h.open({ namespace });
  expect(await pawl.handle("s:2026-03-29T01:00:00Z").result()).toEqual({ days: 7, scheduleId: "s", at: new Date("2026-03-29T01:00:00Z") });
  expect(await pawl.schedules.get("s").describe()).toMatchObject({
    runs: 3,
    skipped: 0,
    missed: 0,
    open: [],
    recent: [{ at: new Date("2026-03-30T00:30:00Z") }, {}, {}],
  });
});

describe("while an execution of the schedule has not ended", () => {
  const cases: readonly (readonly [OverlapPolicy, readonly string[], Record<string, unknown>])[] = [
    ["skip", ["running"], { skipped: 2, buffered: [] }],
    ["buffer_one", ["running"], { skipped: 1, buffered: [new Date("2026-01-01T00:02:00Z")] }],
    ["buffer_all", ["running"], { skipped: 0, buffered: [new Date("2026-01-01T00:02:00Z"), new Date("2026-01-01T00:03:00Z")] }],
    ["cancel_other", ["cancelled", "running", "cancelled"], { skipped: 0, buffered: [] }],
    ["terminate_other", ["running", "terminated", "terminated"], { skipped: 0, buffered: [] }],
    ["allow_all", ["running", "running", "running"], { skipped: 0, buffered: [] }],
  ];
  test.each(cases)("%s", async (overlap, states, rest) => {
    const namespace = `overlap-${overlap}`;
    await at("2026-01-01T00:00:30Z", namespace, (pawl) => pawl.schedules.create({ scheduleId: "s", workflow: long, interval: "1 minute", overlap }));
    for (const minute of [1, 2, 3]) await tick(`2026-01-01T00:0${minute}:10Z`, namespace);
    const pawl = await h.open({ namespace });
    const { executions } = await pawl.list();
    expect(executions.map(({ state }) => state).toSorted()).toEqual(states.toSorted());
    expect(await pawl.schedules.get("s").describe()).toMatchObject(rest);
    const running = executions.filter(({ state }) => state === "running");
    if (overlap !== "allow_all") expect(running).toHaveLength(1);
    // The newest goes on where it replaces, the oldest where others wait for it.
    if (overlap.endsWith("_other")) expect(running[0]!.executionId).toBe("s:2026-01-01T00:03:00Z");
  });

  test("one that ends and goes on before the next instant counts, and one that an instant has found ended does not", async () => {
    const namespace = "overlap-resumed";
    const first = "s:2026-01-01T00:01:00Z";
    const cancel = (time: string) => at(time, namespace, (pawl) => pawl.handle(first).cancel());
    const resume = (time: string) => at(time, namespace, (pawl) => pawl.handle(first).resume());
    await at("2026-01-01T00:00:30Z", namespace, (pawl) => pawl.schedules.create({ scheduleId: "s", workflow: long, interval: "1 minute" }));
    await tick("2026-01-01T00:01:10Z", namespace);
    await cancel("2026-01-01T00:01:20Z");
    await tick("2026-01-01T00:01:30Z", namespace);
    await resume("2026-01-01T00:01:40Z");
    await tick("2026-01-01T00:02:10Z", namespace);
    expect(await started(namespace)).toEqual([first]);

    await cancel("2026-01-01T00:02:20Z");
    await tick("2026-01-01T00:02:30Z", namespace);
    await tick("2026-01-01T00:03:10Z", namespace);
    await resume("2026-01-01T00:03:20Z");
    await at("2026-01-01T00:03:30Z", namespace, (pawl) => pawl.handle("s:2026-01-01T00:03:00Z").terminate());
    await tick("2026-01-01T00:04:10Z", namespace);
    expect(await started(namespace)).toEqual([first, "s:2026-01-01T00:03:00Z", "s:2026-01-01T00:04:00Z"]);
    const pawl = await h.open({ namespace });
    expect(await pawl.handle(first).status()).toMatchObject({ state: "running" });
    expect(await pawl.schedules.get("s").describe()).toMatchObject({ skipped: 1, open: ["s:2026-01-01T00:04:00Z"] });
  });

  test("a buffered instant starts as soon as it ends, without a poll", async () => {
    const release = gate();
    const slow = defineWorkflow({ name: "slow", run: async (ctx) => ctx.step("wait", () => release.opened) });
    const pawl = await h.open({ namespace: "buffer-live" });
    await pawl.worker({ workflows: [slow], ...soon });
    const handle = await pawl.schedules.create({ scheduleId: "s", workflow: slow, interval: "1s", overlap: "buffer_one", maximumRuns: 2 });
    await eventually(async () => expect(await handle.describe()).toMatchObject({ open: [expect.any(String)], buffered: [expect.any(Date)] }));
    release.open();
    await eventually(async () => expect(await handle.describe()).toMatchObject({ state: "ended", open: [], recent: [{}, {}] }));
  });
});

test("after an outage the instants within the catch-up window are started, the older ones counted as missed", async () => {
  const namespace = "catch-up";
  const options = { workflow: report, input: { days: 1 }, interval: "1 hour", catchUpWindow: "3 hours" } as const;
  await at("2026-01-01T00:30:00Z", namespace, async (pawl) => {
    await pawl.schedules.create({ ...options, scheduleId: "all", overlap: "allow_all" });
    await pawl.schedules.create({ ...options, scheduleId: "skip" });
  });
  await tick("2026-01-01T12:30:00Z", namespace);
  expect(await started(namespace)).toEqual(["all:2026-01-01T10:00:00Z", "all:2026-01-01T11:00:00Z", "all:2026-01-01T12:00:00Z", "skip:2026-01-01T10:00:00Z"]);
  const pawl = await h.open({ namespace });
  expect(await pawl.schedules.get("all").describe()).toMatchObject({ missed: 9, skipped: 0 });
  expect(await pawl.schedules.get("skip").describe()).toMatchObject({ missed: 9, skipped: 2 });
});

test("start, end and maximumRuns bound a schedule, and then it has ended", async () => {
  const namespace = "bounds";
  const options = { workflow: report, input: { days: 1 }, interval: { every: "1 hour", offset: "15 minutes" }, overlap: "allow_all" } as const;
  await at("2026-01-01T00:00:00Z", namespace, async (pawl) => {
    await pawl.schedules.create({ ...options, scheduleId: "range", startAt: "2026-01-01T02:15:00Z", endAt: new Date("2026-01-01T03:15:00Z") });
    await pawl.schedules.create({ ...options, scheduleId: "runs", maximumRuns: 2 });
  });
  for (const hour of [1, 2, 3, 4, 5]) await tick(`2026-01-01T0${hour}:30:00Z`, namespace);
  expect(await started(namespace)).toEqual([
    "range:2026-01-01T02:15:00Z",
    "range:2026-01-01T03:15:00Z",
    "runs:2026-01-01T00:15:00Z",
    "runs:2026-01-01T01:15:00Z",
  ]);
  const pawl = await h.open({ namespace });
  const { schedules } = await pawl.schedules.list();
  expect(schedules.map(({ scheduleId, state, nextTimes }) => ({ scheduleId, state, nextTimes }))).toEqual(
    ["range", "runs"].map((scheduleId) => ({ scheduleId, state: "ended", nextTimes: [] })),
  );
});

test("calendars fire where all fields fit, and at dates", async () => {
  const namespace = "calendar";
  await at("2026-01-01T00:00:00Z", namespace, async (pawl) => {
    const common = { workflow: report, input: { days: 1 } } as const;
    const fields = await pawl.schedules.create({
      ...common,
      scheduleId: "fields",
      calendar: { dayOfWeek: ["monday", "friday"], hour: { from: 9, to: 10 }, minute: 30 },
    });
    expect((await fields.describe()).nextTimes.slice(0, 3).map((time) => time.toISOString())).toEqual([
      "2026-01-02T09:30:00.000Z",
      "2026-01-02T10:30:00.000Z",
      "2026-01-05T09:30:00.000Z",
    ]);
    const dates = await pawl.schedules.create({ ...common, scheduleId: "dates", calendar: { dates: ["2026-01-02T00:00:00Z", "2025-01-02T00:00:00Z"] } });
    expect((await dates.describe()).nextTimes).toEqual([new Date("2026-01-02T00:00:00Z")]);
  });
});

test("jitter starts an execution later than its instant, always by the same", async () => {
  const namespace = "jitter";
  await at("2026-01-01T00:00:00Z", namespace, async (pawl) => {
    for (let n = 0; n < 20; n++)
      await pawl.schedules.create({ scheduleId: `s${n}`, workflow: report, input: { days: n }, cron: "0 1 * * *", jitter: "10 minutes" });
  });
  await tick("2026-01-01T01:05:00Z", namespace);
  const half = await started(namespace);
  expect(half.length).toBeGreaterThan(2);
  expect(half.length).toBeLessThan(18);
  await tick("2026-01-01T01:10:00Z", namespace);
  expect(await started(namespace)).toEqual(Array.from({ length: 20 }, (_, n) => `s${n}:2026-01-01T01:00:00Z`).toSorted());
});

test("while paused nothing is started, and what passed meanwhile is not started afterwards", async () => {
  const namespace = "paused";
  await at("2026-01-01T00:30:00Z", namespace, async (pawl) => {
    const handle = await pawl.schedules.create({ scheduleId: "s", workflow: report, input: { days: 1 }, interval: "1 hour" });
    await handle.pause("the source is down");
    expect(await handle.describe()).toMatchObject({ state: "paused", note: "the source is down", nextTimes: [] });
  });
  await tick("2026-01-01T02:30:00Z", namespace);
  await at("2026-01-01T03:30:00Z", namespace, async (pawl) => {
    await pawl.schedules.get("s").resume("it is back");
    expect(await pawl.schedules.get("s").describe()).toMatchObject({ state: "active", note: "it is back", missed: 0 });
  });
  await tick("2026-01-01T04:30:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T04:00:00Z"]);
});

test("what is buffered when it is paused stays until it is resumed, while a trigger and a backfill start", async () => {
  const namespace = "paused-buffered";
  const instants = (...minutes: readonly number[]): string[] => minutes.map((minute) => `s:2026-01-01T00:0${minute}:00Z`);
  await at("2026-01-01T00:00:30Z", namespace, (pawl) =>
    pawl.schedules.create({ scheduleId: "s", workflow: long, interval: "1 minute", overlap: "buffer_all" }),
  );
  for (const minute of [1, 2, 3]) await tick(`2026-01-01T00:0${minute}:10Z`, namespace);
  await at("2026-01-01T00:03:20Z", namespace, async (pawl) => {
    await pawl.schedules.get("s").pause();
    await pawl.handle("s:2026-01-01T00:01:00Z").terminate();
  });
  await tick("2026-01-01T00:06:30Z", namespace);
  expect(await started(namespace)).toEqual(instants(1));
  await at("2026-01-01T00:06:40Z", namespace, async (pawl) => {
    const handle = pawl.schedules.get("s");
    expect(await handle.describe()).toMatchObject({ state: "paused", buffered: [new Date("2026-01-01T00:02:00Z"), new Date("2026-01-01T00:03:00Z")] });
    await (await handle.trigger()).terminate();
    await handle.backfill({ from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z" });
  });
  await tick("2026-01-01T00:06:50Z", namespace);
  expect((await started(namespace)).filter((id) => !id.includes("trigger"))).toEqual(instants(0, 1));
  await at("2026-01-01T00:06:55Z", namespace, async (pawl) => {
    await pawl.handle("s:2026-01-01T00:00:00Z").terminate();
    await pawl.schedules.get("s").resume();
  });
  await tick("2026-01-01T00:06:56Z", namespace);
  expect((await started(namespace)).filter((id) => !id.includes("trigger"))).toEqual(instants(0, 1, 2));
});

test("trigger starts one execution at once, also while paused, beside whatever runs", async () => {
  const namespace = "trigger";
  const pawl = await h.open({ namespace });
  await pawl.worker({ workflows: [report], ...soon });
  const handle = await pawl.schedules.create({ scheduleId: "s", workflow: report, input: { days: 3 }, cron: "0 0 1 1 *" });
  await handle.pause();
  const [one, other] = await Promise.all([handle.trigger(), handle.trigger()]);
  expect(await one.result()).toMatchObject({ days: 3, scheduleId: "s", at: expect.any(Date) as Date });
  expect(await other.result()).toMatchObject({ days: 3 });
  expect(one.executionId).toMatch(/^s:trigger:/);
  expect(one.executionId).not.toBe(other.executionId);
  expect(await handle.describe()).toMatchObject({ runs: 0, state: "paused" });
});

describe("backfill", () => {
  const options = { scheduleId: "s", workflow: report, input: { days: 1 }, interval: "1 hour" } as const;
  const hours = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, n) => `s:2026-01-01T${String(from + n).padStart(2, "0")}:00:00Z`);

  test("starts the instants of a range that have no execution yet, both ends included", async () => {
    const namespace = "backfill";
    await at("2026-01-01T04:30:00Z", namespace, (pawl) => pawl.schedules.create(options));
    await tick("2026-01-01T05:00:00Z", namespace);
    await at("2026-01-01T06:30:00Z", namespace, async (pawl) => {
      await pawl.schedules.get("s").pause();
      await pawl.schedules.get("s").backfill({ from: "2026-01-01T02:00:00Z", to: new Date("2026-01-01T06:00:00Z"), overlap: "allow_all" });
    });
    await tick("2026-01-01T06:31:00Z", namespace);
    expect(await started(namespace)).toEqual(hours(2, 6));
    const pawl = await h.open({ namespace });
    expect(await pawl.schedules.get("s").describe()).toMatchObject({ runs: 1, backfills: [] });
  });

  test("runs one after the other unless told otherwise", async () => {
    const namespace = "backfill-in-order";
    await at("2026-01-01T10:30:00Z", namespace, async (pawl) => {
      const handle = await pawl.schedules.create({ ...options, workflow: long, input: undefined });
      await handle.backfill({ from: "2026-01-01T02:00:00Z", to: "2026-01-01T04:00:00Z" });
    });
    await tick("2026-01-01T10:31:00Z", namespace);
    expect(await started(namespace)).toEqual(hours(2, 2));
    await at("2026-01-01T10:32:00Z", namespace, async (pawl) => pawl.handle(hours(2, 2)[0]!).terminate());
    await tick("2026-01-01T10:33:00Z", namespace);
    expect(await started(namespace)).toEqual(hours(2, 3));
  });

  test("is stopped, whether the schedule is paused or not, and the execution that runs goes on", async () => {
    const namespace = "backfill-stopped";
    await at("2026-01-01T10:30:00Z", namespace, async (pawl) => {
      const handle = await pawl.schedules.create({ ...options, workflow: long, input: undefined });
      await handle.backfill({ from: "2026-01-01T02:00:00Z", to: "2026-01-01T04:00:00Z" });
      await handle.backfill({ from: "2026-01-01T06:00:00Z", to: "2026-01-01T08:00:00Z" });
    });
    await tick("2026-01-01T10:31:00Z", namespace);
    await at("2026-01-01T10:32:00Z", namespace, async (pawl) => {
      const handle = pawl.schedules.get("s");
      await handle.pause();
      expect(await handle.stopBackfills()).toBe(2);
      expect(await handle.stopBackfills()).toBe(0);
      expect(await handle.describe()).toMatchObject({ state: "paused", backfills: [] });
      expect(await pawl.handle(hours(2, 2)[0]!).status()).toMatchObject({ state: "running" });
      await pawl.handle(hours(2, 2)[0]!).terminate();
    });
    await tick("2026-01-01T10:33:00Z", namespace);
    expect(await started(namespace)).toEqual(hours(2, 2));
  });

  test("refuses a range of too many instants, and says how far it may go", async () => {
    await at("2026-01-01T00:00:00Z", "backfill-too-large", async (pawl) => {
      const seconds = await pawl.schedules.create({ ...options, interval: "1s" });
      const range = { from: "1970-01-01T00:00:00Z", to: "2025-12-31T00:00:00Z" } as const;
      const error = await refusalOf(seconds.backfill(range), OptionInvalid);
      expect(error.path).toBe("to");
      expect(error.message).toContain("at most 20000 instants; give several ranges, the first of them to 1970-01-01T05:33:19Z");
      await seconds.backfill({ ...range, to: "1970-01-01T05:33:19Z" });
      await refusalOf(seconds.backfill({ ...range, to: "1970-01-01T05:33:20Z" }), OptionInvalid);
      const hourly = await pawl.schedules.create({ ...options, scheduleId: "hourly", startAt: "2025-12-30T00:00:00Z" });
      await hourly.backfill(range);
      expect((await hourly.describe()).backfills).toHaveLength(1);
    });
  });

  test("refuses a range that is backwards or in the future", async () => {
    const pawl = await h.open({ namespace: "backfill-refused" });
    const handle = await pawl.schedules.create(options);
    const year = new Date().getUTCFullYear();
    const backwards = await refusalOf(handle.backfill({ from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }), OptionInvalid);
    expect(backwards.path).toBe("to");
    expect((await refusalOf(handle.backfill({ from: "2026-01-01T00:00:00Z", to: `${year + 2}-01-01T00:00:00Z` }), OptionInvalid)).message).toContain("future");
    await handle.delete();
  });
});

test("update changes what is given: new times count from now, the rest stays", async () => {
  const namespace = "update";
  await at("2026-01-01T00:30:00Z", namespace, async (pawl) => {
    await pawl.schedules.create({ scheduleId: "s", workflow: report, input: { days: 1 }, cron: "0 * * * *", timeZone: "Europe/Berlin" });
  });
  await at("2026-01-01T01:30:00Z", namespace, async (pawl) => {
    const handle = pawl.schedules.get("s");
    await handle.update({ cron: "45 * * * *", overlap: "allow_all" });
    await handle.update({ input: { days: 2 } });
    expect(await handle.describe()).toMatchObject({
      overlap: "allow_all",
      input: { days: 2 },
      workflow: "report",
      timing: { kind: "cron", patterns: ["45 * * * *"], timeZone: "Europe/Berlin" },
    });
    await refusalOf(handle.update({ workflow: report, input: { days: "many" } }), InputInvalid);
    await refusalOf(handle.update({ interval: "1h", timeZone: "UTC" }), OptionInvalid);
  });
  await tick("2026-01-01T02:00:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T01:45:00Z"]);
});

test("an update without new times loses no instant that is due", async () => {
  const namespace = "update-input";
  await at("2026-01-01T00:30:00Z", namespace, (pawl) => pawl.schedules.create({ scheduleId: "s", workflow: report, input: { days: 1 }, interval: "1 hour" }));
  await at("2026-01-01T01:30:00Z", namespace, (pawl) => pawl.schedules.get("s").update({ input: { days: 2 }, maximumRuns: 5 }));
  await tick("2026-01-01T01:31:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T01:00:00Z"]);
});

test("an update of the times drops what is buffered, and any other update keeps it", async () => {
  const namespace = "update-buffered";
  const options = { scheduleId: "s", workflow: long, interval: "1 minute", overlap: "buffer_all", maximumRuns: 4 } as const;
  await at("2026-01-01T00:00:30Z", namespace, (pawl) => pawl.schedules.create(options));
  for (const minute of [1, 2, 3]) await tick(`2026-01-01T00:0${minute}:10Z`, namespace);
  await at("2026-01-01T00:03:20Z", namespace, async (pawl) => {
    const handle = pawl.schedules.get("s");
    const waiting = { runs: 3, skipped: 0, buffered: [new Date("2026-01-01T00:02:00Z"), new Date("2026-01-01T00:03:00Z")] };
    await handle.update({ jitter: "1s", interval: "1 minute" });
    expect(await handle.describe()).toMatchObject(waiting);
    await pawl.schedules.create({ ...options, ifExists: "update" });
    expect(await handle.describe()).toMatchObject(waiting);
    await handle.update({ interval: "1 hour" });
    expect(await handle.describe()).toMatchObject({
      runs: 1,
      skipped: 2,
      buffered: [],
      nextTimes: [1, 2, 3].map((hour) => new Date(Date.UTC(2026, 0, 1, hour))),
    });
    await pawl.handle("s:2026-01-01T00:01:00Z").terminate();
  });
  await tick("2026-01-01T00:30:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T00:01:00Z"]);
  await tick("2026-01-01T01:00:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T00:01:00Z", "s:2026-01-01T01:00:00Z"]);
});

test("an update of the input keeps the timeout, and one of the workflow takes the timeout of the new one and checks the input", async () => {
  const pawl = await h.open({ namespace: "update-work" });
  const first = defineWorkflow({ name: "work", version: "1", timeout: "1 hour", input: z.object({ days: z.number() }), run: async () => 1 });
  const second = defineWorkflow({ name: "work", version: "2", timeout: "2 hours", input: z.object({ days: z.number() }), run: async () => 2 });
  const third = defineWorkflow({ name: "work", version: "3", input: z.object({ weeks: z.number() }), run: async () => 3 });
  const handle = await pawl.schedules.create({ scheduleId: "s", workflow: first, input: { days: 1 }, cron: "0 0 1 1 *" });
  /** What an execution is started with, in which version. */
  const next = async (): Promise<unknown> => {
    const [beginning] = await (await handle.trigger()).history();
    const { version } = await handle.describe();
    return { version, event: beginning!.event };
  };
  await handle.update({ input: { days: 2 } });
  expect(await next()).toMatchObject({ version: "1", event: { timeoutMs: 3_600_000, input: { value: { days: 2 } } } });
  await handle.update({ workflow: second });
  expect(await next()).toMatchObject({ version: "2", event: { timeoutMs: 7_200_000, input: { value: { days: 2 } } } });
  await refusalOf(handle.update({ workflow: third }), InputInvalid);
  expect(await handle.describe()).toMatchObject({ version: "2", input: { days: 2 } });
  await handle.update({ workflow: third, input: { weeks: 1 } });
  expect(await next()).toMatchObject({ version: "3", event: { input: { value: { weeks: 1 } } } });
  expect(await next()).not.toHaveProperty("event.timeoutMs");
});

test("an update of the input alone is checked where a worker of this process has the schedule's version, and changes nothing else", async () => {
  const [here, elsewhere] = await Promise.all([h.open({ namespace: "update-input-alone" }), h.open({ namespace: "update-input-alone" })]);
  const first = defineWorkflow({ name: "work", version: "1", timeout: "1 hour", input: z.object({ days: z.number() }), run: async () => 1 });
  const second = defineWorkflow({ name: "work", version: "2", input: z.object({ weeks: z.number() }), run: async () => 2 });
  await here.worker({ workflows: [first, second], ...soon });
  const options = { scheduleId: "s", workflow: first, input: { days: 1 }, cron: "0 0 1 1 *", timeout: "5 minutes" } as const;
  const handle = await here.schedules.create(options);
  const error = await refusalOf(handle.update({ input: { weeks: 1 }, overlap: "allow_all" }), InputInvalid);
  expect(error.message).toContain("days");
  expect(await handle.describe()).toMatchObject({ input: { days: 1 }, overlap: "skip" });
  await handle.update({ input: { days: 2 } });
  expect(await handle.describe()).toMatchObject({ version: "1", input: { days: 2 }, timeoutMs: 300_000 });
  // Where the code is not, nothing can be checked.
  await elsewhere.schedules.get("s").update({ input: { weeks: 1 } });
  await handle.update({ overlap: "allow_all" });
  expect(await handle.describe()).toMatchObject({ input: { weeks: 1 }, overlap: "allow_all" });
});

test("a schedule that had come to its end goes on from now when it is given more runs", async () => {
  const namespace = "more-runs";
  const options = { scheduleId: "s", workflow: report, input: { days: 1 }, interval: "1 hour", maximumRuns: 1 } as const;
  await at("2026-01-01T00:30:00Z", namespace, (pawl) => pawl.schedules.create(options));
  for (const hour of [1, 2, 3]) await tick(`2026-01-01T0${hour}:00:00Z`, namespace);
  await at("2026-01-01T03:30:00Z", namespace, (pawl) => pawl.schedules.get("s").update({ maximumRuns: 2 }));
  for (const hour of [4, 5]) await tick(`2026-01-01T0${hour}:00:00Z`, namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T01:00:00Z", "s:2026-01-01T04:00:00Z"]);
});

test("an id that is taken is refused, kept or updated, as asked", async () => {
  const namespace = "taken";
  const pawl = await h.open({ namespace });
  const options = { scheduleId: "s", workflow: report, input: { days: 1 }, cron: "0 0 1 1 *" } as const;
  await pawl.schedules.create(options);
  expect((await refusalOf(pawl.schedules.create(options), ScheduleConflict)).scheduleId).toBe("s");
  await pawl.schedules.create({ ...options, input: { days: 2 }, ifExists: "keep" });
  expect(await pawl.schedules.get("s").describe()).toMatchObject({ input: { days: 1 } });
  await pawl.schedules.get("s").update({ overlap: "allow_all", maximumRuns: 3 });
  await pawl.schedules.create({ ...options, input: { days: 2 }, ifExists: "update" });
  expect(await pawl.schedules.get("s").describe()).toMatchObject({ input: { days: 2 }, overlap: "skip", maximumRuns: null });
});

test("a deleted schedule starts nothing more, its executions go on, and the same instant never starts twice", async () => {
  const namespace = "deleted";
  const options = { scheduleId: "s", workflow: long, interval: "1 hour" } as const;
  await at("2026-01-01T00:30:00Z", namespace, (pawl) => pawl.schedules.create(options));
  await tick("2026-01-01T01:00:00Z", namespace);
  await at("2026-01-01T01:30:00Z", namespace, (pawl) => pawl.schedules.get("s").delete());
  await tick("2026-01-01T02:30:00Z", namespace);
  const pawl = await h.open({ namespace });
  expect(await pawl.handle("s:2026-01-01T01:00:00Z").status()).toMatchObject({ state: "running" });
  const gone = pawl.schedules.get("s");
  for (const ask of [() => gone.describe(), () => gone.delete(), () => gone.trigger()]) await refusalOf(ask(), ScheduleNotFound);
  await at("2026-01-01T02:45:00Z", namespace, async (again) => {
    const handle = await again.schedules.create(options);
    await handle.backfill({ from: "2026-01-01T01:00:00Z", to: "2026-01-01T02:00:00Z", overlap: "allow_all" });
  });
  await tick("2026-01-01T02:46:00Z", namespace);
  expect(await started(namespace)).toEqual(["s:2026-01-01T01:00:00Z", "s:2026-01-01T02:00:00Z"]);
});

test("lists page by page, by id, apart for each namespace", async () => {
  const pawl = await h.open({ namespace: "listed" });
  for (const scheduleId of ["b", "c", "a"]) await pawl.schedules.create({ scheduleId, workflow: report, input: { days: 1 }, cron: "@daily" });
  const first = await pawl.schedules.list({ limit: 2 });
  expect(first.schedules.map(({ scheduleId }) => scheduleId)).toEqual(["a", "b"]);
  const second = await pawl.schedules.list({ limit: 2, cursor: first.nextCursor! });
  expect(second).toMatchObject({ schedules: [{ scheduleId: "c", nextTimes: [expect.any(Date)] }], nextCursor: undefined });
  const other = await h.open({ namespace: "elsewhere" });
  expect((await other.schedules.list()).schedules).toEqual([]);
});

test("two processes that fire at the same time start each instant once", async () => {
  const namespace = "two";
  const { count } = await at("2026-01-01T00:00:30Z", namespace, async (pawl) => {
    const schedules = Array.from({ length: 60 }, (_, n) => `s${n}`);
    await Promise.all(
      schedules.map((scheduleId) => pawl.schedules.create({ scheduleId, workflow: report, input: { days: 1 }, interval: "1 minute", overlap: "allow_all" })),
    );
    return { count: schedules.length };
  });
  await Promise.all([1, 2, 3].map(() => tick("2026-01-01T00:05:30Z", namespace)));
  expect(await started(namespace)).toHaveLength(count * 5);
});

test("a schedule by name takes the version and queue of a live worker's workflow", async () => {
  const pawl = await h.open({ namespace: "by-name" });
  const queued = defineWorkflow({ name: "queued", version: "3", taskQueue: "reports", run: async () => 1 });
  await refusalOf(pawl.schedules.create({ scheduleId: "s", workflow: "queued", cron: "@daily" }), WorkflowUnknown);
  await pawl.worker({ workflows: [queued], ...soon });
  const handle = await pawl.schedules.create({ scheduleId: "s", workflow: "queued", cron: "@daily" });
  expect(await handle.describe()).toMatchObject({ workflow: "queued", version: "3", taskQueue: "reports", input: undefined });
});

describe("what cannot be is refused with the path and the reason", () => {
  const cases: readonly (readonly [says: string, options: object, path: string])[] = [
    ["no times", {}, "schedule"],
    ["two kinds of times", { cron: "@daily", interval: "1h" }, "interval"],
    ["too few fields", { cron: "0 9 *" }, "cron"],
    ["a value out of range", { cron: "61 * * * *" }, "cron"],
    ["a date as a pattern", { cron: "2026-01-01T00:00:00" }, "cron"],
    ["a date that never is", { cron: "0 0 31 2 *" }, "cron"],
    ["an unknown zone", { cron: "@daily", timeZone: "Mars/Olympus" }, "timeZone"],
    ["a zone without meaning", { interval: "1h", timeZone: "UTC" }, "timeZone"],
    ["too short an interval", { interval: 500 }, "interval"],
    ["an unknown field", { calendar: { hours: 3 } }, "calendar.hours"],
    ["a field out of range", { calendar: [{ hour: 24 }] }, "calendar[0].hour"],
    ["a date without a zone", { calendar: { dates: ["2026-01-01T00:00:00"] } }, "calendar.dates[0]"],
    ["an unknown policy", { cron: "@daily", overlap: "sometimes" }, "overlap"],
    ["too short a window", { cron: "@daily", catchUpWindow: "1s" }, "catchUpWindow"],
    ["an end before the start", { cron: "@daily", startAt: "2026-01-02T00:00:00Z", endAt: "2026-01-01T00:00:00Z" }, "endAt"],
    ["no runs at all", { cron: "@daily", maximumRuns: 0 }, "maximumRuns"],
    ["too long an id", { cron: "@daily", scheduleId: "x".repeat(151) }, "scheduleId"],
  ];
  let pawl: Pawl;
  beforeAll(async () => {
    pawl = await h.open({ namespace: "refused" });
  });

  test.each(cases)("%s", async (_says, options, path) => {
    const given = { scheduleId: "s", workflow: report, input: { days: 1 }, ...options } as never;
    const error = await refusalOf(pawl.schedules.create(given), OptionInvalid);
    expect(error.path).toBe(path);
    expect(error.message.length).toBeGreaterThan(path.length + 10);
  });

  test("an input that does not fit", async () => {
    const wrong = { scheduleId: "s", workflow: report, input: { days: "one" }, cron: "@daily" };
    expect((await failureOf(pawl.schedules.create(wrong as never))).name).toBe("InputInvalid");
    expect((await pawl.schedules.list()).schedules).toEqual([]);
  });
});
