import { isCounted } from "./execution-rows.ts";
import type { Monitor } from "./monitor.ts";
import type { Chance } from "./random.ts";
import type { ExecutionRow } from "./snapshot.ts";
import { mergedWorkflows } from "./workflows.ts";

/** What may be done to an execution just after something has happened to it. */
export type AmbushKind = "cancel" | "cancel and resume" | "terminate" | "pause" | "rollback" | "signal" | "update";

/** Somebody does that to an execution, so many milliseconds after what set it off. */
export interface Ambush {
  readonly afterMs: number;
  readonly by: AmbushKind;
  readonly executionId: string;
  /** Which checkpoint, in [0, 1). */
  readonly checkpoint: number;
  /** So many milliseconds after it, what was paused or cancelled is resumed. */
  readonly resumeAfter: number;
  readonly id: string;
}

const kinds = ["cancel", "cancel and resume", "terminate", "pause", "rollback", "signal"] as const;

/**
 * Draws what is done to an execution in the very moments that matter: just after a child of it has appeared, it was claimed, which
 * is when it starts, waits and parks, it goes on in another run, starts are being merged into it, it writes in transactions, or its owner
 * let go of it before it read a request to pause. What is done at any time meets such a moment once in some hundred simulations.
 */
export class Ambushes {
  readonly #chance: Chance;
  readonly #monitor: Monitor;
  readonly #childRate: number;
  readonly #claimRate: number;
  readonly #nextRunRate: number;
  readonly #mergeRate: number;
  readonly #transactionRate: number;
  readonly #kinds: readonly AmbushKind[];
  /** Of its own, so that simulations of before go on as they were. */
  readonly #again: Chance;
  readonly #seen = new Set<string>();
  readonly #claimed = new Map<string, number>();
  readonly #written = new Map<string, number>();
  readonly #freed = new Map<string, number>();
  #count = 0;

  constructor(chance: Chance, monitor: Monitor) {
    this.#chance = chance;
    this.#monitor = monitor;
    const isOn = chance.hits(0.4);
    this.#childRate = isOn ? chance.pick([0, 0.1, 0.4]) : 0;
    this.#claimRate = isOn ? chance.pick([0, 0.03, 0.15]) : 0;
    this.#nextRunRate = chance.pick([0, 0.5, 0.9]);
    this.#mergeRate = chance.pick([0, 0, 0.5]);
    this.#transactionRate = chance.pick([0, 0.1, 0.3]);
    this.#kinds = chance.hits(0.5) ? kinds : [chance.pick(kinds)];
    this.#again = chance.fork("again");
  }

  /** After every transaction. */
  next(): readonly Ambush[] {
    const ambushes: Ambush[] = [];
    for (const row of this.#monitor.executions.values()) {
      const isNew = !this.#seen.has(row.run_id);
      this.#seen.add(row.run_id);
      if (isNew && gathers(row.workflow) && this.#chance.hits(this.#mergeRate)) ambushes.push({ ...this.#draw(row.execution_id, 300), by: "pause" });
      if (isCounted(row.execution_id)) continue;
      if (isNew && row.run_number > 1 && this.#chance.hits(this.#nextRunRate))
        ambushes.push({ ...this.#draw(row.execution_id, 60), by: this.#chance.pick(["signal", "update"]) });
      if (this.#wasFreedUnheard(row) && this.#again.hits(0.5)) {
        const [afterMs, resumeAfter] = [this.#again.whole(0, 30), this.#again.whole(0, 2000)];
        ambushes.push({ afterMs, by: "pause", executionId: row.execution_id, checkpoint: 0, resumeAfter, id: `again ${row.run_id} ${row.epoch}` });
      }
      if (this.#hasJustWritten(row) && this.#chance.hits(this.#transactionRate)) ambushes.push({ ...this.#draw(row.execution_id, 400), by: "terminate" });
      const parent = isNew ? this.#parentOf(row) : undefined;
      if (parent !== undefined && this.#chance.hits(this.#childRate)) {
        const isFeud = this.#chance.hits(0.3);
        ambushes.push(...(isFeud ? this.#drawFeud(row.execution_id, parent) : this.#drawSome([row.execution_id, parent], 30)));
      }
      if (this.#isNewlyClaimed(row) && this.#chance.hits(this.#claimRate)) ambushes.push(...this.#drawSome([row.execution_id], 1200));
    }
    return ambushes;
  }

  /** A child is held while something happens to its parent. */
  #drawFeud(child: string, parent: string): readonly Ambush[] {
    const resumeAfter = this.#chance.whole(1000, 4000);
    return [
      { ...this.#draw(child, 100), by: "pause", resumeAfter },
      {
        ...this.#draw(parent, 0),
        by: this.#chance.pick(["cancel", "cancel", "cancel and resume", "terminate", "rollback"]),
        afterMs: this.#chance.whole(50, 1000),
      },
    ];
  }

  /** Often several, which meet each other. */
  #drawSome(executionIds: readonly string[], longestMs: number): readonly Ambush[] {
    return Array.from({ length: this.#chance.pick([1, 1, 2, 3, 6]) }, () => this.#draw(this.#chance.pick(executionIds), longestMs));
  }

  #draw(executionId: string, longestMs: number): Ambush {
    return {
      afterMs: this.#chance.whole(0, this.#chance.pick([3, 30, longestMs])),
      by: this.#chance.pick(this.#kinds),
      executionId,
      checkpoint: this.#chance.next(),
      resumeAfter: this.#chance.whole(0, this.#chance.pick([20, 300, 2000])),
      id: `a${this.#count++}`,
    };
  }

  /** Its id, if it has one. */
  #parentOf({ parent_run_id: parentRunId }: ExecutionRow): string | undefined {
    return parentRunId === null ? undefined : this.#monitor.executions.get(parentRunId)?.execution_id;
  }

  /** Whether the last thing it did was a transaction: another may follow at once. */
  #hasJustWritten({ run_id: runId, last_seq: lastSeq }: ExecutionRow): boolean {
    const last = this.#monitor.histories.get(runId)?.at(-1)?.event;
    if (last?.type !== "StepCompleted" || last.name !== "transact" || this.#written.get(runId) === lastSeq) return false;
    this.#written.set(runId, lastSeq);
    return true;
  }

  /** Nobody owns it, and whoever did was asked to pause it. */
  #wasFreedUnheard({ run_id: runId, epoch, state, worker_id: workerId, messages }: ExecutionRow): boolean {
    if (workerId !== null || state !== "running" || this.#freed.get(runId) === epoch) return false;
    this.#freed.set(runId, epoch);
    return messages?.includes("PauseRequested") === true;
  }

  #isNewlyClaimed({ run_id: runId, epoch, worker_id: workerId }: ExecutionRow): boolean {
    if (workerId === null || this.#claimed.get(runId) === epoch) return false;
    this.#claimed.set(runId, epoch);
    return true;
  }
}

function gathers(workflow: string): boolean {
  return (mergedWorkflows as readonly string[]).includes(workflow);
}
