import { InputInvalid, NondeterminismDetected, OptionInvalid } from "../base/errors.ts";
import { decodeValue, toError } from "../base/values.ts";
import type { AnyWorkflow, OutputOf } from "../definition/workflow.ts";
import { describeCall, type Call } from "../kernel/call.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import { Replay, type CodeOutcome } from "../kernel/replay.ts";
import { seedsOf } from "../kernel/seed.ts";
import { replayEvents } from "../kernel/replay-events.ts";
import { installDeterminismGuard } from "../worker/determinism-guard.ts";
import { endEvent } from "../worker/end-event.ts";
import { parseHistory, type RecordedHistory } from "./recorded-history.ts";

/** Where today's code stands at the end of a recorded history. */
export type ReplayOutcome<Result = unknown> = {
  readonly executionId: string;
  /** How many events were replayed. */
  readonly events: number;
} & (
  | { readonly state: "completed"; readonly result: Result }
  | { readonly state: "failed" | "cancelled"; readonly error: Error }
  /** The code continues as new, with this input. */
  | { readonly state: "continued_as_new"; readonly input: unknown }
  /** The code waits for these durable calls, in words, which the history has no outcome of. */
  | { readonly state: "running"; readonly waitingFor: readonly string[] }
);

/**
 * Runs a workflow's code of today against a recorded history, without a database and without running any step: whether it
 * still makes the durable calls that the history has, in its order. A test over histories from production says before a
 * deployment whether executions that are under way will survive it.
 *
 * A history that ended `completed`, `cancelled` or `continued_as_new` must end so again. One that failed may go on: its code may have been mended.
 * One that failed because the schema refused its input fits where it is refused again.
 *
 * @param history what `pawl history <id> --json` prints or `recordHistory(handle)` gives: the object, or its text
 * @throws NondeterminismDetected naming what the history has and what the code did; InputInvalid if the schema of today
 *   refuses the recorded input; HistoryInvalid; OptionInvalid if it is no workflow, or the history another workflow's
 */
export async function replayHistory<W extends AnyWorkflow>(workflow: W, history: RecordedHistory | string): Promise<ReplayOutcome<OutputOf<W>>> {
  if (typeof workflow?.run !== "function") throw new OptionInvalid("replayHistory workflow", "must be a workflow made by defineWorkflow");
  const parsed = parseHistory(history);
  if (parsed.workflow !== workflow.name) {
    throw new OptionInvalid("replayHistory workflow", `is "${workflow.name}", but the history of ${parsed.executionId} is of workflow "${parsed.workflow}"`);
  }
  let ended: CodeOutcome | undefined;
  const calls = new Map<number, string>();
  const replay = new Replay(workflow, parsed, seedsOf(parsed.namespace, parsed.executionId, parsed.events), {
    called: (call: Call) => void calls.set(call.position, describeCall(call)),
    abandoned: () => {},
    orphaned: () => {},
    replied: () => {},
    patched: () => {},
    logged: () => {},
    unread: () => {},
    ended: (outcome) => {
      ended = outcome;
    },
  });
  const uninstallGuard = installDeterminismGuard();
  try {
    await replayEvents(replay, parsed.events, drained);
  } catch (error) {
    if (error instanceof InputInvalid && wasRefused(parsed.events))
      return { executionId: parsed.executionId, events: parsed.events.length, state: "failed", error };
    // The code had ended before the history did: with what, says more than that it made no call.
    if (error instanceof NondeterminismDetected && error.called === "nothing" && ended !== undefined) {
      throw new NondeterminismDetected(error.position, error.recorded, describeEnd(ended));
    }
    throw error;
  } finally {
    uninstallGuard();
  }
  const outcome = { executionId: parsed.executionId, events: parsed.events.length };
  checkEnd(parsed.events.at(-1)!.event, parsed.executionId, replay, ended, calls.size);
  if (ended === undefined) return { ...outcome, state: "running", waitingFor: [...replay.open.values()].map(describeCall) };
  if (ended.outcome === "returned") return { ...outcome, state: "completed", result: ended.value as OutputOf<W> };
  if (ended.outcome === "continued") return { ...outcome, state: "continued_as_new", input: decodeValue(ended.next.input) };
  const { state } = endEvent(ended, parsed.executionId, replay.cancelRequested);
  return { ...outcome, state: state === "cancelled" ? "cancelled" : "failed", error: toThrown(ended.error) };
}

const endsToRepeat: ReadonlyMap<string, string> = new Map([
  ["ExecutionCompleted", "completed"],
  ["ExecutionCancelled", "cancelled"],
  ["ExecutionContinuedAsNew", "continued_as_new"],
]);

/** Whether the schema has refused the input when the execution began: it made no call, and makes none today. */
function wasRefused(events: readonly RecordedEvent[]): boolean {
  const last = events.at(-1)!.event;
  return last.type === "ExecutionFailed" && last.failure.code === "INPUT_INVALID";
}

/** A recorded end must come again, at the same place. */
function checkEnd(last: Event, executionId: string, replay: Replay, ended: CodeOutcome | undefined, called: number): void {
  const recorded = endsToRepeat.get(last.type);
  // Cancelled before it began, or while it was held: its code had no part in it.
  if (recorded === undefined || (recorded === "cancelled" && replay.cancelRequested === undefined)) return;
  const now = ended === undefined ? undefined : ended.outcome === "continued" ? "continued_as_new" : endEvent(ended, executionId, replay.cancelRequested).state;
  if (now === recorded) return;
  const waiting = [...replay.open.values()].map(describeCall).join(", ");
  const did = ended === undefined ? (waiting === "" ? "nothing: it waits for something that is no durable call" : waiting) : describeEnd(ended);
  throw new NondeterminismDetected(called + (ended === undefined ? 0 : 1), `the end (${recorded})`, did);
}

function describeEnd(ended: CodeOutcome): string {
  if (ended.outcome === "continued") return "the end: it continued as new";
  return ended.outcome === "returned" ? "the end: it returned" : `the end: it threw ${String(toThrown(ended.error))}`;
}

function toThrown(error: unknown): Error {
  return error instanceof Error ? error : toError({ name: "Error", message: String(error) });
}

/** As in a worker: the microtask queue is empty before the next outcome is delivered. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
