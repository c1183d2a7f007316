import { readPayload } from "pawl/internal";
import type { DrawnMerge } from "./draw-merges.ts";
import type { Monitor } from "./monitor.ts";
import type { ExecutionRow } from "./snapshot.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

interface Acknowledged {
  readonly workflow: string;
  /** The input of the start. */
  readonly number: number;
  readonly executionId: string;
}

/** I8: what becomes of starts that are merged into one execution, or find one that is open. */
export class MergeWatch {
  readonly #monitor: Monitor;
  readonly #world: World;
  readonly #merges: readonly DrawnMerge[];
  readonly #acknowledged: Acknowledged[] = [];

  constructor(monitor: Monitor, world: World, merges: readonly DrawnMerge[]) {
    this.#monitor = monitor;
    this.#world = world;
    this.#merges = merges;
  }

  /** @param sentAt when the start was made, by the database's clock */
  acknowledged(start: Acknowledged, sentAt: number): void {
    this.#acknowledged.push(start);
    const { workflow, executionId } = start;
    const row = this.#monitor.row(executionId);
    // It ended, and is gone, while the start that found it was answered.
    if (row === undefined && this.#monitor.mayForget) return;
    if (row === undefined) throw new Violation("I9", `the acknowledged start of ${executionId} is lost`);
    if (workflow === "deduplicated" && row.finished_at !== null && row.finished_at + this.#steppedMs + 1 < sentAt)
      throw new Violation("I8", `a start gave ${executionId}, which had ended ${sentAt - row.finished_at} ms before`);
  }

  /** After every transaction: those that a deduplication id holds together are never open at the same time. */
  observe(): void {
    if (!this.#merges.some(({ workflow }) => workflow === "deduplicated")) return;
    // A resume takes the deduplication id away.
    const open = this.#rowsOf("deduplicated").filter((row) => row.finished_at === null && row.run_number === 1);
    if (open.length > 1) throw new Violation("I8", `these have one deduplication id: ${open.map((row) => row.execution_id).join(", ")}`);
  }

  checkAtEnd(): void {
    for (const merge of this.#merges) if (merge.workflow !== "deduplicated") this.#checkMerged(merge);
  }

  /** Each start is in one execution, once; that execution's input is made of just those starts, in order. */
  #checkMerged({ workflow, size }: DrawnMerge): void {
    const executionOf = new Map<number, string>();
    for (const { execution_id: executionId, run_id: runId } of this.#rowsOf(workflow)) {
      const history = this.#monitor.histories.get(runId)!;
      const last = history.findLastIndex(({ event }) => event.type === "StartMerged");
      if (history.slice(1, Math.max(1, last)).some(({ event }) => event.type !== "StartMerged"))
        throw new Violation("I8", `${executionId} took another start after it had begun, or was paused`);
      const numbers = history
        .flatMap(({ event }) => (event.type === "ExecutionStarted" || event.type === "StartMerged" ? [readPayload(event.input)] : []))
        .flat() as number[];
      if (size !== undefined && numbers.length > size) throw new Violation("I8", `${executionId} is a batch of ${numbers.length}, ${size} are allowed`);
      for (const number of numbers) {
        const before = executionOf.get(number);
        if (before !== undefined) throw new Violation("I8", `start ${number} is in ${before} and in ${executionId}`);
        executionOf.set(number, executionId);
      }
      const outcome = this.#monitor.outcome(executionId);
      const wanted = JSON.stringify(workflow === "debounced" ? numbers.at(-1) : numbers);
      if (outcome?.state === "completed" && JSON.stringify(outcome.value) !== wanted)
        throw new Violation("result", `${executionId} ended with ${JSON.stringify(outcome.value)}, not ${wanted}`);
    }
    for (const { number, executionId } of this.#acknowledged.filter((start) => start.workflow === workflow)) {
      if (executionOf.get(number) !== executionId)
        throw new Violation("I9", `start ${number} was acknowledged as part of ${executionId}; it is in ${executionOf.get(number) ?? "none"}`);
    }
  }

  #rowsOf(workflow: string): readonly ExecutionRow[] {
    return [...this.#monitor.executions.values()].filter((row) => row.workflow === workflow);
  }

  get #steppedMs(): number {
    return this.#world.steppedBackMs + this.#world.steppedForwardMs;
  }
}
