import { readPayload, verifyDatabase } from "pawl/internal";
import { isTerminal } from "./execution-rows.ts";
import type { Monitor } from "./monitor.ts";
import { addsUp, expectedOf, type Expected, type Program } from "./program.ts";
import type { Scene } from "./scene.ts";
import { Violation } from "./violation.ts";

type Recorded = NonNullable<ReturnType<Monitor["histories"]["get"]>>[number];

/** When everything has ended: what clients were told, what came of it all, and what `pawl verify` says. */
export async function checkAtEnd(scene: Scene): Promise<void> {
  const { watch, log } = scene;
  const { monitor } = watch;
  await monitor.observe("the end", undefined);
  log.check(monitor);
  log.checkOrder(monitor);
  log.checkCopies(monitor);
  watch.schedules?.checkAtEnd();
  watch.merges.checkAtEnd();
  watch.bulks.checkAtEnd();
  for (const history of monitor.histories.values()) {
    checkTaken(history);
    checkUndone(history);
  }
  checkResults(scene);
  await verify(scene);
}

/** Each program comes to what it says, and so does each fork of it. */
function checkResults({ requests, watch: { monitor }, log }: Scene): void {
  const programs = new Map(requests.map(({ executionId, program }) => [executionId, program]));
  for (const { execution_id: executionId } of monitor.executions.values()) {
    const program = programs.get(executionId.replace(/-fork\d+$/, ""));
    const outcome = monitor.outcome(executionId);
    if (program === undefined || outcome === undefined) continue;
    // It fails where its child was stopped.
    if (program.do === "wait to be cancelled" && (outcome.state === "completed" || (outcome.state === "failed" && !hasFailedChild(monitor, executionId))))
      throw new Violation("I20", `${executionId} waited to be cancelled, and ended ${outcome.state}`);
    if (log.wasStopped(executionId)) continue;
    const expected = edited(expectedOf(program), program, log.edits.get(executionId));
    if (expected === "either") continue;
    const right = expected === "fails" ? outcome.state === "failed" : outcome.state === "completed" && outcome.value === expected.value;
    if (!right) throw new Violation("result", `${executionId} ended ${outcome.state} with ${String(outcome.value)}, not ${JSON.stringify(expected)}`);
  }
}

function hasFailedChild(monitor: Monitor, executionId: string): boolean {
  return (monitor.histories.get(monitor.row(executionId)?.run_id ?? "") ?? []).some(({ event }) => event.type === "ChildFailed");
}

function edited(expected: Expected, program: Program, change: number | undefined): Expected {
  if (change === undefined || typeof expected !== "object") return expected;
  return addsUp(program) ? { value: expected.value + change } : "either";
}

/** I11: a wait takes the first signal that was not taken, and ends without one only where there is none. */
function checkTaken(history: readonly Recorded[]): void {
  if (programOf(history)?.do !== "take") return;
  const received: number[] = [];
  let taken = 0;
  let beforeTimeout = 0;
  for (const { seq, event } of history) {
    if (event.type === "SignalReceived") received.push(Number(readPayload(event.payload)));
    // It may come after the signal that ended the wait: then it says nothing.
    else if (event.type === "WaitTimedOut") beforeTimeout = received.length;
    else if (event.type === "StepCompleted" && event.name === "took") {
      const order = readPayload(event.result);
      const expected = order === undefined && beforeTimeout <= taken ? undefined : received[taken++];
      if (order !== expected)
        throw new Violation("I11", `the wait before ${seq} took signal ${String(order)}, of ${received.join(", ")}; ${taken - 1} were taken before`);
    }
  }
}

/** What a saga did is undone when what followed failed or was cancelled. */
function checkUndone(history: readonly Recorded[]): void {
  const program = programOf(history);
  const last = history.at(-1)?.event;
  if (program?.do !== "saga" || hasSaga(program.program) || history.some(({ event }) => event.type === "ExecutionResumed")) return;
  // The code of what was held is not run again, unless it is resumed.
  if (history.some(({ event }) => event.type === "ExecutionQuarantined")) return;
  if (last?.type !== "ExecutionFailed" && (last?.type !== "ExecutionCancelled" || !history.some(({ event }) => event.type === "CancelRequested"))) return;
  const count = (name: string, events: typeof history): number => events.filter(({ event }) => event.type === "StepCompleted" && event.name === name).length;
  // The code hears of no result behind the request.
  const requested = history.findIndex(({ event }) => event.type === "CancelRequested");
  const [done, undone] = [count("do", requested < 0 ? history : history.slice(0, requested)), count("undo", history)];
  if (done !== undone) throw new Violation("saga", `${last.type} after ${done} steps of which ${undone} were undone`);
}

function hasSaga(program: Program): boolean {
  if (program.do === "saga") return true;
  if ("parts" in program) return program.parts.some(hasSaga);
  return program.do === "continue" && [program.first, program.beside, program.next].some(hasSaga);
}

function programOf(history: readonly Recorded[]): Program | undefined {
  const started = history[0]?.event;
  return started?.type === "ExecutionStarted" ? (readPayload(started.input) as Program | undefined) : undefined;
}

/** What users can run has no complaint about any of this. It takes times as they are: not where the clock was set. */
async function verify({ database, world, watch }: Scene): Promise<void> {
  if (world.steppedBackMs + world.steppedForwardMs > 0) return;
  const report = await verifyDatabase(async (sql, parameters) => (await database.pglite.query<Record<string, unknown>>(sql, [...(parameters ?? [])])).rows);
  const broken = report.invariants.find(({ verdict }) => verdict === "violated");
  if (broken === undefined) return;
  const { executionId, detail } = broken.evidence[0]!;
  const open = [...watch.monitor.executions.values()].filter(({ state }) => !isTerminal(state)).length;
  throw new Violation(broken.invariant, `pawl verify (${open} open): ${executionId ?? ""}: ${detail}`);
}
