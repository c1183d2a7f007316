import { isTerminal } from "./execution-rows.ts";
import type { DrawnSchedule } from "./draw-schedules.ts";
import type { Monitor } from "./monitor.ts";
import type { ExecutionRow } from "./snapshot.ts";
import { Violation } from "./violation.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { World } from "./world.ts";

interface ScheduleRow {
  readonly schedule_id: string;
  readonly state: string;
  readonly next_fire_at: number | null;
  readonly waiting: boolean;
}

interface State {
  readonly cursor: number;
  readonly buffered: readonly number[];
  readonly paused: boolean;
  readonly runs: number;
  readonly skipped: number;
  readonly missed: number;
}

const readSql = `SELECT schedule_id, state, (extract(epoch FROM next_fire_at) * 1000)::float8 AS next_fire_at, waiting FROM schedules ORDER BY schedule_id`;
const changesSchedules = /^(create|change|delete|fire)-schedule/;
const changesTheirExecutions = /^(commit|close-execution|request-cancel|resume|claim|take-over)$/;

/** Holds schedules against I13 after every transaction: no instant twice, none lost, none early, none while paused, and the overlap policy. */
export class ScheduleWatch {
  readonly #database: SimDatabase;
  readonly #monitor: Monitor;
  readonly #world: World;
  readonly #drawn: ReadonlyMap<string, DrawnSchedule>;
  /** Since when each one's instants count, as long as all of them do: until it is resumed. */
  readonly #countsFrom = new Map<string, number>();
  readonly #before = new Map<string, State>();
  /** How many executions each one had started by itself. */
  readonly #startedBefore = new Map<string, number>();
  /** Schedules that were acknowledged: they must be there, unless somebody deletes them. */
  readonly made = new Set<string>();
  readonly mayBeDeleted = new Set<string>();
  /** What those started that are gone: one that is made again under the same id knows nothing of it. */
  readonly #ofEarlier = new Map<string, ReadonlySet<string>>();
  /** How many executions those had started whose deletion was acknowledged. */
  readonly #deleted = new Map<string, number>();
  /** Ranges whose backfill was acknowledged, in the database's time. */
  readonly #backfilled = new Map<string, { readonly from: number; readonly to: number }>();
  #rows: readonly ScheduleRow[] = [];

  constructor(database: SimDatabase, monitor: Monitor, world: World, drawn: readonly DrawnSchedule[]) {
    this.#database = database;
    this.#monitor = monitor;
    this.#world = world;
    this.#drawn = new Map(drawn.map((schedule) => [schedule.scheduleId, schedule]));
  }

  async observe(transaction: string): Promise<void> {
    if (changesSchedules.test(transaction)) {
      this.#rows = await this.#database.read<ScheduleRow>(readSql);
      for (const id of this.#before.keys()) if (!this.#isThere(id)) this.#forget(id);
    } else if (!changesTheirExecutions.test(transaction)) return;
    for (const row of this.#rows) this.#check(row);
    for (const [id, count] of this.#deleted)
      // A request to make it that comes late makes it again.
      if (this.#executionsOf(id).length > count && !this.#isThere(id))
        throw new Violation("I13", `schedule ${id} started an execution after it had been deleted`);
  }

  /** Told to whoever deleted what had been made before. */
  deleted(id: string): void {
    if (this.#isThere(id)) throw new Violation("I9", `the deleted schedule ${id} is there`);
    this.#deleted.set(id, this.#executionsOf(id).length);
  }

  #forget(id: string): void {
    this.#before.delete(id);
    this.#countsFrom.delete(id);
    this.#ofEarlier.set(id, new Set(this.#executionsOf(id).map((row) => row.execution_id)));
  }

  #isThere(id: string): boolean {
    return this.#rows.some((row) => row.schedule_id === id);
  }

  backfilled(id: string, range: { readonly from: number; readonly to: number }): void {
    this.#backfilled.set(id, range);
  }

  get isOver(): boolean {
    return this.#rows.every(({ next_fire_at, waiting }) => next_fire_at === null && !waiting);
  }

  get paused(): readonly string[] {
    return this.#rows.filter(({ state }) => (JSON.parse(state) as State).paused).map((row) => row.schedule_id);
  }

  /** In peace every schedule has come to its end, with as many executions as it was to have. */
  checkAtEnd(): void {
    const there = new Set(this.#rows.map((row) => row.schedule_id));
    for (const id of this.made) if (!there.has(id) && !this.mayBeDeleted.has(id)) throw new Violation("I9", `the acknowledged schedule ${id} is lost`);
    for (const [id, range] of this.#backfilled) if (!this.mayBeDeleted.has(id)) this.#checkBackfilled(id, range);
    for (const { schedule_id: id, state } of this.#rows) {
      const { runs, buffered } = JSON.parse(state) as State;
      const wanted = this.#drawn.get(id)!.maximumRuns;
      if (runs !== wanted || buffered.length > 0)
        throw new Violation("I13", `schedule ${id} is over after ${runs} of ${wanted} runs, ${buffered.length} buffered`);
    }
  }

  /** Of an interval that was not changed. */
  #checkBackfilled(id: string, { from, to }: { readonly from: number; readonly to: number }): void {
    const { everyMs, update } = this.#drawn.get(id)!;
    if (update !== undefined) return;
    const started = new Set(this.#executionsOf(id).map((row) => row.execution_id));
    for (let at = Math.ceil(from / everyMs) * everyMs; at <= to; at += everyMs) {
      const name = `${id}:${new Date(at).toISOString()}`;
      if (![name, name.replace(".000Z", "Z")].some((executionId) => started.has(executionId)))
        throw new Violation("I13", `${name} was backfilled, and never started`);
    }
  }

  #check(row: ScheduleRow): void {
    const id = row.schedule_id;
    const drawn = this.#drawn.get(id)!;
    const state = JSON.parse(row.state) as State;
    const before = this.#before.get(id);
    this.#before.set(id, state);
    const executions = this.#executionsOf(id);
    const { backfill, update } = drawn;
    if (backfill === undefined && before?.paused === true && executions.length > (this.#startedBefore.get(id) ?? 0))
      throw new Violation("I13", `schedule ${id} started ${executions.at(-1)!.execution_id} while it was paused`);
    this.#startedBefore.set(id, executions.length);
    const runs = state.runs - state.buffered.length;
    // Set back, the clock comes by the same instant again: it counts twice and starts one execution. Deleted and made again, it counts anew.
    if (backfill === undefined && !this.mayBeDeleted.has(id) && (executions.length > runs || (executions.length < runs && this.#world.steppedBackMs === 0)))
      throw new Violation("I13", `schedule ${id} has ${executions.length} executions, after ${state.runs} runs of which ${state.buffered.length} are buffered`);
    if (before === undefined) this.#countsFrom.set(id, state.cursor);
    else if (before.paused && !state.paused) this.#countsFrom.delete(id);
    if (update === undefined) {
      this.#checkCount(id, drawn, state);
      if (before !== undefined) this.#checkMissed(id, drawn, before, state);
    }
    for (const execution of executions) this.#checkInstant(id, drawn, execution);
    const open = executions.filter((execution) => !isTerminal(execution.state) && this.#ofEarlier.get(id)?.has(execution.execution_id) !== true);
    if (backfill === undefined && drawn.overlap !== "allow_all" && open.length > 1)
      throw new Violation("I13", `schedule ${id} (${drawn.overlap}) has ${open.map(({ execution_id }) => execution_id).join(", ")} open at once`);
  }

  /** Every instant that was passed was started, buffered, skipped or missed. */
  #checkCount(id: string, { everyMs }: DrawnSchedule, { cursor, runs, skipped, missed }: State): void {
    const from = this.#countsFrom.get(id);
    if (from === undefined) return;
    const passed = Math.floor(cursor / everyMs) - Math.floor(from / everyMs);
    if (passed !== runs + skipped + missed)
      throw new Violation("I13", `schedule ${id} passed ${passed} instants, of which ${runs} were started, ${skipped} skipped and ${missed} missed`);
  }

  #checkMissed(id: string, { everyMs, catchUpMs, jitterMs }: DrawnSchedule, before: State, state: State): void {
    if (state.missed === before.missed) return;
    const last = (Math.floor(before.cursor / everyMs) + state.missed - before.missed) * everyMs;
    if (last > this.#world.databaseNow + this.#world.steppedBackMs - catchUpMs + jitterMs)
      throw new Violation("I13", `schedule ${id} missed ${new Date(last).toISOString()}, which was within its catch-up window`);
  }

  #checkInstant(id: string, { everyMs, update }: DrawnSchedule, execution: ExecutionRow): void {
    const started = this.#monitor.histories.get(execution.run_id)?.[0]?.event;
    const link = started?.type === "ExecutionStarted" ? started.schedule : undefined;
    const at = Date.parse(link?.at ?? "");
    if (link?.scheduleId !== id || execution.execution_id !== `${id}:${link.at}`)
      throw new Violation("I13", `${execution.execution_id} was started for ${link?.at} of schedule ${link?.scheduleId}`);
    if (at % everyMs !== 0 && at % (update?.everyMs ?? everyMs) !== 0)
      throw new Violation("I13", `${execution.execution_id} is at no instant of its schedule, which fires every ${everyMs} ms`);
    if (execution.created_at + this.#world.steppedBackMs + 1 < at) throw new Violation("I13", `${execution.execution_id} was started before its time`);
  }

  /** Those that it started by itself, not its triggered ones, nor children. */
  #executionsOf(id: string): readonly ExecutionRow[] {
    return [...this.#monitor.executions.values()].filter(
      (row) => row.parent_run_id === null && row.workflow === "root" && row.execution_id.startsWith(`${id}:`) && !row.execution_id.startsWith(`${id}:trigger:`),
    );
  }
}
