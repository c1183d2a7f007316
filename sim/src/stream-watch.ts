import { readPayload } from "pawl/internal";
import { isCopy } from "./execution-rows.ts";
import type { Monitor } from "./monitor.ts";
import type { ChunkRow } from "./snapshot.ts";
import { Violation } from "./violation.ts";

/**
 * What must hold of streams after every commit (I28): offsets without gaps, epochs that never fall, what workflow code wrote in
 * the same commit as its event and once, nothing changed, and all that a step's attempt wrote before its result.
 */
export class StreamWatch {
  readonly #monitor: Monitor;
  #known: readonly ChunkRow[] = [];

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
  }

  observe(transaction: string): void {
    if (transaction !== "commit") return;
    const rows = this.#monitor.chunks;
    const streams = new Map<string, ChunkRow[]>();
    for (const row of rows) {
      const name = `${row.execution_id}/${row.stream}`;
      const before = streams.get(name);
      if (row.chunk_offset !== (before?.length ?? 0)) throw new Violation("I28", `chunk ${row.chunk_offset} of ${name} follows ${before?.length ?? 0} chunks`);
      if (before === undefined) streams.set(name, [row]);
      else {
        if (row.epoch < before.at(-1)!.epoch) throw new Violation("I28", `chunk ${row.chunk_offset} of ${name} is of epoch ${row.epoch}, after newer ones`);
        before.push(row);
      }
    }
    for (const row of this.#known) {
      const now = streams.get(`${row.execution_id}/${row.stream}`)?.[row.chunk_offset];
      // Deleted with its execution.
      if (now === undefined && this.#monitor.mayForget) continue;
      if (JSON.stringify(now) !== JSON.stringify(row)) throw new Violation("I28", `chunk ${row.chunk_offset} of ${row.execution_id}/${row.stream} has changed`);
    }
    this.#known = rows;
    for (const [name, chunks] of streams) this.#checkCode(name, chunks);
    for (const [runId, history] of this.#monitor.histories) {
      for (const { event } of ownOf(history)) this.#checkEvent(runId, event, streams);
    }
  }

  /** What workflow code wrote has its event. */
  #checkCode(name: string, chunks: readonly ChunkRow[]): void {
    for (const { step_position: position, run_id: runId, chunk_offset: offset, stream } of chunks) {
      if (position !== null) continue;
      const history = this.#monitor.histories.get(runId);
      // Of a copy, from a run that was deleted before it was made.
      if (history === undefined && isCopy(name)) continue;
      const events = ownOf(history ?? []).filter(({ event }) => event.type === "StreamWritten" && event.stream === stream && event.offset === offset);
      if (events.length !== 1) throw new Violation("I28", `chunk ${offset} of ${name} has ${events.length} events in run ${runId}`);
    }
  }

  #checkEvent(runId: string, event: { readonly type: string }, streams: ReadonlyMap<string, readonly ChunkRow[]>): void {
    const executionId = this.#monitor.executions.get(runId)?.execution_id;
    if (executionId === undefined) return;
    const recorded = event as Parameters<typeof isTokens>[0];
    if (recorded.type === "StreamWritten") {
      if (streams.get(`${executionId}/${recorded.stream}`)?.[recorded.offset] === undefined)
        throw new Violation("I28", `${executionId} has recorded chunk ${recorded.offset} of ${recorded.stream}, which is not there`);
    } else if (isTokens(recorded)) {
      const wanted = Array.from({ length: readPayload(recorded.result) as number }, (_, index) => String(index)).join();
      const written = (streams.get(`${executionId}/s`) ?? []).filter((row) => row.step_position === recorded.position && row.attempt === recorded.attempt);
      // Cut off by a resume, an attempt may have been made again, in another run.
      const runs = new Set(written.map((row) => row.run_id));
      const ofRun = (run: string): string =>
        written
          .filter((row) => row.run_id === run)
          .map(({ data }) => data)
          .join();
      if (![...runs].some((run) => ofRun(run) === wanted))
        throw new Violation(
          "I28",
          `attempt ${recorded.attempt} of call ${recorded.position} of ${executionId} wrote ${written.map(({ data }) => data).join()}, not ${wanted}`,
        );
    }
  }
}

type History = Monitor["histories"] extends Map<string, infer Recorded> ? Recorded : never;
type RecordedEvent = History[number]["event"];

/** What a fork has copied stands in the streams of the other execution. */
function ownOf(history: History): History {
  return history.slice(history.findLastIndex(({ event }) => event.type === "ExecutionForked") + 1);
}

function isTokens(event: RecordedEvent): event is Extract<RecordedEvent, { readonly type: "StepCompleted" }> {
  return event.type === "StepCompleted" && event.name === "tokens";
}
