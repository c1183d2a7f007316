import { commitBatch } from "../../src/postgres/commit-batch.ts";
import { claim } from "../../src/postgres/statements/claim.ts";
import { setRetention } from "../../src/postgres/statements/retention-policies.ts";
import type { AppendOperation } from "../../src/store/operations.ts";
import type { NewChunk } from "../../src/store/streams.ts";
import { ended } from "./appends.ts";
import { alone, families, type Fixture } from "./fixtures.ts";
import { commit, type Hands, type Move } from "./moves.ts";
import { appendTo, commitAll, commitIds, describeAppend, events, namespace, readable, runs, startOf, workers } from "./world.ts";

/** Moves on a stream of the parent's that has one chunk, and on one that nobody has written to. */

const stream = "s";
const step = { position: 1, attempt: 1 };

const chunk = (offset: number, text: string | null): NewChunk => ({
  stream,
  offset,
  step: text === null ? undefined : step,
  data: text && JSON.stringify(text),
});

/** The parent has written one chunk. */
export const streaming: Fixture = {
  name: "streaming",
  async build(gateway) {
    await alone.running.build(gateway);
    await commitAll(gateway, [], [appendTo({ runId: runs.parent, epoch: 1, seq: 1 }, { events: [events.stepStarted(1)], chunks: [chunk(0, "first")] })]);
  },
};

/** The same, ended, and nobody keeps what has ended. */
export const streamed: Fixture = {
  name: "streamed",
  async build(gateway) {
    await streaming.build(gateway);
    await commitAll(
      gateway,
      [],
      [appendTo({ runId: runs.parent, epoch: 1, seq: 2 }, { events: [events.completed], after: { kind: "end", state: "completed" } })],
    );
    await gateway.run(setRetention(namespace, {}, 0));
  },
};

/** The parent waits for children, and has written one chunk. */
export const streamingFamily = (parent: string, suffix: string): Fixture => ({
  name: `streaming family${suffix}`,
  async build(gateway) {
    await families(parent, "").waiting.build(gateway);
    await commitAll(gateway, [], [appendTo({ runId: parent, epoch: 1, seq: 3 }, { events: [events.stepStarted(3)], chunks: [chunk(0, "first")] })]);
  },
});

const writing = (parts: Partial<AppendOperation>) => (hands: Hands) => appendTo(hands.cursor("parent"), parts);

/** A step's, without an event. */
export const writeChunk = commit("write a chunk", writing({ chunks: [chunk(1, "second")] }));

/** What workflow code writes is recorded. */
const written = { type: "StreamWritten", data: JSON.stringify({ position: 2, stream, offset: 1, closed: true }) };
export const closeStream = commit("close the stream", writing({ events: [written], chunks: [chunk(1, null)] }));
export const writeAndEnd = commit(
  "write a chunk and end",
  writing({ events: [events.completed], chunks: [chunk(1, "last")], after: { kind: "end", state: "completed" } }),
);

/** One process owns both: its commit writes to the parent's stream and tells the parent of a child's end. */
export const writeAndEndChild = commit("write a chunk and end child", writing({ chunks: [chunk(1, "second")] }), ended("child"));

/** The next owner looks how long the stream is, and goes on behind that. */
export function claimAndWrite(worker: keyof typeof workers): Move {
  return {
    name: `claim by ${worker} and write a chunk`,
    async run({ gateway, store }) {
      const [row] = await gateway.run(claim({ workerId: workers[worker], namespace, taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true }));
      if (row === undefined) return "nothing to claim";
      const length = await store.streams.length(namespace, "parent", stream);
      const append = appendTo({ runId: row.run_id, epoch: row.epoch, seq: row.last_seq }, { chunks: [chunk(length, "of the next")] });
      const { appends } = await commitBatch(gateway, { starts: [], appends: [append] }, commitIds.next());
      return `${length} chunks there, ${appends.map(describeAppend).join("")}`;
    },
    weaker: [{ name: "claim and write", run: async () => "nothing to claim" }],
  };
}

/** The id is used once more: a fresh execution takes its streams for empty. */
export const startAndWrite: Move = {
  name: "start parent again and write a chunk",
  async run({ gateway }) {
    const start = startOf("parent", { runId: runs.other, claimBy: workers.one });
    const [outcome] = (await commitBatch(gateway, { starts: [start], appends: [] }, commitIds.next())).starts;
    if (outcome!.outcome === "exists") return readable(`exists as ${outcome!.existing.runId}`);
    const append = appendTo({ runId: runs.other, epoch: 1, seq: 1 }, { events: [events.stepStarted(1)], chunks: [chunk(0, "of another")] });
    const { appends } = await commitBatch(gateway, { starts: [], appends: [append] }, commitIds.next());
    return appends.map(describeAppend).join("");
  },
};

/** As who follows a stream: one page after the other, until nothing more of one that has ended comes. */
export const follow: Move = {
  name: "follow the stream",
  async run({ store }) {
    const seen: string[] = [];
    for (let looks = 0; looks < 3; looks++) {
      const page = await store.streams.read({ namespace, executionId: "parent", stream, from: seen.length, limit: 10 });
      if (page === undefined) return [...seen, "gone"].join(", ");
      if (page.chunks.length === 0) return [...seen, page.state].join(", ");
      seen.push(...page.chunks.map(({ data, runId }) => readable(`${data ?? "end"} of ${runId}`)));
    }
    return seen.join(", ");
  },
};
