import { checkKeys } from "../base/check-keys.ts";
import { OptionInvalid, ScheduleNotFound } from "../base/errors.ts";
import { nextTurn } from "../base/runtime.ts";
import { decodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { backfillOverlaps } from "../kernel/schedule/definition.ts";
import { instantText } from "../kernel/schedule/execution-id.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import { changeSchedule, findSchedule, stateUnder, type ScheduleParent } from "./change-schedule.ts";
import { ExecutionHandle } from "./execution-handle.ts";
import { changeDefinition, copySchedule } from "./parse-schedule.ts";
import { pointInTime } from "./parse-timing.ts";
import { scheduleInfo, type ScheduleInfo } from "./schedule-info.ts";
import { backfillKeys, updateKeys, workKeys, type BackfillOptions, type ScheduleUpdate } from "./schedule-options.ts";

/** `describe()`: with the input of its executions. */
export interface ScheduleDescription extends ScheduleInfo {
  readonly input: unknown;
}

const describedTimes = 10;
const mostBackfills = 100;
/** Of one backfill. */
const mostInstants = 20_000;
const instantsOfOneTurn = 100;
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
    const { schedule } = await findSchedule(this.#parent, this.scheduleId);
    const started = decodeEvent("ExecutionStarted", schedule.started) as ExecutionStarted;
    return { ...scheduleInfo(schedule, describedTimes), input: readPayload(started.input) };
  }

  /**
   * Changes what is given; executions that were started go on as they are. When the times change, the new ones count from
   * now, and instants of the old ones that were not started yet are dropped: those that were buffered count as skipped.
   * Backfills that are not done go on with the new times.
   *
   * @throws ScheduleNotFound, OptionInvalid, InputInvalid, WorkflowUnknown, ValueNotSerializable, ValueTooLarge, ValueTooDeep
   */
  async update(update: ScheduleUpdate): Promise<void> {
    checkKeys(update, updateKeys, "schedule.update");
    const changesWork = Object.keys(workKeys).some((name) => update[name as keyof typeof workKeys] !== undefined);
    const given = copySchedule(update);
    await changeSchedule(this.#parent, this.scheduleId, async (schedule, now) => {
      const definition = changeDefinition(schedule.definition, given);
      return { state: stateUnder(definition, schedule, now), definition, ...(changesWork ? { work: await this.#parent.work(given, schedule) } : {}) };
    });
  }

  /** Starts nothing more until it is resumed, what is buffered included, backfills and triggers apart. @throws ScheduleNotFound */
  async pause(note?: string): Promise<void> {
    const checked = checkNote(note);
    await changeSchedule(this.#parent, this.scheduleId, ({ state }) => ({ state: { ...state, paused: true, note: checked } }));
  }

  /** Goes on with what is buffered and the next instant from now: those that passed while it was paused are not started. @throws ScheduleNotFound */
  async resume(note?: string): Promise<void> {
    const checked = checkNote(note);
    await changeSchedule(this.#parent, this.scheduleId, ({ state }, now) => ({
      state: { ...state, paused: false, note: checked, cursor: state.paused ? now : state.cursor },
    }));
  }

  /** Starts one execution now, whatever else runs, also while paused, and gives its handle. It does not count for the overlap policy. @throws ScheduleNotFound */
  async trigger(): Promise<ExecutionHandle> {
    const { schedule, now } = await findSchedule(this.#parent, this.scheduleId);
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
      ...schedule.row,
      started: `{"schedule":${link},${schedule.started.slice(1)}`,
    });
    return new ExecutionHandle(this.#parent, executionId, runId, undefined);
  }

  /**
   * Starts an execution for every instant of a range that has none yet, also while paused. The range is recorded when this
   * returns, and workers go through it, until `stopBackfills`. It holds at most 20,000 instants.
   *
   * @throws ScheduleNotFound, OptionInvalid
   */
  async backfill(options: BackfillOptions): Promise<void> {
    checkKeys(options, backfillKeys, "schedule.backfill");
    const [from, to] = [pointInTime(options.from, "from"), pointInTime(options.to, "to")];
    const overlap = options.overlap ?? "buffer_all";
    if (!backfillOverlaps.includes(overlap)) throw new OptionInvalid("overlap", `"${overlap}" is none of ${backfillOverlaps.join(", ")}.`);
    if (to < from) throw new OptionInvalid("to", "is before from.");
    let checked = "";
    await changeSchedule(this.#parent, this.scheduleId, async ({ state, definition }, now) => {
      if (to > now) throw new OptionInvalid("to", `is in the future; the database's time is ${instantText(Math.floor(now))}.`);
      if (state.backfills.length >= mostBackfills)
        throw new OptionInvalid("backfill", `${mostBackfills} ranges wait for this schedule already; wait until some of them are done.`);
      // Counting takes long enough to be overtaken by the schedule's next instant, again and again.
      const text = JSON.stringify(definition);
      if (checked !== text) await this.#checkRange(new Timetable(definition, this.scheduleId), from, to);
      checked = text;
      return { state: { ...state, backfills: [...state.backfills, { from, to, overlap }] } };
    });
  }

  /**
   * Starts nothing more of its backfills, of none of the ranges; executions that were started go on. Gives the number of ranges
   * that were not done. @throws ScheduleNotFound
   */
  async stopBackfills(): Promise<number> {
    let stopped = 0;
    await changeSchedule(this.#parent, this.scheduleId, ({ state }) => {
      stopped = state.backfills.length;
      return { state: { ...state, backfills: [] } };
    });
    return stopped;
  }

  /** Deletes the schedule with what it has buffered; its executions go on. @throws ScheduleNotFound */
  async delete(): Promise<void> {
    this.#parent.checkOpen();
    if (!(await this.#parent.store.schedules.delete(this.#parent.namespace, this.scheduleId))) throw new ScheduleNotFound(this.scheduleId);
  }

  /** @throws OptionInvalid if there are too many instants in it */
  async #checkRange(timetable: Timetable, from: number, to: number): Promise<void> {
    let last = from - 1;
    for (let count = 0; count <= mostInstants; count++) {
      // Those of a cron pattern take a while.
      if (count % instantsOfOneTurn === 0) await nextTurn(this.#parent.runtime);
      const at = timetable.next(last);
      if (at === undefined || at > to) return;
      if (count < mostInstants) last = at;
    }
    throw new OptionInvalid(
      "to",
      `is too late: a backfill has at most ${mostInstants} instants; give several ranges, the first of them to ${instantText(last)}.`,
    );
  }
}

function checkNote(note: unknown): string | null {
  if (note === undefined) return null;
  if (typeof note !== "string" || note.length > longestNote) throw new OptionInvalid("note", `must be a string of at most ${longestNote} characters`);
  if (note.includes("\0")) throw new OptionInvalid("note", "must not contain a NUL character");
  return note;
}
