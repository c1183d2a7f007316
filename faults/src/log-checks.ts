/** The operation log against the histories: what was acknowledged is there, what was seen is final, results are right. */
import { executionStates, terminalStates } from "pawl";
import { readPayload, type OperationRecord } from "pawl/internal";
import { loadScheduleId } from "./load.ts";
import type { RecordedRun } from "./recorded-runs.ts";
import { hashOf } from "./recorder.ts";
import { expectedResult, type Input } from "./workflows.ts";

const isTerminal = (state: string): boolean => (terminalStates as readonly string[]).includes(state);

export function checkOperations(log: readonly OperationRecord[], runs: readonly RecordedRun[]): string[] {
  const latest = new Map(runs.filter((run) => run.latest).map((run) => [run.executionId, run]));
  const byRun = new Map(runs.map((run) => [run.runId, run]));
  return [
    ...checkStarts(log, latest, byRun),
    ...checkStops(log, latest),
    ...checkOutcomes(log, latest, byRun),
    ...checkReaders(log),
    ...checkPhantoms(log, latest),
    ...checkSchedules(runs),
    ...runs.flatMap((run) => [...checkResult(run), ...checkTimers(run)]),
  ];
}

/** Every acknowledged start is there, with its input, and one key never gave two executions. */
function checkStarts(log: readonly OperationRecord[], latest: ReadonlyMap<string, RecordedRun>, byRun: ReadonlyMap<string, RecordedRun>): string[] {
  const problems: string[] = [];
  const byKey = new Map<string, string>();
  for (const line of log) {
    if (line.operation !== "start" || line.phase !== "ok" || line.executionId === undefined) continue;
    const run = latest.get(line.executionId);
    if (run === undefined) problems.push(`the start of ${line.executionId} was acknowledged, and it is not there`);
    else if (run.workflow !== line.workflow) problems.push(`${line.executionId} runs ${run.workflow}, not ${line.workflow}`);
    else if (hashOf(inputOf(run)) !== line.inputHash) problems.push(`${line.executionId} has another input than it was started with`);
    if (line.runId !== undefined && !byRun.has(line.runId)) problems.push(`run ${line.runId} of ${line.executionId} was acknowledged, and it is not there`);
    if (line.idempotencyKey === undefined) continue;
    const first = byKey.get(`${line.workflow}/${line.idempotencyKey}`);
    if (first !== undefined && first !== line.executionId) problems.push(`the key ${line.idempotencyKey} gave both ${first} and ${line.executionId}`);
    byKey.set(`${line.workflow}/${line.idempotencyKey}`, line.executionId);
  }
  return problems;
}

/** An acknowledged terminate ended it so; an acknowledged cancel did, unless it was on its way to its end. */
function checkStops(log: readonly OperationRecord[], latest: ReadonlyMap<string, RecordedRun>): string[] {
  const resumed = new Set(log.filter(({ operation }) => operation === "resume").map(({ executionId }) => executionId));
  return log.flatMap(({ operation, phase, executionId }) => {
    const state = latest.get(executionId ?? "")?.state;
    if (phase !== "ok" || state === undefined || resumed.has(executionId)) return [];
    if (operation === "terminate" && state !== "terminated") return [`${executionId} was terminated, and is ${state}`];
    if (operation === "cancel" && !["cancelled", "completed", "failed"].includes(state)) return [`${executionId} was cancelled, and is ${state}`];
    return [];
  });
}

/** An end that anyone saw is the end that is recorded, with the value that is recorded. */
function checkOutcomes(log: readonly OperationRecord[], latest: ReadonlyMap<string, RecordedRun>, byRun: ReadonlyMap<string, RecordedRun>): string[] {
  const resumed = new Set(log.filter(({ operation }) => operation === "resume").map(({ executionId }) => executionId));
  return log.flatMap(({ operation, phase, executionId, runId, state, valueHash, process }) => {
    if (phase !== "ok" || executionId === undefined || (operation !== "result" && operation !== "status")) return [];
    if (state === undefined || !isTerminal(state)) return [];
    if (runId === undefined && resumed.has(executionId)) return [];
    const run = runId === undefined ? latest.get(executionId) : byRun.get(runId);
    if (run?.state !== state) return [`${process} saw ${executionId} ${state}, and it is ${run?.state ?? "not there"}`];
    if (valueHash !== undefined && valueHash !== hashOf(resultOf(run))) return [`${process} got another result of ${executionId} than is recorded`];
    return [];
  });
}

/** For each reader, the history of a run only grows, and nothing follows its end. */
function checkReaders(log: readonly OperationRecord[]): string[] {
  const problems: string[] = [];
  const last = new Map<string, OperationRecord>();
  const invoked = new Map<string, number>();
  for (const line of log) {
    if (line.phase === "invoke") invoked.set(`${line.process}/${line.n}`, line.at);
    if (line.phase !== "ok" || line.operation !== "status" || line.runId === undefined) continue;
    const key = `${line.process}/${line.runId}`;
    const before = last.get(key);
    // Two reads at once may be answered in either order.
    if (before !== undefined && before.at < (invoked.get(`${line.process}/${line.n}`) ?? 0)) {
      if ((line.events ?? 0) < (before.events ?? 0)) problems.push(`${key} had ${before.events} events, and then ${line.events}`);
      if (isTerminal(before.state ?? "") && line.state !== before.state) problems.push(`${key} was ${before.state}, and then ${line.state}`);
    }
    last.set(key, line);
  }
  return problems;
}

/** Everything that is there was asked for. */
function checkPhantoms(log: readonly OperationRecord[], latest: ReadonlyMap<string, RecordedRun>): string[] {
  const asked = new Set(log.filter(({ operation }) => operation === "start").map(({ executionId }) => executionId));
  return [...latest.values()].flatMap((run) => {
    const { executionId, parentRunId, state } = run;
    if (parentRunId === null && scheduleOf(run) === undefined && !asked.has(executionId)) return [`nobody started ${executionId}`];
    return (executionStates as readonly string[]).includes(state) ? [] : [`${executionId} is in the unknown state ${state}`];
  });
}

/** The schedule of the load has started one execution for each second of its life: none twice, which ids tell, and none left out. */
function checkSchedules(runs: readonly RecordedRun[]): string[] {
  const instants = runs
    .flatMap((run) => scheduleOf(run) ?? [])
    .flatMap(({ scheduleId, at }) => (scheduleId === loadScheduleId ? [Date.parse(at)] : []))
    .toSorted((a, b) => a - b);
  return instants.flatMap((at, index) => {
    const gapMs = at - (instants[index - 1] ?? at - 1000);
    return gapMs === 1000 ? [] : [`before ${new Date(at).toISOString()} the schedule had no instant for ${gapMs} ms`];
  });
}

function scheduleOf({ events, latest }: RecordedRun): { readonly scheduleId: string; readonly at: string } | undefined {
  const first = events[0]?.event;
  return latest && first?.type === "ExecutionStarted" ? first.schedule : undefined;
}

function checkResult(run: RecordedRun): string[] {
  if (run.state !== "completed") return [];
  const expected = expectedResult(run.workflow, inputOf(run));
  const found = resultOf(run);
  return expected === found ? [] : [`${run.executionId} (${run.workflow}) gave ${JSON.stringify(found)} instead of ${expected}`];
}

/** No timer fires before it is due. */
function checkTimers({ executionId, events }: RecordedRun): string[] {
  const due = new Map<number, number>();
  return events.flatMap(({ at, event }) => {
    if (event.type === "TimerStarted") due.set(event.position, at + event.durationMs);
    if (event.type !== "TimerFired") return [];
    const earlyMs = (due.get(event.position) ?? Infinity) - at;
    return earlyMs > 1 ? [`timer ${event.position} of ${executionId} fired ${earlyMs} ms early`] : [];
  });
}

function inputOf({ events }: RecordedRun): Input {
  const first = events[0]?.event;
  return (first?.type === "ExecutionStarted" ? readPayload(first.input) : undefined) as Input;
}

function resultOf({ events }: RecordedRun): unknown {
  const last = events.at(-1)?.event;
  return last?.type === "ExecutionCompleted" ? readPayload(last.result) : undefined;
}
