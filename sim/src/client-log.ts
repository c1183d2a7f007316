import { readPayload } from "pawl/internal";
import type { Monitor } from "./monitor.ts";
import { Violation } from "./violation.ts";

/** Children are named after their parents: x1.2, x1-own. */
export function rootOf(executionId: string): string {
  return /^x\d+/.exec(executionId)?.[0] ?? executionId;
}

/** What clients were told, held against the database at the end. */
export class ClientLog {
  /** Acknowledged starts: they must be there. */
  readonly started = new Set<string>();
  /** Acknowledged signals, with the execution they were sent to and its run when they were sent. */
  readonly sent: { readonly executionId: string; readonly runId: string | undefined; readonly id: string }[] = [];
  /** Who sent the signals, in the order of sending: the payload of each is its place here. */
  readonly #senders: string[] = [];

  /** The payload of the next signal of that process. */
  nextOrder(sender: string): number {
    return this.#senders.push(sender) - 1;
  }

  /** Executions that someone asked to stop, whatever came of it; for a child, its family. */
  readonly #stopped = new Set<string>();
  readonly #stoppedPrefixes: string[] = [];
  /** Executions that were given another run, or may have been: what was told of the run before is of the past. */
  readonly #reverted = new Set<string>();
  readonly #results = new Map<string, string>();
  /** By how much the edited result of a step changes what a fork comes to. */
  readonly edits = new Map<string, number>();
  /** Acknowledged copies, and how what was copied had ended. */
  readonly copies = new Map<string, string>();

  revert(executionId: string): void {
    this.#reverted.add(rootOf(executionId));
  }

  isReverted(executionId: string): boolean {
    return this.#reverted.has(rootOf(executionId));
  }

  stop(executionId: string): void {
    this.#stopped.add(rootOf(executionId));
  }

  /** Those whose ids begin so, and their families. */
  stopAll(prefix: string): void {
    this.#stoppedPrefixes.push(prefix);
  }

  wasStopped(executionId: string): boolean {
    return this.#stopped.has(rootOf(executionId)) || this.#stoppedPrefixes.some((prefix) => executionId.startsWith(prefix));
  }

  result(executionId: string, told: string, monitor: Monitor): void {
    // Ended executions go: a start that is still on its way begins another one of the same id.
    if (monitor.mayForget) return;
    const before = this.#results.get(executionId);
    // A resume makes that of an earlier run one of the past, and some hear of it late.
    if (before !== undefined && /quarantined/i.test(told)) return;
    if (before !== undefined && before !== told && !this.wasStopped(executionId) && !this.isReverted(executionId) && !/quarantined/i.test(before)) {
      throw new Violation("I1", `clients were told that ${executionId} ended in ${before} and in ${told}`);
    }
    this.#results.set(executionId, told);
  }

  /** I11: those that one process sends to one execution arrive in the order in which they were sent. */
  checkOrder(monitor: Monitor): void {
    for (const [runId, history] of monitor.histories) {
      const latest = new Map<string, number>();
      for (const { seq, event } of history) {
        if (event.type !== "SignalReceived") continue;
        const order = Number(readPayload(event.payload));
        const sender = this.#senders[order]!;
        const before = latest.get(sender) ?? -1;
        if (order < before) throw new Violation("I11", `event ${seq} of run ${runId} is signal ${order} of ${sender}, which comes after its signal ${before}`);
        latest.set(sender, order);
      }
    }
  }

  /** I11: an acknowledged signal is in the history or on its way into it, or would be if its execution went on. */
  checkSent(monitor: Monitor): void {
    // A start whose reply was lost may begin anew, under the same ids, what has gone with its messages.
    if (monitor.mayForget) return;
    for (const { executionId, runId, id } of this.sent) {
      const row = monitor.row(executionId);
      if (row === undefined || runId === undefined) continue;
      const runs = monitor.continuedFrom(executionId, runId);
      if (runs === undefined && !monitor.keepsMessagesOf(row.run_id, runId)) continue;
      const read = [row.run_id, ...(runs ?? [])].some((run) =>
        monitor.histories.get(run)?.some(({ event }) => event.type === "SignalReceived" && event.signalId === id),
      );
      // Acknowledged late: read by the run before, which has continued since.
      const started = monitor.histories.get(row.run_id)?.[0]?.event;
      const wasRead = started?.type === "ExecutionStarted" && started.continuedFrom?.messages?.includes(`signal:${id}`) === true;
      if (!read && !wasRead && !(row.messages ?? "").includes(`"${id}`))
        throw new Violation("I11", `the acknowledged signal ${id} to ${executionId} (${row.state}) is lost`);
    }
  }

  /** I9: an imported execution is what was exported. */
  checkCopies(monitor: Monitor): void {
    for (const [executionId, ended] of this.copies) {
      const now = JSON.stringify(monitor.outcome(executionId));
      if (now !== ended) throw new Violation("I9", `the copy ${executionId} of what had ended in ${ended} is ${now ?? "not there"}`);
    }
  }

  /** What clients were told against what is there. */
  check(monitor: Monitor): void {
    for (const executionId of this.started)
      if (monitor.row(executionId) === undefined) throw new Violation("I9", `the acknowledged start of ${executionId} is lost`);
    for (const [executionId, told] of this.#results) {
      const outcome = monitor.outcome(executionId);
      const now = outcome?.state === "completed" ? `completed ${String(outcome.value)}` : outcome?.state;
      if (now !== told && !this.wasStopped(executionId) && !this.isReverted(executionId) && !/quarantined/.test(told)) {
        throw new Violation("I1", `clients were told that ${executionId} ended in ${told}; it is ${now ?? "not there"}`);
      }
    }
  }
}
