import { initialState, type ScheduleDefinition } from "../../src/kernel/schedule/definition.ts";
import { scheduledExecutionId } from "../../src/kernel/schedule/execution-id.ts";
import { changeSchedule } from "../../src/postgres/statements/change-schedule.ts";
import { createSchedule } from "../../src/postgres/statements/create-schedule.ts";
import { deleteSchedule } from "../../src/postgres/statements/delete-schedule.ts";
import { fireSchedules } from "../../src/postgres/statements/fire-schedules.ts";
import type { Fire } from "../../src/store/schedules.ts";
import type { Fixture } from "./fixtures.ts";
import { start, type Move } from "./moves.ts";
import { namespace, register, runs, schedules, startOf, workers } from "./world.ts";

/** Moves on two schedules that are due at the same instant. */

type Name = "first" | "second";

const definition: ScheduleDefinition = {
  timing: { kind: "interval", everyMs: 60_000, offsetMs: 0 },
  overlap: "allow_all",
  catchUpMs: 86_400_000,
  jitterMs: 0,
  startAt: null,
  endAt: null,
  maximumRuns: null,
};
const created = Date.UTC(2026, 0, 1);
const instant = created + 60_000;
const work = { workflow: "w", version: "1", taskQueue: "q", row: {}, timeoutMs: null, started: '{"input":1}' };

export const scheduled: Fixture = {
  name: "scheduled",
  async build(gateway) {
    for (const worker of Object.values(workers)) await register(gateway, worker);
    for (const name of ["first", "second"] as const) {
      const row = { id: schedules[name], revision: schedules.unfired, namespace, scheduleId: name, definition, state: initialState(created) };
      await gateway.run(createSchedule({ ...row, ...work, nextFireAt: instant, waiting: false }));
    }
  },
};

/** What each process makes of what it has read: its own revisions and run ids. */
const made = {
  one: { revision: schedules.firedByOne, first: runs.other, second: runs.keyed },
  two: { revision: schedules.firedByTwo, first: runs.next, second: runs.next2 },
} as const;

function fireOf(name: Name, by: keyof typeof made): Fire {
  const { revision } = made[by];
  const begun = { executionId: scheduledExecutionId(name, instant), at: instant, scheduleId: name, runId: made[by][name] };
  return {
    id: schedules[name],
    expected: schedules.unfired,
    revision,
    state: { ...initialState(instant), runs: 1 },
    nextFireAt: instant + 60_000,
    waiting: false,
    open: [],
    starts: [begun],
  };
}

/** It skips schedules that another process is firing or changing just now. */
export function fireBy(by: keyof typeof made): Move {
  const firing = (names: readonly Name[], weaker?: readonly Move[]): Move => ({
    name: `fire by ${by}`,
    async run({ gateway }) {
      const [row] = await gateway.run(fireSchedules(names.map((name) => fireOf(name, by))));
      return `${row!.fired} fired, tasks in ${row!.task_queues?.join(", ") ?? "none"}`;
    },
    ...(weaker === undefined ? {} : { weaker }),
  });
  return firing(["first", "second"], [firing(["first"]), firing(["second"]), firing([])]);
}

/** As a pause does it: of what it has read. */
export const pauseFirst: Move = {
  name: "pause the first",
  async run({ gateway }) {
    const change = {
      expected: schedules.unfired,
      revision: schedules.paused,
      state: { ...initialState(created), paused: true },
      nextFireAt: null,
      waiting: false,
    };
    return (await gateway.run(changeSchedule(schedules.first, { ...change, definition: undefined, work: undefined }))).length === 1
      ? "paused"
      : "changed meanwhile";
  },
};

export const deleteFirst: Move = {
  name: "delete the first",
  run: async ({ gateway }) => ((await gateway.run(deleteSchedule(namespace, "first"))).length === 1 ? "deleted" : "not there"),
};

/** The id that the instant's execution of the first schedule has. */
export const scheduledId = scheduledExecutionId("first", instant);

/** A client starts an execution that has the id of the instant's, and another one: in the order of ids, as commits do. */
export const startSameId: Move = start(
  "start the same ids",
  startOf(scheduledExecutionId("second", instant), { runId: runs.child }),
  startOf(scheduledId, { runId: runs.parent }),
);
