import { expect, test } from "vitest";
import type { Runtime } from "../base/runtime.ts";
import { initialState, type ScheduleDefinition } from "../kernel/schedule/definition.ts";
import type { DueSchedules, Fire, StoredSchedule } from "../store/schedules.ts";
import type { Store } from "../store/store.ts";
import { SchedulePoller } from "./schedule-poller.ts";

const minute = 60_000;
const definition: ScheduleDefinition = {
  timing: { kind: "interval", everyMs: minute, offsetMs: 0 },
  overlap: "skip",
  catchUpMs: 3_600_000,
  jitterMs: 0,
  startAt: null,
  endAt: null,
  maximumRuns: null,
};

/** A poller that finds five schedules due, each of which takes so long to compute, and what it does in order. */
function polling(eachMs: number) {
  const done: string[] = [];
  let left = Array.from(
    { length: 5 },
    (_, n) => ({ id: `${n}`, revision: "r", scheduleId: `s${n}`, definition, state: initialState(0), open: [] }) as unknown as StoredSchedule,
  );
  const schedules = {
    due: async (): Promise<DueSchedules> => ({ now: minute, due: left, nextFireAt: undefined, waiting: false }),
    fire: async (fires: readonly Fire[]) => {
      done.push(`fires ${fires.length}`);
      left = left.filter(({ id }) => !fires.some((fire) => fire.id === id));
      return { fired: fires.length, taskQueues: [] };
    },
  };
  let time = 0;
  let onTurn = (): void => {};
  const runtime = {
    monotonicMs: () => (time += eachMs),
    soon: (task: () => void) => {
      done.push("turn");
      onTurn();
      task();
    },
    newUuid: () => "u",
  } as unknown as Runtime;

  const poller = new SchedulePoller({ schedules } as unknown as Store, "n", { error: () => {} } as never, runtime, 1000, () => {});
  return { poller, done, onTurn: (task: () => void) => void (onTurn = task) };
}

test("what takes long to compute is sent in parts, and others get a turn after each", async () => {
  const { poller, done } = polling(30);
  expect(await poller.fireNow()).toBe(5);
  expect(done).toEqual(["fires 2", "turn", "fires 2", "turn", "fires 1"]);
});

test("what takes no time is sent at once", async () => {
  const { poller, done } = polling(0);
  expect(await poller.fireNow()).toBe(5);
  expect(done).toEqual(["fires 5"]);
});

test("it computes nothing more once it is stopped", async () => {
  const { poller, done, onTurn } = polling(30);
  onTurn(() => void poller.stop());
  expect(await poller.fireNow()).toBe(2);
  expect(done).toEqual(["fires 2", "turn"]);
});
