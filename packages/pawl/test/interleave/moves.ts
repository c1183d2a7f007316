import type { PostgresStore } from "../../src/postgres/postgres-store.ts";
import type { TransactionGateway } from "../../src/postgres/gateway.ts";
import { commitBatch } from "../../src/postgres/commit-batch.ts";
import { anHour, appendTo, commitIds, describeAppend, namespace, readable, registration, runs, startOf, workers } from "./world.ts";
import { claim } from "../../src/postgres/statements/claim.ts";
import { expireWorkers } from "../../src/postgres/statements/expire-workers.ts";
import { heartbeat } from "../../src/postgres/statements/heartbeat.ts";
import { readInboxes } from "../../src/postgres/statements/reads.ts";
import { registerWorker } from "../../src/postgres/statements/register-worker.ts";
import { release } from "../../src/postgres/statements/release.ts";
import type { Sessions } from "../../src/postgres/sessions.ts";
import { stopWorker } from "../../src/postgres/statements/stop-worker.ts";
import { deleteContinued } from "../../src/postgres/statements/delete-continued.ts";
import { deleteEnded } from "../../src/postgres/statements/delete-ended.ts";
import { takeOver } from "../../src/postgres/statements/take-over.ts";
import type { Transaction } from "../../src/postgres/transaction.ts";
import { firstRun, retentionBatch } from "../../src/store/retention.ts";
import type { AppendOperation, StartOperation } from "../../src/store/operations.ts";
import type { NextRunOperation } from "../../src/store/store.ts";
import type { Cursor } from "./arena.ts";

/** What a move has to work with: a process's database, and what its claims know from before. */
export interface Hands {
  readonly gateway: TransactionGateway;
  readonly store: PostgresStore;
  /** What users' transactions run on. */
  readonly users: Sessions;
  readonly cursor: (executionId: string) => Cursor;
}

/** One thing that a process, a client or a reaper does: one named transaction, or the few that production sends in a row. */
export interface Move {
  readonly name: string;
  /** Gives what its caller learns, in words. */
  run(hands: Hands): Promise<string>;
  /**
   * What it may do instead, because it skips rows that others hold. Such a move never waits; what it skipped is still there for
   * the next one.
   */
  readonly weaker?: readonly Move[];
}

type Worker = keyof typeof workers;

/** Appends of one process in one commit, made from the claims they are under. */
export function commit(name: string, ...appends: readonly ((hands: Hands) => AppendOperation)[]): Move {
  return {
    name,
    async run(hands) {
      const outcome = await commitBatch(hands.gateway, { starts: [], appends: appends.map((append) => append(hands)) }, commitIds.next());
      return outcome.appends.map(describeAppend).join("; ");
    },
  };
}

export function start(name: string, ...operations: readonly StartOperation[]): Move {
  return {
    name,
    async run({ gateway }) {
      const { starts } = await commitBatch(gateway, { starts: operations, appends: [] }, commitIds.next());
      return starts.map((outcome) => (outcome.outcome === "exists" ? `exists as ${readable(outcome.existing.runId)}` : outcome.outcome)).join("; ");
    },
  };
}

/** So many children has a parent in every fixture that has any. */
const childCount = 2;

/** As a worker does it before it gives an execution up: what has arrived goes into the history; with nothing new, it parks. */
export function readAndPark(wakeAt: number | null): Move {
  return {
    name: "read and park",
    async run({ gateway, cursor }) {
      let { runId, epoch, seq } = cursor("parent");
      let recorded = 0;
      for (;;) {
        const rows = await gateway.run(readInboxes([runId]));
        const messages = rows.filter((row) => row.message_id !== null);
        const append =
          messages.length > 0
            ? { events: messages.map((row) => ({ type: row.type!, data: row.data! })), consumed: messages.map((row) => row.message_id!) }
            : { after: { kind: "park", wakeAt, seenInbox: rows[0]?.inbox_seq ?? 0, waitingFor: "news" } as const };
        const [outcome] = (await commitBatch(gateway, { starts: [], appends: [appendTo({ runId, epoch, seq }, append)] }, commitIds.next())).appends;
        if (outcome!.outcome === "rejected") return `rejected after ${recorded} messages`;
        if (outcome!.parked) return `parked after ${recorded} messages`;
        seq += messages.length;
        recorded += messages.length;
        if (wakeAt === null && recorded === childCount) return "has all it waited for";
      }
    },
  };
}

export function claimBy(worker: Worker): Move {
  const claiming = (definitions: readonly string[], limit: number, weaker?: readonly Move[]): Move => ({
    name: `claim by ${worker}`,
    async run({ gateway }) {
      const request = { workerId: workers[worker], namespace, taskQueues: ["q"], definitions, limit, suspects: true };
      const rows = await gateway.run(claim(request));
      return rows
        .map((row) => readable(`${row.run_id} epoch ${row.epoch} seq ${row.last_seq} inbox ${row.inbox_seq}`))
        .toSorted()
        .join("; ");
    },
    ...(weaker === undefined ? {} : { weaker }),
  });
  const all = ["w@1", "c@1"];
  return claiming(all, 10, [claiming([], 10), claiming(["w@1"], 10), claiming(["c@1"], 10), claiming(all, 1)]);
}

/** As a worker does it with a parent that was resumed: looks how its children are, and parks if it has to wait for them. */
export function claimAndRest(worker: Worker): Move {
  return {
    name: `claim by ${worker} and rest`,
    async run({ gateway }) {
      const rows = await gateway.run(claim({ workerId: workers[worker], namespace, taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true }));
      const [row] = rows;
      if (row === undefined) return "nothing to claim";
      const outcomes = {
        name: "read-outcomes",
        text: "SELECT count(*)::int AS ended FROM executions WHERE execution_id IN ('child', 'sibling') AND finished_at IS NOT NULL",
        parameters: [],
      };
      const [family] = await gateway.run<{ readonly ended: number }>(outcomes);
      const inbox = await gateway.run(readInboxes([row.run_id]));
      if (family!.ended > 0 || inbox.some(({ message_id }) => message_id !== null)) return "has news";
      const park = { after: { kind: "park", wakeAt: null, seenInbox: inbox[0]!.inbox_seq, waitingFor: "news" } as const };
      const outcome = await commitBatch(
        gateway,
        { starts: [], appends: [appendTo({ runId: row.run_id, epoch: row.epoch, seq: row.last_seq }, park)] },
        commitIds.next(),
      );
      return outcome.appends.map(describeAppend).join("");
    },
    weaker: [nothing("claim", "nothing to claim")],
  };
}

const nothing = (name: string, result: string): Move => ({ name, run: async () => result });

/** A statement that frees what a worker has finds what it had when the statement began: not a child whose claimed start is just being committed. */
const withoutNewborn = <Row>(transaction: Transaction<Row>): Transaction<Row> => ({
  ...transaction,
  text: transaction.text.replace("worker_id = $1::uuid", `worker_id = $1::uuid AND run_id <> '${runs.newborn}'`),
});

type Freeing = <Row>(transaction: Transaction<Row>) => Transaction<Row>;
const asItIs: Freeing = (transaction) => transaction;

/** A move, and what it may do instead. */
const orWithoutNewborn = (move: (freeing: Freeing) => Move, ...weaker: readonly Move[]): Move => ({
  ...move(asItIs),
  weaker: [move(withoutNewborn), ...weaker],
});

export function releaseBy(worker: Worker): Move {
  return orWithoutNewborn((freeing) => ({
    name: `release by ${worker}`,
    run: async ({ gateway }) => `${(await gateway.run(freeing(release(workers[worker], [])))).length} released`,
  }));
}

export function stop(worker: Worker): Move {
  return orWithoutNewborn((freeing) => ({
    name: `stop ${worker}`,
    async run({ gateway }) {
      const released = await gateway.run(freeing(release(workers[worker], [])));
      await gateway.run(stopWorker(workers[worker]));
      return `${released.length} released`;
    },
  }));
}

export function beat(worker: Worker): Move {
  return { name: `heartbeat of ${worker}`, run: async ({ gateway }) => `${(await gateway.run(heartbeat(workers[worker], anHour))).length} alive` };
}

export function registerAgain(worker: Worker): Move {
  return {
    name: `register ${worker}`,
    run: async ({ gateway }) => `${(await gateway.run(registerWorker(registration(workers[worker], anHour)))).length} rows`,
  };
}

/** The reaper finds a worker dead and takes over what it had. */
export function reap(name = "reap", gone: readonly Worker[] = []): Move {
  const reaping = (freeing: Freeing): Move => ({
    name,
    async run({ gateway }) {
      const dead = await gateway.run(expireWorkers(gone.map((worker) => workers[worker])));
      const taken: string[] = [];
      for (const { id } of dead) taken.push(...(await gateway.run(freeing(takeOver(id, 100)))).map((row) => readable(`${row.run_id} ${row.state}`)));
      return `${dead.length} dead; ${taken.toSorted().join(", ")}`;
    },
  });
  return orWithoutNewborn(reaping, nothing(name, "0 dead; "));
}

export function expire(): Move {
  return { name: "expire", run: async ({ gateway }) => `${(await gateway.run(expireWorkers([]))).length} dead`, weaker: [nothing("expire", "0 dead")] };
}

/** An owner that looks whether it still is one before it writes, as workers do now and then. */
export function lookForLostClaim(executionId: string): Move {
  return {
    name: `look whether the claim of ${executionId} is lost`,
    async run({ store, cursor }) {
      const { runId, epoch } = cursor(executionId);
      return (await store.lostClaims([{ runId, epoch }])).length === 0 ? "holds" : "lost";
    },
  };
}

export function takeOverFrom(worker: Worker): Move {
  return {
    name: `take over from ${worker}`,
    async run({ gateway }) {
      const rows = await gateway.run(takeOver(workers[worker], 100));
      return rows
        .map((row) => readable(`${row.run_id} ${row.state}`))
        .toSorted()
        .join(", ");
    },
  };
}

export function cancel(executionId: string): Move {
  return {
    name: `cancel ${executionId}`,
    async run({ store }) {
      const { found, closed, state } = await store.cancel(namespace, executionId, undefined);
      return `found ${found} closed ${closed} ${state}`;
    },
  };
}

/** One batch of signals, as a client sends it. */
export function signal(...executionIds: readonly string[]): Move {
  return {
    name: `signal ${executionIds.join(" and ")}`,
    async run({ store }) {
      const data = '{"signalId":"s","name":"go","payload":1}';
      const messages = executionIds.map((executionId) => ({ executionId, messageId: "signal:s", type: "SignalReceived", data }) as const);
      const receipts = await store.sendMessages(namespace, messages);
      return executionIds.map((executionId) => `${executionId} ${receipts.get(executionId)?.state ?? "missing"}`).join(", ");
    },
  };
}

/** A client that does not know whether it is there. */
export function signalWithStart(parts: Partial<StartOperation> = {}): Move {
  return {
    name: `signal with start${parts.workflow === undefined ? "" : ` of ${parts.workflow}`}`,
    async run({ store }) {
      const operation = startOf("parent", { runId: runs.other, ...parts });
      const data = '{"signalId":"s","name":"go","payload":1}';
      const { started, state, workflow } = await store.signalWithStart(operation, {
        executionId: "parent",
        messageId: "signal:s",
        type: "SignalReceived",
        data,
      });
      return `${started ? "started" : "reached"} ${workflow} ${state}`;
    },
  };
}

export function terminate(executionId: string): Move {
  return {
    name: `terminate ${executionId}`,
    async run({ store }) {
      const { found, closed, state } = await store.terminate(namespace, executionId, undefined);
      return `found ${found} closed ${closed} ${state}`;
    },
  };
}

export function pause(executionId: string): Move {
  return {
    name: `pause ${executionId}`,
    async run({ store }) {
      const { outcome, state } = await store.pause(namespace, executionId, undefined);
      return `${outcome} ${state}`;
    },
  };
}

/** What a parent does before it ends. */
export function askChildren(...executionIds: readonly string[]): Move {
  return {
    name: `ask ${executionIds.join(" and ")} to stop`,
    async run({ store, cursor }) {
      const messages = executionIds.map((executionId) => ({ executionId, messageId: "cancel", type: "CancelRequested" as const, data: "{}" }));
      const asked = await store.tellChildren(namespace, cursor("parent").runId, messages);
      return `${asked.length} asked`;
    },
  };
}

/** As its owner does it: after a look at the inbox, and only if it is asked to and not to cancel. */
export function obeyPause(): Move {
  return {
    name: "obey a pause",
    async run({ gateway, store, cursor }) {
      const { runId, epoch, seq } = cursor("parent");
      const rows = await gateway.run(readInboxes([runId]));
      const types = rows.map(({ type }) => type);
      if (!types.includes("PauseRequested") || types.includes("CancelRequested")) return "not asked";
      const paused = await store.pauseClaimed({ runId, epoch, expectedSeq: seq, seenInbox: rows[0]!.inbox_seq, reason: null });
      return paused ? "paused" : "not paused";
    },
  };
}

export function unpause(executionId: string): Move {
  return {
    name: `unpause ${executionId}`,
    run: async ({ store }) => ((await store.unpause(namespace, executionId)) === undefined ? "not paused" : "goes on"),
  };
}

type NextRun = Omit<NextRunOperation, "namespace" | "executionId" | "newRunId" | "reason" | "labels" | "attributes">;

function nextRunAs(name: string, run: "next" | "next2", operation: NextRun, done: string): Move {
  return {
    name: `${name} as ${run}`,
    async run({ store }) {
      const begun = await store.startNextRun({
        namespace,
        executionId: "parent",
        newRunId: runs[run],
        reason: null,
        labels: null,
        attributes: null,
        ...operation,
      });
      return begun ? done : "overtaken";
    },
  };
}

/** As a client does it that has read the parent's history up to the start, or up to its first child. */
export function rollBackAs(run: "next" | "next2", from: "parent" | "lastParent", keeps: "the start" | "a child"): Move {
  const kept = keeps === "the start" ? 1 : 2;
  const operation: NextRun = {
    fromRunId: runs[from],
    from: ["pending", "running", "paused", "quarantined", "cancelled", "terminated", "completed", "failed", "timed_out"],
    operation: "rollback",
    toSeq: kept,
    without: [],
    kept,
    children: keeps === "the start" ? [] : [{ position: 1, executionId: "child" }],
  };
  return nextRunAs(`roll back to ${keeps}`, run, operation, "rolled back");
}

/** As a client does it that has read how the parent failed: the child that was to outlive it is kept, the other one went with it. */
export function retryAs(run: "next" | "next2", from: "parent" | "lastParent"): Move {
  const children = [{ position: 1, executionId: "child" }];
  return nextRunAs(
    "retry",
    run,
    { fromRunId: runs[from], from: ["failed", "timed_out"], operation: "retry", toSeq: 3, without: [3], kept: 2, children },
    "retried",
  );
}

/** A copy of what the parent began with. */
export function forkParent(from: "parent" | "lastParent"): Move {
  return {
    name: "fork parent",
    async run({ store }) {
      return store.fork({
        namespace,
        executionId: "copy",
        runId: runs.other,
        workflow: "w",
        version: "1",
        taskQueue: "q",
        key: null,
        priority: 0,
        labels: null,
        attributes: null,
        fromRunId: runs[from],
        toSeq: 1,
        without: [],
        kept: 1,
        epoch: 1,
        edits: [],
        forked: JSON.stringify({ executionId: "copy", fromExecutionId: "parent", fromRunId: runs[from], fromSeq: 1 }),
      });
    },
  };
}

export function resumeAs(run: "next" | "next2"): Move {
  return {
    name: `resume as ${run}`,
    run: async ({ store }) => ((await store.resume(namespace, "parent", runs[run])) === undefined ? "nothing to resume" : "resumed"),
  };
}

/** As workers do in the background, one after the other. */
export const forget = (): Move => deletion("delete what has ended", deleteEnded);
export const forgetContinued = (): Move => deletion("delete earlier runs", deleteContinued);

function deletion(name: string, statement: typeof deleteEnded): Move {
  return {
    name,
    async run({ gateway }) {
      const [row] = await gateway.run(statement({ namespace, after: firstRun, ...retentionBatch }));
      return `${row!.deleted} deleted`;
    },
    weaker: [nothing(name, "0 deleted")],
  };
}

export function startAgain(parts: Partial<StartOperation> = {}): Move {
  return start("start parent again", startOf("parent", { runId: runs.other, ...parts }));
}
