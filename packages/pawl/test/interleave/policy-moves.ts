import { commitBatch } from "../../src/postgres/commit-batch.ts";
import { claim } from "../../src/postgres/statements/claim.ts";
import { pause } from "../../src/postgres/statements/pause.ts";
import { readInboxes } from "../../src/postgres/statements/reads.ts";
import type { AppendOperation } from "../../src/store/operations.ts";
import type { Cursor } from "./arena.ts";
import { withFamily, type Fixture } from "./fixtures.ts";
import type { Hands, Move } from "./moves.ts";
import { appendTo, commitAll, commitIds, describeAppend, events, namespace, runs, workers } from "./world.ts";

/** Moves of a parent whose first child is to end with it and whose second is to outlive it, and of that first child. */

type Build = Parameters<typeof withFamily>[1];

const ofChild = { runId: runs.child, epoch: 1, seq: 1 };

const parked: Build = (gateway) =>
  commitAll(gateway, [], [appendTo(ofChild, { events: [events.waitStarted], after: { kind: "park", wakeAt: null, seenInbox: 0, waitingFor: "news" } })]);
const held: Build = async (gateway) => void (await gateway.run(pause(namespace, "child", null)));

/** What the child does when its parent ends. */
export function policies(parent: string, suffix: string) {
  const fixture = (name: string, then: Build, claimed = true): Fixture => ({
    name: `child ${name}${suffix}`,
    build: withFamily(parent, then, [{ parentClosePolicy: "terminate", ...(claimed ? {} : { claimBy: null }) }, { parentClosePolicy: "abandon" }]),
  });
  return {
    runs: fixture("runs", async () => {}),
    pends: fixture("pends", async () => {}, false),
    rests: fixture("rests", parked),
    pauses: fixture("is paused", async (gateway, at) => {
      await parked(gateway, at);
      await held(gateway, at);
    }),
    obeys: fixture("is to pause", held),
  };
}

/** As the owner of a parent does it: its children are told before its end is written. */
export const endAndTerminateChild: Move = {
  name: "end and terminate child",
  async run({ gateway, store, cursor }) {
    const { runId } = cursor("parent");
    const told = await store.tellChildren(namespace, runId, [
      { executionId: "child", messageId: "terminate", type: "ExecutionTerminated", data: '{"byParent":true,"reason":"its parent has ended"}' },
    ]);
    const end = appendTo(cursor("parent"), { events: [events.completed], after: { kind: "end", state: "completed" } });
    const { appends } = await commitBatch(gateway, { starts: [], appends: [end] }, commitIds.next());
    return `${told.length} told, ${appends.map(describeAppend).join("")}`;
  },
};

/** The owner of the child looks into its inbox, does what it finds there, and rests if there is nothing more. */
async function obey({ gateway, store, cursor }: Pick<Hands, "gateway" | "store" | "cursor">, { runId, epoch, seq }: Omit<Cursor, "inboxSeq">): Promise<string> {
  const recorded: string[] = [];
  let waits = seq > 1;
  for (;;) {
    const rows = await gateway.run(readInboxes([runId]));
    const types = rows.flatMap(({ type }) => type ?? []);
    const seenInbox = rows[0]?.inbox_seq ?? 0;
    const messages = rows.filter(({ type }) => type !== null && type !== "PauseRequested");
    if (types.includes("PauseRequested") && messages.length === 0) {
      const paused = await store.pauseClaimed({ runId, epoch, expectedSeq: seq, seenInbox, reason: null });
      if (paused) return [...recorded, "paused"].join(", ");
    }
    const terminated = messages.find(({ type }) => type === "ExecutionTerminated");
    const parts: Partial<AppendOperation> =
      terminated !== undefined
        ? {
            events: [{ type: terminated.type!, data: terminated.data! }],
            after: { kind: "end", state: "terminated" },
            messages: [
              {
                toRunId: cursor("parent").runId,
                messageId: "child:1",
                type: "ChildFailed",
                data: '{"position":1,"state":"terminated","failure":{"name":"N","message":"m"}}',
              },
            ],
          }
        : messages.length > 0
          ? { events: messages.map((row) => ({ type: row.type!, data: row.data! })), consumed: messages.map((row) => row.message_id!) }
          : { events: waits ? [] : [events.waitStarted], after: { kind: "park", wakeAt: null, seenInbox, waitingFor: "news" } };
    const [outcome] = (await commitBatch(gateway, { starts: [], appends: [appendTo({ runId, epoch, seq }, parts)] }, commitIds.next())).appends;
    if (outcome!.outcome === "rejected") return [...recorded, "rejected"].join(", ");
    if (terminated !== undefined) return [...recorded, "terminated"].join(", ");
    if (outcome!.parked) return [...recorded, "parked"].join(", ");
    seq += parts.events?.length ?? 0;
    waits ||= messages.length === 0;
    recorded.push(...messages.map((row) => row.type!));
  }
}

export const childObeys: Move = { name: "child obeys", run: (hands) => obey(hands, hands.cursor("child")) };

/** Whoever claims the child does the same. */
export const claimChild: Move = {
  name: "claim child and obey",
  async run(hands) {
    const request = { workerId: workers.one, namespace, taskQueues: ["q"], definitions: ["c@1"], limit: 1, suspects: true };
    const [row] = await hands.gateway.run(claim(request));
    if (row === undefined) return "nothing to claim";
    return obey(hands, { runId: row.run_id, epoch: row.epoch, seq: row.last_seq });
  },
  weaker: [{ name: "claim child", run: async () => "nothing to claim" }],
};
