import { OptionInvalid, ScheduleNotFound } from "../base/errors.ts";
import { decodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { wakeOf } from "../kernel/schedule/advance.ts";
import { backfillOverlaps, type ScheduleDefinition, type ScheduleState } from "../kernel/schedule/definition.ts";
import { instantText } from "../kernel/schedule/execution-id.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import type { ScheduledWork, StoredSchedule } from "../store/schedules.ts";
import type { StartOperation } from "../store/operations.ts";
import { ExecutionHandle, type HandleParent } from "./execution-handle.ts";
import { changeDefinition, changesTimes } from "./parse-schedule.ts";
import { pointInTime } from "./parse-timing.ts";
import { scheduleInfo, type ScheduleInfo } from "./schedule-info.ts";
import type { BackfillOptions, ScheduleUpdate } from "./schedule-options.ts";

/** What a schedule's handle needs of the Pawl it came from. */
export interface ScheduleParent extends HandleParent {
  start(operation: StartOperation): Promise<void>;
  /** What the executions of a schedule shall be; what is not given stays as `before` has it. @throws what `start` throws for an input */
  work(options: ScheduleUpdate, before: ScheduledWork | undefined): Promise<ScheduledWork>;
}

/** `describe()`: with the input of its executions. */
export interface ScheduleDescription extends ScheduleInfo {
  readonly input: unknown;
}

interface Changed {
  readonly state: ScheduleState;
  readonly definition?: ScheduleDefinition;
  readonly work?: ScheduledWork;
}

const describedTimes = 10;
const mostBackfills = 100;
const longestNote = 2000;

/** A reference to one schedule, by id. Holding one costs nothing and needs no connection. */
export class ScheduleHandle {
  readonly scheduleId: string;
  readonly #parent: ScheduleParent;

  constructor(parent: ScheduleParent, scheduleId: string) {
    this.#parent = parent;
    this.scheduleId = scheduleId;
  }

  /** How it is defined, where it stands, its next times and latest executions. @throws ScheduleNotFound */
  async describe(): Promise<ScheduleDescription> {
    const { schedule } = await this.#read();
    const started = decodeEvent("ExecutionStarted", schedule.started) as ExecutionStarted;
    return { ...scheduleInfo(schedule, describedTimes), input: readPayload(started.input) };
  }

  /**
   * Changes what is given; executions that were started go on as they are. When the times change, the new ones count from
   * now, and instants of the old ones that were not started yet are dropped.
   *
   * @throws ScheduleNotFound, OptionInvalid, InputInvalid, WorkflowUnknown, ValueNotSerializable, ValueTooLarge, ValueTooDeep
   */
  async update(update: ScheduleUpdate): Promise<void> {
    const changesWork = (["workflow", "input", "taskQueue", "version"] as const).some((name) => update[name] !== undefined);
    await this.#change(async (schedule, now) => {
      const definition = changeDefinition(schedule.definition, update);
      const state = changesTimes(schedule.definition, definition) ? { ...schedule.state, cursor: now } : schedule.state;
      return { state, definition, ...(changesWork ? { work: await this.#parent.work(update, schedule) } : {}) };
    });
  }

  /** Starts nothing more until it is resumed, backfills and triggers apart. @throws ScheduleNotFound */
  async pause(note?: string): Promise<void> {
    const checked = checkNote(note);
    await this.#change(({ state }) => ({ state: { ...state, paused: true, note: checked } }));
  }

  /** Goes on with the next instant from now: those that passed while it was paused are not started. @throws ScheduleNotFound */
  async resume(note?: string): Promise<void> {
    const checked = checkNote(note);
    await this.#change(({ state }, now) => ({ state: { ...state, paused: false, note: checked, cursor: state.paused ? now : state.cursor } }));
  }

  /** Starts one execution now, whatever else runs, also while paused, and gives its handle. It does not count for the overlap policy. @throws ScheduleNotFound */
  async trigger(): Promise<ExecutionHandle> {
    const { schedule, now } = await this.#read();
    const runId = this.#parent.runtime.newUuid();
    const executionId = `${this.scheduleId}:trigger:${runId}`;
    const link = JSON.stringify({ scheduleId: this.scheduleId, at: instantText(Math.floor(now)), triggered: true });
    await this.#parent.start({
      runId,
      namespace: this.#parent.namespace,
      executionId,
      workflow: schedule.workflow,
      version: schedule.version,
      taskQueue: schedule.taskQueue,
      idempotencyKey: null,
      parentRunId: null,
      parentPosition: null,
      delayMs: 0,
      claimBy: null,
      started: `{"schedule":${link},${schedule.started.slice(1)}`,
    });
    return new ExecutionHandle(this.#parent, executionId, runId);
  }

  /**
   * Starts an execution for every instant of a range that has none yet, also while paused. The range is recorded when this
   * returns, and workers go through it. @throws ScheduleNotFound, OptionInvalid
   */
  async backfill(options: BackfillOptions): Promise<void> {
    const [from, to] = [pointInTime(options.from, "from"), pointInTime(options.to, "to")];
    const overlap = options.overlap ?? "buffer_all";
    if (!backfillOverlaps.includes(overlap)) throw new OptionInvalid("overlap", `"${overlap}" is none of ${backfillOverlaps.join(", ")}.`);
    if (to < from) throw new OptionInvalid("to", "is before from.");
    await this.#change(({ state }, now) => {
      if (to > now) throw new OptionInvalid("to", `is in the future; the database's time is ${instantText(Math.floor(now))}.`);
      if (state.backfills.length >= mostBackfills)
        throw new OptionInvalid("backfill", `${mostBackfills} ranges wait for this schedule already; wait until some of them are done.`);
      return { state: { ...state, backfills: [...state.backfills, { from, to, overlap }] } };
    });
  }

  /** Deletes the schedule with what it has buffered; its executions go on. @throws ScheduleNotFound */
  async delete(): Promise<void> {
    this.#parent.checkOpen();
    if (!(await this.#parent.store.schedules.delete(this.#parent.namespace, this.scheduleId))) throw new ScheduleNotFound(this.scheduleId);
  }

  async #read(): Promise<{ readonly schedule: StoredSchedule & ScheduledWork; readonly now: number }> {
    this.#parent.checkOpen();
    const found = await this.#parent.store.schedules.read(this.#parent.namespace, this.scheduleId);
    if (found === undefined) throw new ScheduleNotFound(this.scheduleId);
    return found;
  }

  /** Reads, changes, writes; again if it was fired or changed in between. */
  async #change(make: (schedule: StoredSchedule & ScheduledWork, now: number) => Changed | Promise<Changed>): Promise<void> {
    for (;;) {
      const { schedule, now } = await this.#read();
      const { state, definition, work } = await make(schedule, now);
      const merged = { ...schedule, state, definition: definition ?? schedule.definition };
      const wake = wakeOf({ ...merged, timetable: new Timetable(merged.definition, this.scheduleId), now }, schedule.open);
      const change = { expected: schedule.revision, revision: this.#parent.runtime.newUuid(), state, definition, work, ...wake };
      if (!(await this.#parent.store.schedules.change(schedule.id, change))) continue;
      this.#parent.store.hint({ kind: "schedules", namespace: this.#parent.namespace });
      return;
    }
  }
}

function checkNote(note: unknown): string | null {
  if (note === undefined) return null;
  if (typeof note !== "string" || note.length > longestNote) throw new OptionInvalid("note", `must be a string of at most ${longestNote} characters`);
  if (note.includes("\0")) throw new OptionInvalid("note", "must not contain a NUL character");
  return note;
}
