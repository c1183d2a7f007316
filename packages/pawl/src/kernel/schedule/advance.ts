import type { Backfill, OverlapPolicy, ScheduledStart, ScheduleDefinition, ScheduleState } from "./definition.ts";
import { scheduledExecutionId } from "./execution-id.ts";
import type { Timetable } from "./timetable.ts";

/** A schedule as it stands, and what of the world it depends on. */
export interface Situation {
  readonly scheduleId: string;
  readonly definition: ScheduleDefinition;
  readonly timetable: Timetable;
  readonly state: ScheduleState;
  /** Ids of the executions it waits for that have not ended. */
  readonly open: readonly string[];
  /** Milliseconds since 1970, the database's time. */
  readonly now: number;
}

/** What is to be done for a schedule at one time, all of it or nothing. */
export interface Advance {
  readonly starts: readonly ScheduledStart[];
  /** Executions to be asked to stop, or to be stopped, before the rest is done. An advance that was accepted has decided so. */
  readonly cancel: readonly string[];
  readonly terminate: readonly string[];
  readonly state: ScheduleState;
  readonly open: readonly string[];
  readonly wake: Wake;
}

/** When somebody has to look at a schedule again. */
export interface Wake {
  /** Milliseconds since 1970; null: no instant will come by itself. */
  readonly nextFireAt: number | null;
  /** Also as soon as everything in `open` has ended. */
  readonly waiting: boolean;
}

/** Bounds on what one transaction does for one schedule; the rest follows in the next. */
const mostStarts = 100;
const mostInstants = 1000;
const mostBuffered = 1000;
/** Instants of one outage that are counted one by one. */
const mostMissed = 10_000;
const recentStarts = 10;

/**
 * Decides what a schedule does now. Pure, so that any number of processes may ask; the store takes the first answer.
 *
 * A1: instants are dealt with in order, each once: `cursor` passes it.
 * A2: a paused schedule starts its backfills only; what it has buffered stays.
 * A3: under every policy but `allow_all`, an instant is started only when nothing is open, or to take the place of what is
 *     being terminated.
 * A4: nothing is stopped in the advance that decides so, which somebody's change may overtake; only in the next.
 */
export function advance(situation: Situation): Advance {
  const round = new Round(situation);
  const replacing = replaces(situation.definition.overlap);
  if (!situation.state.paused) {
    round.stop();
    // What waits goes first, except where newer instants replace it.
    if (!replacing) round.drain();
    round.pass();
    if (replacing) round.drain();
  }
  round.backfill();
  return round.result();
}

/** When somebody has to look, for a schedule that has just been made or changed. */
export function wakeOf({ definition, timetable, state, now }: Omit<Situation, "open">, open: readonly string[]): Wake {
  if (!state.paused && state.stopping.length > 0 && replaces(definition.overlap)) return { nextFireAt: now, waiting: false };
  // What is buffered stays so while the schedule is paused.
  const waits = (state.buffered.length > 0 && !state.paused) || state.backfills.length > 0;
  if (waits && (open.length === 0 || state.backfills.some(({ overlap }) => overlap === "allow_all"))) return { nextFireAt: now, waiting: false };
  const next = state.paused || isUsedUp(definition, state) ? undefined : timetable.next(state.cursor);
  return { nextFireAt: next === undefined ? null : timetable.fireAt(next), waiting: waits };
}

/** Whether all its runs are started or buffered. One that is buffered may still be replaced, where a newer one does that. */
export function isUsedUp({ maximumRuns, overlap }: ScheduleDefinition, { runs, buffered }: Pick<ScheduleState, "runs" | "buffered">): boolean {
  return maximumRuns !== null && runs - (replaces(overlap) ? buffered.length : 0) >= maximumRuns;
}

/** Whether a newer instant takes the place of an older one. */
function replaces(overlap: OverlapPolicy): boolean {
  return overlap === "cancel_other" || overlap === "terminate_other";
}

class Round {
  readonly #situation: Situation;
  readonly #starts: ScheduledStart[] = [];
  #cancel: readonly string[] = [];
  #terminate: readonly string[] = [];
  #open: readonly string[];
  #buffered: readonly number[];
  #stopping: readonly string[];
  #backfills: readonly Backfill[];
  #cursor: number;
  #runs: number;
  #skipped: number;
  #missed: number;

  constructor(situation: Situation) {
    const { state, open } = situation;
    this.#situation = situation;
    this.#open = open;
    this.#buffered = state.buffered;
    this.#stopping = state.stopping;
    this.#backfills = state.backfills;
    this.#cursor = state.cursor;
    this.#runs = state.runs;
    this.#skipped = state.skipped;
    this.#missed = state.missed;
  }

  /** Has those stopped of whom it is decided. */
  stop(): void {
    const { state, definition } = this.#situation;
    const still = this.#open.filter((executionId) => state.stopping.includes(executionId));
    this.#stopping = [];
    if (definition.overlap === "cancel_other") this.#cancel = still;
    if (definition.overlap !== "terminate_other") return;
    this.#terminate = still;
    this.#open = this.#open.filter((executionId) => !still.includes(executionId));
  }

  /** Starts what is buffered and need not wait any longer. */
  drain(): void {
    const together = this.#situation.definition.overlap === "allow_all";
    const isNext = (): boolean => together || this.#open.length === 0;
    while (this.#buffered.length > 0 && this.#hasRoom && isNext()) {
      const [at, ...rest] = this.#buffered;
      this.#buffered = rest;
      this.#start(at!, "uncounted", together ? "unwatched" : "watched");
    }
  }

  /** Deals with the instants whose time has come. */
  pass(): void {
    const { definition, timetable, now } = this.#situation;
    this.#skipMissed(now - definition.catchUpMs);
    let replacement: number | undefined;
    for (let count = 0; count < mostInstants && this.#hasRoom; count++) {
      if (this.#isUsedUp) break;
      const at = timetable.next(this.#cursor);
      if (at === undefined || timetable.fireAt(at) > now) break;
      this.#cursor = at;
      if (!replaces(definition.overlap)) this.#offer(at);
      else {
        // Of several that are due, those before the last would be stopped as soon as they were started.
        if (replacement !== undefined) this.#skipped++;
        replacement = at;
      }
    }
    if (replacement !== undefined) this.#replaceBy(replacement);
  }

  backfill(): void {
    const { timetable, state } = this.#situation;
    const unfinished: Backfill[] = [];
    for (const backfill of this.#backfills) {
      const together = backfill.overlap === "allow_all";
      let from: number | undefined = backfill.from;
      // One after the other: behind what is buffered, too, unless that has to stay.
      const isNext = (): boolean => together || (this.#open.length === 0 && (state.paused || this.#buffered.length === 0));
      while (this.#hasRoom && isNext()) {
        const at = timetable.next(from - 1);
        if (at === undefined || at > backfill.to) {
          from = undefined;
          break;
        }
        this.#start(at, "uncounted", together ? "unwatched" : "watched");
        from = at + 1;
      }
      if (from !== undefined && from <= backfill.to) unfinished.push({ ...backfill, from });
    }
    this.#backfills = unfinished;
  }

  result(): Advance {
    const { state: before } = this.#situation;
    const newest = this.#starts.toReversed();
    const state: ScheduleState = {
      ...before,
      cursor: this.#cursor,
      buffered: this.#buffered,
      stopping: this.#stopping,
      backfills: this.#backfills,
      runs: this.#runs,
      skipped: this.#skipped,
      missed: this.#missed,
      recent: [...newest, ...before.recent].slice(0, recentStarts),
    };
    const wake = wakeOf({ ...this.#situation, state }, this.#open);
    return { starts: this.#starts, cancel: this.#cancel, terminate: this.#terminate, state, open: this.#open, wake };
  }

  get #isUsedUp(): boolean {
    return isUsedUp(this.#situation.definition, { runs: this.#runs, buffered: this.#buffered });
  }

  get #hasRoom(): boolean {
    return this.#starts.length < mostStarts;
  }

  #skipMissed(oldest: number): void {
    const { definition, timetable } = this.#situation;
    if (this.#isUsedUp) return;
    for (let count = 0; count < mostMissed; count++) {
      const at = timetable.next(this.#cursor);
      if (at === undefined || timetable.fireAt(at) >= oldest) return;
      this.#cursor = at;
      this.#missed++;
    }
    this.#cursor = Math.max(this.#cursor, oldest - definition.jitterMs - 1);
  }

  #offer(at: number): void {
    const { overlap } = this.#situation.definition;
    const waits = this.#buffered.length;
    if (overlap === "allow_all") this.#start(at, "counted", "unwatched");
    else if (this.#open.length === 0 && waits === 0) this.#start(at, "counted", "watched");
    else if ((overlap === "buffer_one" && waits === 0) || (overlap === "buffer_all" && waits < mostBuffered)) this.#buffer(at);
    else this.#skipped++;
  }

  #replaceBy(at: number): void {
    this.#skipped += this.#buffered.length;
    this.#runs -= this.#buffered.length;
    this.#buffered = [];
    if (this.#open.length === 0) return this.#start(at, "counted", "watched");
    this.#stopping = this.#open;
    this.#buffer(at);
  }

  #buffer(at: number): void {
    this.#runs++;
    this.#buffered = [...this.#buffered, at];
  }

  /** @param watch whether the next instant has to know when it ends */
  #start(at: number, count: "counted" | "uncounted", watch: "watched" | "unwatched"): void {
    const executionId = scheduledExecutionId(this.#situation.scheduleId, at);
    this.#starts.push({ executionId, at });
    if (count === "counted") this.#runs++;
    if (watch === "watched") this.#open = [...this.#open, executionId];
  }
}
