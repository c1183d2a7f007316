import type { ScheduleDefinition, ScheduleState } from "../kernel/schedule/definition.ts";
import type { DueSchedules, Fire, FireOutcome, NewSchedule, ScheduleChange, ScheduledWork, ScheduleStore, StoredSchedule } from "../store/schedules.ts";
import type { TransactionGateway } from "./gateway.ts";
import { changeSchedule } from "./statements/change-schedule.ts";
import { createSchedule } from "./statements/create-schedule.ts";
import { deleteSchedule } from "./statements/delete-schedule.ts";
import { fireSchedules } from "./statements/fire-schedules.ts";
import { databaseTime, dueSchedules, listSchedules, readSchedule, type ScheduleRow } from "./statements/read-schedules.ts";

/** Schedules on PostgreSQL: hands each verb to its statement and turns rows into the port's types. */
export class PostgresSchedules implements ScheduleStore {
  readonly #gateway: TransactionGateway;

  constructor(gateway: TransactionGateway) {
    this.#gateway = gateway;
  }

  async now(): Promise<number> {
    return (await this.#gateway.run(databaseTime()))[0]!.now;
  }

  async create(schedule: NewSchedule): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(createSchedule(schedule));
    if (rows.length > 0) return true;
    // The reply to an earlier send may have been lost after it had worked.
    return repeated && (await this.read(schedule.namespace, schedule.scheduleId))?.schedule.id === schedule.id;
  }

  async read(namespace: string, scheduleId: string) {
    const [row] = await this.#gateway.run(readSchedule(namespace, scheduleId));
    return row === undefined ? undefined : { schedule: { ...storedSchedule(row), started: row.started }, now: row.now };
  }

  async list(namespace: string, after: string, limit: number) {
    const rows = await this.#gateway.run(listSchedules(namespace, after, limit));
    return rows.map(storedSchedule);
  }

  async change(
    id: string,
    change: ScheduleChange & { readonly definition: ScheduleDefinition | undefined; readonly work: ScheduledWork | undefined },
  ): Promise<boolean> {
    return (await this.#gateway.run(changeSchedule(id, change))).length > 0;
  }

  async delete(namespace: string, scheduleId: string): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(deleteSchedule(namespace, scheduleId));
    // Repeated: an earlier send, whose reply was lost, may have deleted it.
    return rows.length > 0 || repeated;
  }

  async due(namespace: string, limit: number): Promise<DueSchedules> {
    const rows = await this.#gateway.run(dueSchedules(namespace, limit));
    const [first] = rows;
    return {
      now: first!.now,
      due: rows.flatMap((row) => (row.id === null ? [] : [storedSchedule({ ...row, id: row.id })])),
      nextFireAt: first!.later ?? undefined,
      waiting: first!.any_waiting,
    };
  }

  async fire(fires: readonly Fire[]): Promise<FireOutcome> {
    const [row] = await this.#gateway.run(fireSchedules(fires));
    return { fired: row!.fired, taskQueues: row!.task_queues ?? [] };
  }
}

function storedSchedule(row: ScheduleRow): StoredSchedule {
  return {
    id: row.id,
    revision: row.revision,
    scheduleId: row.schedule_id,
    workflow: row.workflow,
    version: row.version,
    taskQueue: row.task_queue,
    row: {
      ...(row.labels === null ? {} : { labels: row.labels }),
      ...(row.attributes === null ? {} : { attributes: row.attributes }),
      ...(row.queue_key === null ? {} : { queueKey: row.queue_key }),
      ...(row.priority === null ? {} : { priority: row.priority }),
    },
    timeoutMs: row.timeout_ms,
    definition: JSON.parse(row.definition) as ScheduleDefinition,
    state: JSON.parse(row.state) as ScheduleState,
    waiting: row.waiting,
    nextFireAt: row.next_fire_at,
    open: row.open,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
