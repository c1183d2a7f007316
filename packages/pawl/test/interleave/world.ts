import { nodeRuntime } from "../../src/base/node-runtime.ts";
import type { TransactionGateway } from "../../src/postgres/gateway.ts";
import { CommitIds, commitBatch } from "../../src/postgres/commit-batch.ts";
import { registerWorker } from "../../src/postgres/statements/register-worker.ts";
import type { AppendOperation, AppendOutcome, StartOperation } from "../../src/store/operations.ts";
import type { WorkerRegistration } from "../../src/store/store.ts";
import type { Cursor } from "./arena.ts";

/** Who is in a scenario: fixed ids, so that the same order gives the same state. */
export const namespace = "n";

const id = (tail: string): string => `00000000-0000-7000-8000-0000000000${tail}`;

/** Run ids, in the order in which rows are locked: the parent may come before its children or, once resumed, after them. */
export const runs = {
  parent: id("a0"),
  child: id("c1"),
  sibling: id("c2"),
  other: id("b0"),
  lastParent: id("e0"),
  next: id("f1"),
  next2: id("f2"),
  newborn: id("f3"),
  keyed: id("b1"),
  keyed2: id("b2"),
  importedBefore: id("b3"),
  imported: id("b4"),
};
export const workers = { one: id("01"), two: id("02") };

/** Two schedules, and the revisions they may have. */
export const schedules = {
  first: id("d1"),
  second: id("d2"),
  unfired: id("d3"),
  firedByOne: id("d4"),
  firedByTwo: id("d5"),
  paused: id("d6"),
};

/** Ids in a text, by name, and without the times at which something would have woken. */
export function readable(given: string): string {
  const text = given.replaceAll(/"wakeAt":\d{6,}/g, '"wakeAt":"some time"');
  return [...Object.entries(runs), ...Object.entries(workers), ...Object.entries(schedules)].reduce((read, [name, uuid]) => read.replaceAll(uuid, name), text);
}

export const anHour = 3_600_000;

export function startOf(executionId: string, parts: Partial<StartOperation> = {}): StartOperation {
  return {
    runId: runs.parent,
    namespace,
    executionId,
    workflow: executionId === "parent" ? "w" : "c",
    version: "1",
    taskQueue: "q",
    idempotencyKey: null,
    parentRunId: null,
    parentPosition: null,
    delayMs: 0,
    claimBy: null,
    started: '{"input":1}',
    ...parts,
  };
}

export function appendTo({ runId, epoch, seq }: Pick<Cursor, "runId" | "epoch" | "seq">, parts: Partial<AppendOperation> = {}): AppendOperation {
  return { runId, epoch, expectedSeq: seq, events: [], progress: true, after: { kind: "keep" }, starts: [], messages: [], consumed: [], ...parts };
}

/** Events as workers write them. */
export const events = {
  step: (position: number) => ({ type: "StepCompleted", data: JSON.stringify({ position, name: "s", attempt: 1, result: 1 }) }),
  stepStarted: (position: number) => ({ type: "StepStarted", data: JSON.stringify({ position, name: "s", attempt: 1 }) }),
  childStarted: (position: number, executionId: string, runId: string) => ({
    type: "ChildStarted",
    data: JSON.stringify({ position, workflow: "c", executionId, runId }),
  }),
  continued: (nextRunId: string) => ({ type: "ExecutionContinuedAsNew", data: JSON.stringify({ nextRunId }) }),
  /** Data of the first event of a run that goes on from that one. */
  startedFrom: (runId: string, parentRunId?: string) =>
    JSON.stringify({
      continuedFrom: { runId, count: 1 },
      ...(parentRunId === undefined ? {} : { parent: { executionId: "parent", runId: parentRunId, position: 1 } }),
      input: 1,
    }),
  completed: { type: "ExecutionCompleted", data: '{"result":1}' },
  waitStarted: { type: "WaitStarted", data: '{"position":1}' },
  cancelled: { type: "ExecutionCancelled", data: "{}" },
  failed: { type: "ExecutionFailed", data: '{"failure":{"name":"N","message":"m"}}' },
  cancelRequested: { type: "CancelRequested", data: "{}" },
  quarantined: { type: "ExecutionQuarantined", data: '{"failure":{"name":"N","message":"m"}}' },
};

/** The message in which a child tells its parent how it ended. */
export function childCompleted(parentRunId: string, position: number) {
  return { toRunId: parentRunId, messageId: `child:${position}`, type: "ChildCompleted", data: JSON.stringify({ position, result: 1 }) } as const;
}

export function registration(workerId: string, leaseMs: number): WorkerRegistration {
  return {
    workerId,
    namespace,
    taskQueues: ["q"],
    definitions: ["w@1", "c@1"],
    definitionQueues: ["q", "q"],
    concurrency: 1,
    leaseMs,
    host: "h",
    pid: 1,
    pidStarted: "1",
  };
}

export async function register(gateway: TransactionGateway, workerId: string, leaseMs = anHour): Promise<void> {
  await gateway.run(registerWorker(registration(workerId, leaseMs)));
}

export const commitIds = new CommitIds(nodeRuntime);

/** Commits and insists: a fixture that was not made as meant would explore something else. */
export async function commitAll(gateway: TransactionGateway, starts: readonly StartOperation[], appends: readonly AppendOperation[]): Promise<void> {
  const outcome = await commitBatch(gateway, { starts, appends }, commitIds.next());
  const refused = [...outcome.starts.filter((start) => start.outcome !== "started"), ...outcome.appends.filter((append) => append.outcome !== "accepted")];
  if (refused.length > 0) throw new Error(`fixture: ${JSON.stringify(refused)}`);
}

export function describeAppend(outcome: AppendOutcome): string {
  if (outcome.outcome === "rejected") return "rejected";
  return `accepted${outcome.parked ? ", parked" : ""}${outcome.conflicts.length > 0 ? `, ${outcome.conflicts.length} conflicts` : ""}`;
}
