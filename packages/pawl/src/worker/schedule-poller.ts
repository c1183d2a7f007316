import { loggerOf, type Logger } from "../base/logger.ts";
import { nextTurn, type Runtime, type Timer } from "../base/runtime.ts";
import { advance, type Advance } from "../kernel/schedule/advance.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import type { DueSchedules, Fire, StoredSchedule } from "../store/schedules.ts";
import type { Store } from "../store/store.ts";

/** Schedules that one transaction advances. */
const batch = 500;
/** While no schedule is near its time, only new and changed ones are looked for, which hints tell of: so many poll intervals. */
const idlePolls = 10;
/** The end of an execution leads to a look so much later: many end together. */
const endedMs = 20;
/** And so many starts at most, so that no transaction takes long. */
const mostStarts = 1000;
/** What took so long to compute is sent, and everything else in this process gets a turn: after an outage one schedule may take a second. */
const computingMs = 50;

/**
 * Looks for schedules that are due and starts their executions. Every worker does this, without a leader: what it makes of a
 * schedule counts only if nobody else has advanced or changed that since, so it does not matter how many look, or how often.
 */
export class SchedulePoller {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #pollMs: number;
  readonly #onStarted: () => void;
  #timer: Timer | undefined;
  #looking: Promise<number> | undefined;
  #askedMeanwhile = false;
  #waiting = false;
  #lookPlanned = false;
  #stopped = false;

  /** @param onStarted told when there are new tasks */
  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime, pollMs: number, onStarted: () => void) {
    this.#store = store;
    this.#namespace = namespace;
    this.#logger = logger;
    this.#runtime = runtime;
    this.#pollMs = pollMs;
    this.#onStarted = onStarted;
  }

  /** Looks now, or right after the look that is under way. */
  wake(): void {
    if (this.#stopped) return;
    this.#askedMeanwhile = true;
    if (this.#looking !== undefined) return;
    this.#timer?.clear();
    void this.#look();
  }

  /** Some executions have ended: instants may wait for them. */
  executionsEnded(): void {
    if (this.#stopped || !this.#waiting || this.#lookPlanned) return;
    this.#lookPlanned = true;
    this.#timer?.clear();
    this.#timer = this.#runtime.startTimer(endedMs, () => this.wake());
  }

  /** Fires all that is due now and gives the number of schedules. */
  async fireNow(): Promise<number> {
    let fired = 0;
    for (;;) {
      const { due, now } = await this.#store.schedules.due(this.#namespace, batch);
      const count = due.length === 0 ? 0 : await this.#fire(due, now);
      fired += count;
      if (count === 0) return fired;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.clear();
    await this.#looking?.catch(() => 0);
  }

  async #look(): Promise<void> {
    this.#askedMeanwhile = false;
    this.#lookPlanned = false;
    let inMs = this.#pollMs;
    try {
      this.#looking = this.#once();
      inMs = await this.#looking;
    } catch (error) {
      if (!this.#stopped) this.#logger.error(`schedules: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#looking = undefined;
    }
    if (this.#stopped) return;
    if (this.#askedMeanwhile) return this.#runtime.soon(() => this.wake());
    this.#timer = this.#runtime.startTimer(inMs, () => this.wake(), { polls: true });
  }

  /** @returns milliseconds until the next look */
  async #once(): Promise<number> {
    const found = await this.#store.schedules.due(this.#namespace, batch);
    this.#waiting = found.waiting;
    if (found.due.length === 0) return this.#pauseAfter(found);
    // None of them: others are at it, or they cannot be read.
    return (await this.#fire(found.due, found.now)) > 0 ? 0 : this.#pollMs;
  }

  #pauseAfter({ now, nextFireAt, waiting }: DueSchedules): number {
    // Spread, so that a fleet started together does not ask together.
    const usual = this.#pollMs * (waiting ? 1 : idlePolls) * (0.75 + this.#runtime.random() / 2);
    return nextFireAt === undefined ? usual : Math.min(usual, Math.max(1, Math.ceil(nextFireAt - now)));
  }

  /** @returns how many were advanced */
  async #fire(due: readonly StoredSchedule[], now: number): Promise<number> {
    let fired = 0;
    let fires: Fire[] = [];
    let starts = 0;
    let since = this.#runtime.monotonicMs();
    for (const schedule of due) {
      if (this.#stopped) break;
      try {
        const fire = await this.#advance(schedule, now);
        if (fire !== undefined) fires.push(fire);
        starts += fire?.starts.length ?? 0;
      } catch (error) {
        // A definition that this process cannot read must not stop the others.
        loggerOf(this.#logger, { scheduleId: schedule.scheduleId }).error(`a schedule cannot go on: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (starts < mostStarts && this.#runtime.monotonicMs() - since < computingMs) continue;
      fired += await this.#send(fires);
      [fires, starts] = [[], 0];
      await nextTurn(this.#runtime);
      since = this.#runtime.monotonicMs();
    }
    return fired + (await this.#send(fires));
  }

  async #send(fires: readonly Fire[]): Promise<number> {
    if (fires.length === 0) return 0;
    const { fired, taskQueues } = await this.#store.schedules.fire(fires);
    for (const taskQueue of taskQueues) this.#store.hint({ kind: "tasks", namespace: this.#namespace, taskQueue });
    if (taskQueues.length > 0) this.#onStarted();
    return fired;
  }

  /**
   * What is to be stopped is stopped first, which an accepted fire has decided: if this process dies in between, the next one does so again.
   *
   * @returns undefined if somebody has changed or advanced it before anything was stopped
   */
  async #advance(schedule: StoredSchedule, now: number): Promise<Fire | undefined> {
    const { id, scheduleId, definition, state, open, revision } = schedule;
    const next: Advance = advance({ scheduleId, definition, timetable: new Timetable(definition, scheduleId), state, open, now });
    // Many may have come before this one since the look, and somebody's change meanwhile: a stop cannot be taken back.
    if (next.cancel.length + next.terminate.length > 0 && !(await this.#isStill(scheduleId, revision))) return undefined;
    const reason = `its schedule ${scheduleId} starts the next execution`;
    for (const executionId of next.cancel) await this.#store.cancel(this.#namespace, executionId, reason);
    for (const executionId of next.terminate) await this.#store.terminate(this.#namespace, executionId, reason);
    return {
      id,
      expected: revision,
      revision: this.#runtime.newUuid(),
      state: next.state,
      open: next.open,
      ...next.wake,
      starts: next.starts.map((start) => ({ ...start, scheduleId, runId: this.#runtime.newUuid() })),
    };
  }

  async #isStill(scheduleId: string, revision: string): Promise<boolean> {
    return (await this.#store.schedules.read(this.#namespace, scheduleId))?.schedule.revision === revision;
  }
}
