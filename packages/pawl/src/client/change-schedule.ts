import { ScheduleNotFound } from "../base/errors.ts";
import { isUsedUp, wakeOf } from "../kernel/schedule/advance.ts";
import type { ScheduleDefinition, ScheduleState } from "../kernel/schedule/definition.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import type { StartOperation } from "../store/operations.ts";
import type { ScheduledWork, StoredSchedule } from "../store/schedules.ts";
import type { HandleParent } from "./execution-handle.ts";
import type { ScheduleUpdate } from "./schedule-options.ts";

/** What schedules and their handles need of the Pawl they came from. */
export interface ScheduleParent extends HandleParent {
  start(operation: StartOperation): Promise<void>;
  /** What the executions of a schedule shall be; what is not given stays as `before` has it. @throws what `start` throws for an input */
  work(options: ScheduleUpdate, before: ScheduledWork | undefined): Promise<ScheduledWork>;
}

/** What somebody makes of a schedule that he has read; what is not given stays. */
export interface ScheduleMade {
  readonly state: ScheduleState;
  readonly definition?: ScheduleDefinition;
  readonly work?: ScheduledWork;
}

type Found = StoredSchedule & ScheduledWork;

/** @throws ScheduleNotFound, Closed */
export async function findSchedule(parent: ScheduleParent, scheduleId: string): Promise<{ readonly schedule: Found; readonly now: number }> {
  parent.checkOpen();
  const found = await parent.store.schedules.read(parent.namespace, scheduleId);
  if (found === undefined) throw new ScheduleNotFound(scheduleId);
  return found;
}

/** Reads, changes, writes; again if it was fired or changed in between. @throws ScheduleNotFound, Closed */
export async function changeSchedule(
  parent: ScheduleParent,
  scheduleId: string,
  make: (schedule: Found, now: number) => ScheduleMade | Promise<ScheduleMade>,
): Promise<void> {
  for (;;) {
    const { schedule, now } = await findSchedule(parent, scheduleId);
    const made = await make(schedule, now);
    const definition = made.definition ?? schedule.definition;
    const wake = wakeOf({ scheduleId, definition, timetable: new Timetable(definition, scheduleId), state: made.state, now }, schedule.open);
    const change = {
      expected: schedule.revision,
      revision: parent.runtime.newUuid(),
      state: made.state,
      definition: made.definition,
      work: made.work,
      ...wake,
    };
    if (!(await parent.store.schedules.change(schedule.id, change))) continue;
    parent.store.hint({ kind: "schedules", namespace: parent.namespace });
    return;
  }
}

/** Where a schedule stands once it has this definition: other instants than before count from now, and none of those waits. */
export function stateUnder(definition: ScheduleDefinition, before: Pick<StoredSchedule, "definition" | "state">, now: number): ScheduleState {
  const { state } = before;
  const times = ({ timing, startAt, endAt }: ScheduleDefinition): string => JSON.stringify([timing, startAt, endAt]);
  if (times(definition) !== times(before.definition)) {
    const waiting = state.buffered.length;
    return { ...state, cursor: now, buffered: [], stopping: [], runs: state.runs - waiting, skipped: state.skipped + waiting };
  }
  // One that had come to its end begins anew: what passed since then was nobody's.
  return isUsedUp(before.definition, state) ? { ...state, cursor: now } : state;
}
