import type { BulkFailure, BulkProgress, Event } from "pawl";
import { readPayload } from "pawl/internal";
import type { DrawnBulk } from "./draw-bulks.ts";
import { isCounted, isTerminal } from "./execution-rows.ts";
import type { Monitor } from "./monitor.ts";
import type { ExecutionRow } from "./snapshot.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** I9: bulk operations come to every execution that they are about, and do to it what they say. */
export class BulkWatch {
  readonly #monitor: Monitor;
  readonly #world: World;
  readonly #bulks: readonly DrawnBulk[];
  /** The run that each execution had when a bulk operation was asked for first, by its id. */
  readonly #runsBefore = new Map<DrawnBulk, ReadonlyMap<string, string>>();

  constructor(monitor: Monitor, world: World, bulks: readonly DrawnBulk[]) {
    this.#monitor = monitor;
    this.#world = world;
    this.#bulks = bulks;
  }

  /** To be called before it is asked for. Asked for again, it is what it was. */
  asked(bulk: DrawnBulk): void {
    if (this.#runsBefore.has(bulk)) return;
    const rows = this.#rowsOf(bulk.prefix).filter((row) => !isTerminal(row.state));
    this.#runsBefore.set(bulk, new Map(rows.map((row) => [row.execution_id, row.run_id])));
  }

  /** Its result was told: whoever was there before and is in the same run has had it done. */
  completed(bulk: DrawnBulk): void {
    // What was created before the clock was set back looks as if it came later.
    if (this.#world.steppedBackMs > 0) return;
    for (const [executionId, runId] of this.#runsBefore.get(bulk)!) {
      const row = this.#monitor.row(executionId);
      if (row?.run_id !== runId || isTerminal(row.state) || this.#wasDone(row, bulk)) continue;
      throw new Violation("I9", `${bulk.bulkId} is done, and passed by ${executionId} (${row.state}): ${bulk.operation}`);
    }
  }

  #wasDone({ execution_id: executionId, run_id: runId, messages }: ExecutionRow, { bulkId, operation, checkpoint }: DrawnBulk): boolean {
    const history = this.#monitor.histories.get(runId) ?? [];
    const events = history.map(({ event }) => event);
    switch (operation) {
      case "terminate":
        return false;
      case "rollback":
        // It may have come to no step yet.
        return checkpoint === "latest" || isFork(executionId, history);
      case "cancel":
        return events.some(({ type }) => type === "CancelRequested") || (messages ?? "").includes("CancelRequested");
      case "signal":
        return events.some((event) => event.type === "SignalReceived" && event.signalId === bulkId) || (messages ?? "").includes(bulkId);
      default:
        // What has become of it since does not show, or it is not for those that go on.
        return true;
    }
  }

  checkAtEnd(): void {
    for (const bulk of this.#bulks) {
      const history = this.#historyOf(bulk.bulkId);
      const [first] = history;
      const last = history.at(-1)?.event;
      if (first === undefined || last?.type !== "ExecutionCompleted") continue;
      this.#checkProgress(bulk, readPayload(last.result) as BulkProgress, first.at);
    }
  }

  #checkProgress({ bulkId, operation, prefix, checkpoint }: DrawnBulk, progress: BulkProgress, startedAt: number): void {
    const { matched, done, skipped, failed, failures } = progress;
    if (matched !== done + skipped + failed) throw new Violation("I9", `${bulkId} found ${matched}: ${JSON.stringify(progress)}`);
    // There may be no checkpoint yet; and a fork cannot go back to the start of what it was forked from.
    const mayFail = ({ executionId }: BulkFailure): boolean =>
      checkpoint === "latest" || (operation === "rollback" && isFork(executionId, this.#historyOf(executionId)));
    if (!failures.every(mayFail)) throw new Violation("I9", `${bulkId} (${operation}) failed: ${JSON.stringify(failures)}`);
    if (this.#world.steppedBackMs + this.#world.steppedForwardMs > 0) return;
    const rows = this.#rowsOf(prefix);
    const least = rows.filter((row) => row.created_at < startedAt).length;
    if (matched < least || matched > rows.length)
      throw new Violation("I9", `${bulkId} found ${matched} executions; there were ${least} when it was started, ${rows.length} in the end`);
  }

  /** Those that it is about. */
  #rowsOf(prefix: string): readonly ExecutionRow[] {
    return [...this.#monitor.executions.values()].filter((row) => row.execution_id.startsWith(prefix) && !isCounted(row.execution_id));
  }

  #historyOf(executionId: string): ReturnType<Monitor["histories"]["get"]> & object {
    const row = this.#monitor.row(executionId);
    return (row === undefined ? undefined : this.#monitor.histories.get(row.run_id)) ?? [];
  }
}

/** A fork that has continued as new shows it by its id only. */
function isFork(executionId: string, history: readonly { readonly event: Event }[]): boolean {
  return /(-fork\d+|\.bulk\d+)$/.test(executionId) || history.some(({ event }) => event.type === "ExecutionForked");
}
