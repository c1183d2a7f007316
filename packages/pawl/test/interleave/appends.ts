/** The commits of executions that are claimed, as moves. */
import type { After, AppendOperation } from "../../src/store/operations.ts";
import { commit, type Hands, type Move } from "./moves.ts";
import { anHour, appendTo, childCompleted, events, runs, startOf, workers } from "./world.ts";

type Part = (hands: Hands) => AppendOperation;

const on =
  (executionId: string, make: (hands: Hands) => Partial<AppendOperation>): Part =>
  (hands) =>
    appendTo(hands.cursor(executionId), make(hands));

export const step = (executionId: string): Part => on(executionId, () => ({ events: [events.step(11)] }));
export const inAnHour = (): number => Date.now() + anHour;

/** By an owner that has read no message yet. */
const park = (wakeAt: number | null): Part => on("parent", () => ({ after: { kind: "park", wakeAt, seenInbox: 0, waitingFor: "news" } satisfies After }));

export const ended = (executionId: "child" | "sibling"): Part =>
  on(executionId, ({ cursor }) => ({
    events: [events.completed],
    after: { kind: "end", state: "completed" },
    messages: [childCompleted(cursor("parent").runId, executionId === "child" ? 1 : 2)],
  }));

/** In the one-row form of the commit statement. */
export const append = commit("append", step("parent"));
export const end = commit(
  "end",
  on("parent", () => ({ events: [events.completed], after: { kind: "end", state: "completed" } })),
);

/** In the general form. */
export const appendTwo = commit(
  "append two",
  on("parent", () => ({ events: [events.step(11), events.step(12)] })),
);
export const announce = commit(
  "announce",
  on("parent", () => ({ events: [events.stepStarted(13)], progress: false })),
);
export const parkForTimer = commit("park for a timer", park(inAnHour()));
export const parkForMessages = commit("park for messages", park(null));
export const quarantine = commit(
  "quarantine",
  on("parent", () => ({ events: [events.quarantined], after: { kind: "end", state: "quarantined" } })),
);
export const endTwo = commit(
  "end with a step",
  on("parent", () => ({ events: [events.step(11), events.completed], after: { kind: "end", state: "completed" } })),
);

export const startChild = (claimed: boolean): Move =>
  commit(
    claimed ? "start a claimed child" : "start a child",
    on("parent", ({ cursor }) => ({
      events: [events.childStarted(7, "newborn", runs.newborn)],
      starts: [startOf("newborn", { runId: runs.newborn, parentRunId: cursor("parent").runId, parentPosition: 7, claimBy: claimed ? workers.one : null })],
    })),
  );

export const childEnds = commit("child ends", ended("child"));
export const siblingEnds = commit("sibling ends", ended("sibling"));
export const bothEnd = commit("both children end", ended("child"), ended("sibling"));
export const childStep = commit("append to child", step("child"));
/** One process owns both: its commit moves the parent on and ends the child. */
export const familyCommit = commit("append to parent and end child", step("parent"), ended("child"));

/** The parent ends and asks its child to stop. */
export const endWithOrphan = commit(
  "end and cancel child",
  on("parent", ({ cursor }) => ({
    events: [events.cancelled],
    after: { kind: "end", state: "cancelled" },
    messages: [{ toRunId: cursor("child").runId, messageId: "cancel", type: "CancelRequested", data: "{}" }],
  })),
);

/** What lies in the parent's inbox becomes events. */
const message = (hands: Hands) => childCompleted(hands.cursor("parent").runId, 1);
export const consume = commit(
  "consume",
  on("parent", (hands) => ({ events: [message(hands)], consumed: [message(hands).messageId] })),
);
export const consumeAndEnd = commit(
  "consume and end",
  on("parent", (hands) => ({ events: [message(hands), events.completed], consumed: [message(hands).messageId], after: { kind: "end", state: "completed" } })),
);

/** The run is over and the next one there. */
export const continueAs = (run: "next" | "next2"): Move =>
  commit(
    `continue as ${run}`,
    on("parent", ({ cursor }) => ({
      events: [events.continued(runs[run])],
      after: { kind: "continue", runId: runs[run], version: "1", started: events.startedFrom(cursor("parent").runId), received: [] },
    })),
  );

export const childContinues = commit(
  "child continues",
  on("child", ({ cursor }) => ({
    events: [events.continued(runs.next)],
    after: { kind: "continue", runId: runs.next, version: "1", started: events.startedFrom(cursor("child").runId, cursor("parent").runId), received: [] },
  })),
);
