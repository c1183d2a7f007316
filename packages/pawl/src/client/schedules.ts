import { checkKeys } from "../base/check-keys.ts";
import { OptionInvalid, ScheduleConflict } from "../base/errors.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { wakeOf } from "../kernel/schedule/advance.ts";
import { initialState } from "../kernel/schedule/definition.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import { changeSchedule, stateUnder, type ScheduleParent } from "./change-schedule.ts";
import { checkScheduleId, copySchedule, parseDefinition } from "./parse-schedule.ts";
import { ScheduleHandle } from "./schedule-handle.ts";
import { scheduleInfo, type ScheduleInfo } from "./schedule-info.ts";
import { createKeys, scheduleListKeys, type ScheduledInput, type ScheduleListOptions, type ScheduleOptions } from "./schedule-options.ts";

export interface SchedulePage {
  /** By id. */
  readonly schedules: readonly ScheduleInfo[];
  /** Undefined on the last page. */
  readonly nextCursor: string | undefined;
}

const mostRows = 1000;

/** Makes and finds schedules: `pawl.schedules`. */
export class Schedules {
  readonly #parent: ScheduleParent;

  constructor(parent: ScheduleParent) {
    this.#parent = parent;
  }

  /**
   * Makes a schedule; its instants count from now. Any process with a worker starts its executions.
   *
   * @param options the workflow is its definition, or the name of one that a live worker has; its version is kept
   * @throws ScheduleConflict if the id is taken, unless `ifExists` says what to do then
   * @throws OptionInvalid, InputInvalid, WorkflowUnknown, ValueNotSerializable, ValueTooLarge, ValueTooDeep
   * @example
   * await pawl.schedules.create({ scheduleId: "nightly", workflow: report, input: { days: 1 }, cron: "0 2 * * *", timeZone: "Europe/Berlin" });
   */
  create(options: ScheduleOptions & { readonly workflow: string; readonly input?: unknown }): Promise<ScheduleHandle>;
  create<W extends AnyWorkflow>(options: ScheduleOptions & { readonly workflow: W } & NoInfer<ScheduledInput<W>>): Promise<ScheduleHandle>;
  async create(options: ScheduleOptions & { readonly workflow: AnyWorkflow | string; readonly input?: unknown }): Promise<ScheduleHandle> {
    this.#parent.checkOpen();
    checkKeys(options, createKeys, "schedules.create");
    const scheduleId = checkScheduleId(options.scheduleId);
    const ifExists = options.ifExists ?? "fail";
    if (!["fail", "keep", "update"].includes(ifExists)) throw new OptionInvalid("ifExists", `"${ifExists}" is none of fail, keep, update`);
    const definition = parseDefinition(options);
    const work = await this.#parent.work(copySchedule(options), undefined);
    const { namespace, store, runtime } = this.#parent;
    const now = await store.schedules.now();
    const state = initialState(now);
    const wake = wakeOf({ scheduleId, definition, timetable: new Timetable(definition, scheduleId), state, now }, []);
    const schedule = { id: runtime.newUuid(), revision: runtime.newUuid(), namespace, scheduleId, definition, state, ...work, ...wake };
    const handle = new ScheduleHandle(this.#parent, scheduleId);
    if (await store.schedules.create(schedule)) store.hint({ kind: "schedules", namespace });
    else if (ifExists === "update")
      await changeSchedule(this.#parent, scheduleId, (before, at) => ({ state: stateUnder(definition, before, at), definition, work }));
    else if (ifExists === "fail") throw new ScheduleConflict(scheduleId);
    return handle;
  }

  /** A handle to a schedule that exists or will. @throws OptionInvalid */
  get(scheduleId: string): ScheduleHandle {
    return new ScheduleHandle(this.#parent, checkScheduleId(scheduleId));
  }

  /** Schedules by id, page by page. @throws OptionInvalid */
  async list(options: ScheduleListOptions = {}): Promise<SchedulePage> {
    this.#parent.checkOpen();
    checkKeys(options, scheduleListKeys, "schedules.list");
    const limit = options.limit ?? 50;
    if (!Number.isInteger(limit) || limit < 1 || limit > mostRows)
      throw new OptionInvalid("limit", `must be a whole number from 1 to ${mostRows}, not ${String(limit)}`);
    const after = options.cursor === undefined ? "" : checkScheduleId(options.cursor);
    const rows = await this.#parent.store.schedules.list(this.#parent.namespace, after, limit + 1);
    const schedules = rows.slice(0, limit).map((schedule) => scheduleInfo(schedule, 1));
    return { schedules, nextCursor: rows.length > limit ? schedules.at(-1)?.scheduleId : undefined };
  }
}
