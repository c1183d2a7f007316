import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { advance, wakeOf, type Advance } from "./advance.ts";
import { initialState, overlapPolicies, type OverlapPolicy, type ScheduleDefinition, type ScheduleState } from "./definition.ts";
import { Timetable } from "./timetable.ts";

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
const id = (n: number): string => `s:2026-01-01T00:${String(n).padStart(2, "0")}:00Z`;

function schedule(options: Partial<ScheduleDefinition> = {}) {
  const definition: ScheduleDefinition = {
    timing: { kind: "interval", everyMs: minute, offsetMs: 0 },
    overlap: "skip",
    catchUpMs: 86_400_000,
    jitterMs: 0,
    startAt: null,
    endAt: null,
    maximumRuns: null,
    ...options,
  };
  const timetable = new Timetable(definition, "s");
  return (state: ScheduleState, minutes: number, open: readonly string[] = []): Advance =>
    advance({ scheduleId: "s", definition, timetable, state, open, now: start + minutes * minute });
}
const fresh = initialState(start);
const started = ({ starts }: Advance): string[] => starts.map(({ executionId }) => executionId);

describe("overlap policies, with three instants due", () => {
  test.each<readonly [OverlapPolicy, readonly string[], Partial<Advance>, readonly number[], number]>([
    ["skip", [], {}, [], 3],
    ["buffer_one", [], {}, [1], 2],
    ["buffer_all", [], {}, [1, 2, 3], 0],
    ["cancel_other", [], { cancel: [], open: ["open"] }, [3], 2],
    ["terminate_other", [], { terminate: [], open: ["open"] }, [3], 2],
    ["allow_all", [id(1), id(2), id(3)], { open: ["open"] }, [], 0],
  ])("%s, while one is open", (overlap, starts, rest, buffered, skipped) => {
    const result = schedule({ overlap })(fresh, 3, ["open"]);
    expect(started(result)).toEqual(starts);
    expect(result).toMatchObject(rest);
    expect(result.state.buffered).toEqual(buffered.map((n) => start + n * minute));
    expect(result.state.skipped).toBe(skipped);
    const replaces = overlap.endsWith("_other");
    expect(result.state.stopping).toEqual(replaces ? ["open"] : []);
    expect(result.wake).toEqual(
      replaces ? { nextFireAt: start + 3 * minute, waiting: false } : { nextFireAt: start + 4 * minute, waiting: buffered.length > 0 },
    );
  });

  test("cancel_other asks in the advance after the one that decided so, and starts when it has ended", () => {
    const at = schedule({ overlap: "cancel_other" });
    const asked = at(at(fresh, 1, ["open"]).state, 1, ["open"]);
    expect(asked).toMatchObject({ cancel: ["open"], terminate: [], starts: [], state: { stopping: [], buffered: [start + minute] } });
    expect(asked.wake).toEqual({ nextFireAt: start + 2 * minute, waiting: true });
    expect(at(asked.state, 1.5, ["open"])).toMatchObject({ cancel: [], starts: [] });
    expect(started(at(asked.state, 1.5))).toEqual([id(1)]);
  });

  test("terminate_other terminates in the advance after the one that decided so, and starts at once", () => {
    const at = schedule({ overlap: "terminate_other" });
    const decided = at(fresh, 1, ["open"]);
    expect(at(decided.state, 1, ["open"])).toMatchObject({
      terminate: ["open"],
      open: [id(1)],
      starts: [{ executionId: id(1) }],
      state: { stopping: [], runs: 1 },
    });
    // It has ended by itself meanwhile.
    expect(at(decided.state, 1)).toMatchObject({ terminate: [], open: [id(1)], state: { stopping: [] } });
    // A newer instant takes its place.
    expect(at(decided.state, 2, ["open"])).toMatchObject({
      terminate: ["open"],
      starts: [{ executionId: id(2) }],
      state: { runs: 1, skipped: 1, buffered: [] },
    });
  });

  test.each(["cancel_other", "terminate_other"] as const)("%s stops nothing while it is paused, nor under another policy", (overlap) => {
    const { state } = schedule({ overlap })(fresh, 1, ["open"]);
    const paused = schedule({ overlap })({ ...state, paused: true }, 1.5, ["open"]);
    expect(paused).toMatchObject({ cancel: [], terminate: [], starts: [], wake: { nextFireAt: null, waiting: false } });
    expect(paused.state).toEqual({ ...state, paused: true });
    const resumed = schedule({ overlap })({ ...paused.state, paused: false }, 1.5, ["open"]);
    expect([...resumed.cancel, ...resumed.terminate]).toEqual(["open"]);
    const other = schedule({ overlap: "buffer_one" })(state, 1.5, ["open"]);
    expect(other).toMatchObject({ cancel: [], terminate: [], starts: [], state: { stopping: [], buffered: state.buffered }, wake: { waiting: true } });
  });

  test.each<readonly [OverlapPolicy, readonly string[], readonly number[]]>([
    ["skip", [id(1)], []],
    ["buffer_one", [id(1)], [2]],
    ["buffer_all", [id(1)], [2, 3]],
    ["cancel_other", [id(3)], []],
    ["terminate_other", [id(3)], []],
    ["allow_all", [id(1), id(2), id(3)], []],
  ])("%s, while none is open", (overlap, starts, buffered) => {
    const result = schedule({ overlap })(fresh, 3);
    expect(started(result)).toEqual(starts);
    expect(result.state.buffered).toEqual(buffered.map((n) => start + n * minute));
    expect(result.cancel).toEqual([]);
    expect(result.terminate).toEqual([]);
  });

  test("what is buffered starts one by one as the one before it ends", () => {
    const at = schedule({ overlap: "buffer_all" });
    const first = at(fresh, 3);
    const second = at(first.state, 3.5);
    expect(started(second)).toEqual([id(2)]);
    expect(started(at(second.state, 3.5, second.open))).toEqual([]);
    expect(started(at(second.state, 3.5))).toEqual([id(3)]);
  });

  test("a buffered instant goes before one that has just come", () => {
    const at = schedule({ overlap: "buffer_one" });
    const result = at(at(fresh, 2).state, 3);
    expect(started(result)).toEqual([id(2)]);
    expect(result.state.buffered).toEqual([start + 3 * minute]);
  });
});

test("instants older than the catch-up window are counted, not started", () => {
  const result = schedule({ overlap: "allow_all", catchUpMs: 2 * minute })(fresh, 10);
  expect(started(result)).toEqual([id(8), id(9), id(10)]);
  expect(result.state.missed).toBe(7);
});

test("after a very long outage the old instants are passed over in one go", () => {
  const result = schedule({ catchUpMs: minute })(fresh, 1_000_000);
  expect(result.starts).toHaveLength(1);
  expect(result.state.missed).toBe(10_000);
  expect(result.wake.nextFireAt).toBe(start + 1_000_001 * minute);
});

test("one transaction starts at most 100, and the next one goes on at once", () => {
  const at = schedule({ overlap: "allow_all" });
  const first = at(fresh, 150);
  expect(first.starts).toHaveLength(100);
  expect(first.wake.nextFireAt).toBe(start + 101 * minute);
  expect(at(first.state, 150).starts).toHaveLength(50);
});

test("maximumRuns counts what was started or is buffered, and then it fires no more", () => {
  const at = schedule({ overlap: "buffer_all", maximumRuns: 2 });
  const first = at(fresh, 5);
  expect(first.state).toMatchObject({ runs: 2, skipped: 0 });
  const second = at(first.state, 6);
  expect(started(second)).toEqual([id(2)]);
  expect(second.wake).toEqual({ nextFireAt: null, waiting: false });
  expect(schedule({ overlap: "cancel_other", maximumRuns: 2 })(fresh, 5, ["open"]).state.runs).toBe(1);
});

test("while paused only backfills go on", () => {
  const at = schedule();
  const state: ScheduleState = { ...fresh, paused: true, backfills: [{ from: start - 2 * minute, to: start, overlap: "allow_all" }] };
  const result = at(state, 5);
  expect(result.starts.map(({ at: instant }) => instant - start)).toEqual([-2 * minute, -minute, 0]);
  expect(result.wake).toEqual({ nextFireAt: null, waiting: false });
  expect(result.state.cursor).toBe(fresh.cursor);
});

test.each(["buffer_one", "buffer_all", "cancel_other"] as const)("what is buffered when it is paused stays, and starts after the resume: %s", (overlap) => {
  const at = schedule({ overlap });
  const busy = at(fresh, 2, ["open"]);
  expect(busy.state.buffered).toHaveLength(overlap === "buffer_all" ? 2 : 1);
  const paused: ScheduleState = { ...busy.state, paused: true };
  for (const open of [["open"], []]) {
    const result = at(paused, 4.5, open);
    expect(started(result)).toEqual([]);
    expect(result.state).toEqual(paused);
    expect(result.wake).toEqual({ nextFireAt: null, waiting: false });
  }
  const resumed = at({ ...paused, paused: false, cursor: start + 4.5 * minute }, 4.5);
  expect(resumed.starts.map(({ at: instant }) => instant)).toEqual(busy.state.buffered.slice(0, 1));
});

test("a backfill one after the other does not wait for what is buffered while the schedule is paused", () => {
  const at = schedule({ overlap: "buffer_all" });
  const { state } = at(fresh, 2, ["open"]);
  const paused: ScheduleState = { ...state, paused: true, backfills: [{ from: start - minute, to: start, overlap: "buffer_all" }] };
  expect(at(paused, 2, ["open"])).toMatchObject({ starts: [], wake: { waiting: true } });
  const first = at(paused, 2);
  expect(first.starts.map(({ at: instant }) => instant - start)).toEqual([-minute]);
  expect(first.state.buffered).toEqual(state.buffered);
});

test("a backfill one after the other takes the next instant when nothing is open", () => {
  const at = schedule();
  const state: ScheduleState = { ...fresh, backfills: [{ from: start - 2 * minute, to: start, overlap: "buffer_all" }] };
  const first = at(state, 0.5);
  expect(first.starts.map(({ at: instant }) => instant - start)).toEqual([-2 * minute]);
  expect(first.wake.waiting).toBe(true);
  expect(at(first.state, 0.5, first.open).starts).toEqual([]);
  const last = at(at(first.state, 0.5).state, 0.5);
  expect(last.starts.map(({ at: instant }) => instant - start)).toEqual([0]);
  expect(last.state.backfills).toEqual([]);
});

test("a schedule that was just resumed wakes at its next instant", () => {
  const definition = { timing: { kind: "interval", everyMs: minute, offsetMs: 0 }, jitterMs: 0, startAt: null, endAt: null } as const;
  const all = { ...definition, overlap: "skip", catchUpMs: minute, maximumRuns: null } as const;
  const situation = { scheduleId: "s", definition: all, timetable: new Timetable(all, "s"), state: initialState(start + 10), now: start + 10 };
  expect(wakeOf(situation, [])).toEqual({ nextFireAt: start + minute, waiting: false });
});

test("whenever somebody looks, every instant is dealt with once, in order, and under most policies one is open at most", () => {
  const looks = fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.boolean()), { minLength: 1, maxLength: 25 });
  fc.assert(
    fc.property(fc.constantFrom(...overlapPolicies), fc.option(fc.integer({ min: 1, max: 8 })), looks, (overlap, maximumRuns, steps) => {
      const at = schedule({ overlap, maximumRuns, catchUpMs: 3 * minute });
      let state = fresh;
      let open: readonly string[] = [];
      let now = 0;
      const all: number[] = [];
      for (const [tenths, ends] of steps) {
        now += tenths;
        if (ends) open = [];
        const result = at(state, now / 10, open);
        if (overlap !== "allow_all") expect(result.open.length).toBeLessThanOrEqual(1);
        all.push(...result.starts.map((one) => one.at));
        ({ state, open } = result);
        if (maximumRuns !== null) expect(state.runs).toBeLessThanOrEqual(maximumRuns);
        const passed = (state.cursor - start) / minute;
        expect(all.length + state.buffered.length + state.skipped + state.missed).toBe(passed);
        if (state.runs !== maximumRuns) expect(passed).toBe(Math.floor(now / 10));
      }
      expect(all).toEqual([...new Set(all)].toSorted((a, b) => a - b));
    }),
    { numRuns: 1000 },
  );
});
