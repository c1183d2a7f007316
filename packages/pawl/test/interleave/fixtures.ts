import type { TransactionGateway } from "../../src/postgres/gateway.ts";
import { claim } from "../../src/postgres/statements/claim.ts";
import { expireWorkers } from "../../src/postgres/statements/expire-workers.ts";
import { pause } from "../../src/postgres/statements/pause.ts";
import { setRetention } from "../../src/postgres/statements/retention-policies.ts";
import { takeOver } from "../../src/postgres/statements/take-over.ts";
import { tellChildren } from "../../src/postgres/statements/tell-children.ts";
import type { StartOperation } from "../../src/store/operations.ts";
import type { Cursor } from "./arena.ts";
import { anHour, appendTo, childCompleted, commitAll, events, namespace, register, runs, startOf, workers } from "./world.ts";

/** A state of the database in which several moves apply, made by real statements. */
export interface Fixture {
  readonly name: string;
  build(gateway: TransactionGateway): Promise<void>;
}

type Build = Fixture["build"];

const bothWorkers: Build = async (gateway) => {
  await register(gateway, workers.one);
  await register(gateway, workers.two);
};

/** The parent is claimed by worker one and nothing else is there. */
const running: Build = async (gateway) => {
  await bothWorkers(gateway);
  await commitAll(gateway, [startOf("parent", { claimBy: workers.one })], []);
};

/** Where a history ends. */
type Place = Pick<Cursor, "runId" | "epoch" | "seq">;

/** What its children are besides children: the first of them, and the second. */
type Children = readonly [Partial<StartOperation>, Partial<StartOperation>];

/** The parent, claimed by worker one, waits for two children, claimed by worker `owner`. Gives where its history ends. */
async function family(gateway: TransactionGateway, parent: string, owner: string, [first, second]: Children = [{}, {}]): Promise<Place> {
  await commitAll(gateway, [startOf("parent", { runId: parent, claimBy: workers.one })], []);
  const child = { parentRunId: parent, claimBy: owner };
  await commitAll(
    gateway,
    [],
    [
      appendTo(
        { runId: parent, epoch: 1, seq: 1 },
        {
          events: [events.childStarted(1, "child", runs.child), events.childStarted(2, "sibling", runs.sibling)],
          starts: [
            startOf("child", { ...child, runId: runs.child, parentPosition: 1, ...first }),
            startOf("sibling", { ...child, runId: runs.sibling, parentPosition: 2, ...second }),
          ],
        },
      ),
    ],
  );
  return { runId: parent, epoch: 1, seq: 3 };
}

export const withFamily =
  (parent: string, then: (gateway: TransactionGateway, at: Place) => Promise<void>, children?: Children): Build =>
  async (gateway) => {
    await bothWorkers(gateway);
    await then(gateway, await family(gateway, parent, workers.two, children));
  };

const parked =
  (wakeInMs: number | null): Parameters<typeof withFamily>[1] =>
  (gateway, at) =>
    commitAll(
      gateway,
      [],
      [appendTo(at, { after: { kind: "park", wakeAt: wakeInMs === null ? null : Date.now() + wakeInMs, seenInbox: 0, waitingFor: "news" } })],
    );

const childEnded: Parameters<typeof withFamily>[1] = (gateway, { runId }) =>
  commitAll(
    gateway,
    [],
    [
      appendTo(
        { runId: runs.child, epoch: 1, seq: 1 },
        { events: [events.completed], after: { kind: "end", state: "completed" }, messages: [childCompleted(runId, 1)] },
      ),
    ],
  );

const endedAs =
  (state: "cancelled" | "quarantined"): Parameters<typeof withFamily>[1] =>
  (gateway, at) =>
    commitAll(gateway, [], [appendTo(at, { events: [events.cancelRequested, events[state]], after: { kind: "end", state } })]);

/** Nothing but its end says that it ended: what a resume goes back behind is that event alone. */
const held: Parameters<typeof withFamily>[1] = (gateway, at) =>
  commitAll(gateway, [], [appendTo(at, { events: [events.quarantined], after: { kind: "end", state: "quarantined" } })]);

/** The parent failed, and nobody keeps what has ended: its first child outlives it, and the second was asked to cancel. */
const failed: Children = [{ parentClosePolicy: "abandon" }, {}];
const failing = async (gateway: TransactionGateway, at: Place): Promise<void> => {
  await gateway.run(tellChildren(at.runId, [{ executionId: "sibling", messageId: "cancel", type: "CancelRequested", data: "{}" }]));
  await commitAll(gateway, [], [appendTo(at, { events: [events.failed], after: { kind: "end", state: "failed" } })]);
  await gateway.run(setRetention(namespace, {}, 0));
};

/** Nobody keeps what has ended. */
const forgettable: Parameters<typeof withFamily>[1] = async (gateway, at) => {
  await endedAs("cancelled")(gateway, at);
  await gateway.run(setRetention(namespace, {}, 0));
};

/** The parent goes on as new, its children run, and nobody keeps the run that started them. */
const continued: Parameters<typeof withFamily>[1] = async (gateway, at) => {
  const after = { kind: "continue", runId: runs.next, version: "1", started: events.startedFrom(at.runId), received: [] } as const;
  await commitAll(gateway, [], [appendTo(at, { events: [events.continued(runs.next)], after })]);
  await gateway.run(setRetention(namespace, {}, 0));
};

const expired =
  (parent: string): Build =>
  async (gateway) => {
    await register(gateway, workers.one, -1000);
    await register(gateway, workers.two);
    await family(gateway, parent, workers.one);
  };

const dead =
  (parent: string): Build =>
  async (gateway) => {
    await expired(parent)(gateway);
    await gateway.run(expireWorkers([]));
  };

/** Two workers have died of it, and the third has it. */
const deadly: Build = async (gateway) => {
  await commitAll(gateway, [startOf("parent")], []);
  for (const workerId of [runs.next, runs.next2, workers.one]) {
    for (const { id } of await gateway.run(expireWorkers([]))) await gateway.run(takeOver(id, 10));
    await register(gateway, workerId, -1000);
    await gateway.run(claim({ workerId, namespace, taskQueues: ["q"], definitions: ["w@1"], limit: 1, suspects: true }));
  }
  await register(gateway, workers.two);
};

/** The parent, parked and then paused. */
const pausedAt =
  (wakeInMs: number): Parameters<typeof withFamily>[1] =>
  async (gateway, at) => {
    await parked(wakeInMs)(gateway, at);
    await gateway.run(pause(namespace, "parent", null));
  };

/** The parent has been asked to pause, and its owner has not done so yet. */
const askedToPause: Build = async (gateway) => {
  await running(gateway);
  await gateway.run(pause(namespace, "parent", null));
};

export const alone = {
  nothing: { name: "nothing", build: bothWorkers },
  pending: {
    name: "pending",
    async build(gateway) {
      await bothWorkers(gateway);
      await commitAll(gateway, [startOf("parent", { idempotencyKey: "k" })], []);
    },
  },
  running: { name: "running", build: running },
  deduplicated: {
    name: "deduplicated",
    async build(gateway) {
      await bothWorkers(gateway);
      await commitAll(gateway, [startOf("parent", { deduplicationId: "d", claimBy: workers.one })], []);
    },
  },
  askedToPause: { name: "asked to pause", build: askedToPause },
  deadly: { name: "deadly", build: deadly },
} satisfies Record<string, Fixture>;

/** Fixtures with children; rows are locked by run id, so each exists with the parent before and behind its children. */
export function families(parent: string, suffix: string) {
  const fixture = (name: string, build: Build): Fixture => ({ name: `${name}${suffix}`, build });
  return {
    waiting: fixture(
      "waiting",
      withFamily(parent, async () => {}),
    ),
    informed: fixture("informed", withFamily(parent, childEnded)),
    parked: fixture("parked", withFamily(parent, parked(null))),
    sleeping: fixture("sleeping", withFamily(parent, parked(anHour))),
    failed: fixture("failed", withFamily(parent, failing, failed)),
    paused: fixture("paused", withFamily(parent, pausedAt(-1000))),
    due: fixture("due", withFamily(parent, parked(-1000))),
    cancelled: fixture("cancelled", withFamily(parent, endedAs("cancelled"))),
    quarantined: fixture("quarantined", withFamily(parent, endedAs("quarantined"))),
    held: fixture("held", withFamily(parent, held)),
    forgettable: fixture("forgettable", withFamily(parent, forgettable)),
    continued: fixture("continued", withFamily(parent, continued)),
    expired: fixture("expired", expired(parent)),
    dead: fixture("dead", dead(parent)),
  };
}
