import * as on from "./appends.ts";
import { alone, families } from "./fixtures.ts";
import * as by from "./moves.ts";
import { allowTwo, claimLimitedBy, limitedDue, limitedEnds, limitedFull, limitedParks, noLimits } from "./queue-moves.ts";
import { mergeAs, merging, startMerging } from "./merge-moves.ts";
import { ofSeveral, pairsOf, pairsWith, scenario, type Scenario } from "./scenario.ts";
import { importPairs } from "./import-scenarios.ts";
import { policyPairs, policyTriples } from "./policy-scenarios.ts";
import { streamPairs, streamTriples } from "./stream-scenarios.ts";
import { userPairs, userTriples } from "./user-scenarios.ts";
import { deleteFirst, fireBy, pauseFirst, scheduled, startSameId } from "./schedule-moves.ts";
import { inTransaction, signalling } from "./user-moves.ts";
import { runs, startOf, workers } from "./world.ts";

const eager = { claimBy: workers.one };
const keyed = { idempotencyKey: "k", executionId: "keyed", workflow: "w" };

function pairsAlone(): Scenario[] {
  return [
    ...pairsOf(
      alone.nothing,
      by.start("start", startOf("parent")),
      by.start("start eagerly", startOf("parent", { runId: runs.other, ...eager })),
      by.start("start with a key", startOf("parent", { ...keyed, runId: runs.keyed })),
      by.start("start another with that key", startOf("parent", { ...keyed, executionId: "keyed2", runId: runs.keyed2, ...eager })),
      by.start("start two", startOf("child", { runId: runs.next }), startOf("parent", { runId: runs.next2 })),
      by.start("start two in another order", startOf("parent", { runId: runs.lastParent }), startOf("child", { runId: runs.child })),
      by.claimBy("one"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.signalWithStart(),
      by.signalWithStart({ runId: runs.sibling, workflow: "c" }),
      by.registerAgain("one"),
    ),
    ...pairsOf(
      alone.pending,
      by.claimBy("one"),
      by.claimBy("two"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      inTransaction(signalling("parent")),
      by.signalWithStart(),
      by.startAgain(),
      by.startAgain(eager),
      by.startAgain(keyed),
    ),
    ...pairsOf(
      alone.running,
      on.append,
      on.appendTwo,
      on.announce,
      on.parkForTimer,
      by.readAndPark(on.inAnHour()),
      on.end,
      on.endTwo,
      on.quarantine,
      on.startChild(false),
      on.startChild(true),
      by.releaseBy("one"),
      by.stop("one"),
      by.reap("kill one", ["one"]),
      by.beat("one"),
      by.lookForLostClaim("parent"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      inTransaction(signalling("parent")),
      by.signalWithStart(),
      by.claimBy("two"),
      by.startAgain(),
    ),
    ...pairsWith(alone.pending, by.pause("parent"), by.pause("parent"), by.unpause("parent"), by.claimBy("one"), by.cancel("parent"), by.signal("parent")),
    ...pairsWith(
      alone.running,
      by.rollBackAs("next", "parent", "the start"),
      by.rollBackAs("next2", "parent", "the start"),
      by.forkParent("parent"),
      on.append,
      on.end,
      on.quarantine,
      on.parkForTimer,
      on.startChild(false),
      by.releaseBy("one"),
      by.reap("kill one", ["one"]),
      by.claimBy("two"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      inTransaction(signalling("parent")),
    ),
    ...pairsWith(alone.pending, by.rollBackAs("next", "parent", "the start"), by.claimBy("one"), by.cancel("parent")),
    ...pairsWith(alone.pending, by.forkParent("parent"), by.forkParent("parent"), by.claimBy("one")),
    ...pairsWith(alone.askedToPause, by.rollBackAs("next", "parent", "the start"), by.obeyPause(), by.unpause("parent"), by.terminate("parent")),
    ...pairsWith(
      alone.running,
      by.pause("parent"),
      by.pause("parent"),
      by.unpause("parent"),
      on.append,
      on.parkForTimer,
      by.readAndPark(on.inAnHour()),
      on.end,
      by.releaseBy("one"),
      by.reap("kill one", ["one"]),
      by.cancel("parent"),
      by.terminate("parent"),
    ),
    ...pairsOf(
      alone.askedToPause,
      by.obeyPause(),
      by.unpause("parent"),
      by.pause("parent"),
      on.append,
      on.end,
      on.quarantine,
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      inTransaction(signalling("parent")),
      by.releaseBy("one"),
      by.reap("kill one", ["one"]),
      by.claimBy("two"),
    ),
    ...pairsOf(
      alone.deadly,
      on.append,
      on.end,
      by.beat("one"),
      by.reap(),
      by.releaseBy("one"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.claimBy("two"),
      by.resumeAs("next"),
    ),
  ];
}

const ofContinuing = [
  on.continueAs("next"),
  on.continueAs("next2"),
  on.append,
  on.end,
  by.signal("parent"),
  inTransaction(signalling("parent")),
  by.cancel("parent"),
  by.terminate("parent"),
  by.claimBy("two"),
  by.reap("kill one", ["one"]),
];
const asking = by.askChildren("child", "sibling");

function pairsOfFamily(at: ReturnType<typeof families>, parent: "parent" | "lastParent"): Scenario[] {
  const back = [by.rollBackAs("next", parent, "the start"), by.rollBackAs("next", parent, "a child")];
  const ends = [on.childEnds, on.siblingEnds];
  const closes = [by.cancel("parent"), by.terminate("parent"), by.terminate("child"), by.signal("parent", "child")];
  const ofChildren = [...ends, ...closes, on.bothEnd, on.childStep, by.cancel("child"), by.releaseBy("two"), by.reap("kill two", ["two"])];
  return [
    ...pairsOf(
      at.waiting,
      ...ends,
      ...closes,
      on.bothEnd,
      on.familyCommit,
      on.parkForMessages,
      by.readAndPark(null),
      on.append,
      on.endWithOrphan,
      on.quarantine,
      on.childStep,
      by.cancel("child"),
      by.releaseBy("one"),
      by.releaseBy("two"),
      by.reap("kill both", ["one", "two"]),
      by.claimBy("one"),
    ),
    ...pairsOf(
      at.informed,
      on.siblingEnds,
      on.consume,
      on.consumeAndEnd,
      on.end,
      on.parkForMessages,
      by.readAndPark(null),
      ...closes,
      by.releaseBy("one"),
      by.reap("kill one", ["one"]),
      by.claimBy("two"),
    ),
    ...pairsOf(at.waiting, asking, on.childContinues, on.siblingEnds, by.signal("parent", "child"), by.terminate("parent"), by.claimBy("one")),
    ...pairsOf(at.informed, on.continueAs("next"), on.siblingEnds, by.terminate("child"), by.signal("parent", "child"), by.terminate("parent")),
    ...pairsOf(at.parked, ...ends, ...closes, on.bothEnd, by.claimBy("one"), by.releaseBy("two"), by.reap("kill two", ["two"])),
    ...back.flatMap((move) => [
      ...pairsWith(
        at.waiting,
        move,
        by.rollBackAs("next2", parent, "a child"),
        ...ends,
        ...closes,
        on.bothEnd,
        on.familyCommit,
        on.parkForMessages,
        on.append,
        on.childStep,
        by.releaseBy("two"),
        by.reap("kill both", ["one", "two"]),
        by.claimBy("one"),
      ),
      ...pairsWith(at.informed, move, on.siblingEnds, on.consume, by.readAndPark(null), ...closes),
      ...pairsWith(at.parked, move, ...ends, ...closes, by.claimBy("one")),
      ...pairsWith(at.paused, move, by.unpause("parent"), ...ends, by.cancel("parent"), by.claimBy("one")),
      ...pairsWith(at.due, move, by.claimBy("one"), on.childEnds),
      ...pairsWith(at.quarantined, move, by.resumeAs("next2"), ...ends),
      ...pairsWith(at.cancelled, move, by.resumeAs("next2"), on.childEnds, by.terminate("child")),
    ]),
    ...pairsOf(at.paused, by.unpause("parent"), by.pause("parent"), ...ends, ...closes, on.bothEnd, by.claimBy("one"), by.reap("kill two", ["two"])),
    ...pairsWith(at.due, by.pause("parent"), by.unpause("parent"), ...ends, ...closes, by.claimBy("one")),
    ...pairsWith(at.parked, by.pause("parent"), ...ends, ...closes),
    ...pairsOf(at.sleeping, ...ends, ...closes, by.claimBy("one")),
    ...pairsOf(at.due, ...ends, ...closes, by.claimBy("one"), by.claimBy("two")),
    ...pairsOf(
      at.cancelled,
      by.resumeAs("next"),
      by.resumeAs("next2"),
      ...ends,
      ...closes,
      on.bothEnd,
      by.claimBy("one"),
      by.startAgain(),
      by.signalWithStart(),
    ),
    ...pairsOf(at.quarantined, by.resumeAs("next"), by.resumeAs("next2"), ...ends, ...closes, by.claimBy("one")),
    ...pairsWith(at.held, by.resumeAs("next"), by.cancel("parent"), by.terminate("parent"), by.rollBackAs("next2", parent, "a child")),
    ...pairsWith(
      at.failed,
      by.retryAs("next", parent),
      by.retryAs("next2", parent),
      by.rollBackAs("next2", parent, "a child"),
      by.forget(),
      ...ofChildren,
      by.claimBy("one"),
      by.startAgain(),
      by.signalWithStart(),
      inTransaction(signalling("parent"), signalling("child")),
    ),
    ...pairsWith(at.forgettable, by.forget(), by.rollBackAs("next", parent, "a child")),
    ...pairsOf(at.forgettable, by.forget(), by.resumeAs("next"), ...ofChildren, by.startAgain(), by.signalWithStart()),
    ...pairsWith(at.continued, by.forgetContinued(), by.forgetContinued(), by.forget(), by.claimBy("one"), ...ofChildren),
    ...pairsOf(
      at.expired,
      by.beat("one"),
      by.expire(),
      by.reap(),
      on.append,
      on.end,
      on.childEnds,
      on.bothEnd,
      on.parkForMessages,
      by.releaseBy("one"),
      by.stop("one"),
      by.claimBy("two"),
      ...closes,
    ),
    ...pairsOf(at.dead, by.takeOverFrom("one"), on.append, on.familyCommit, on.childEnds, by.releaseBy("one"), by.beat("one"), by.claimBy("two"), ...closes),
  ];
}

function triplesOfFamily(at: ReturnType<typeof families>, parent: "parent" | "lastParent"): Scenario[] {
  const back = by.rollBackAs("next", parent, "a child");
  return [
    scenario(at.expired, by.claimBy("two"), by.beat("one"), by.reap()),
    scenario(at.expired, on.append, by.reap(), by.claimBy("two")),
    scenario(at.expired, on.childEnds, by.reap(), by.claimBy("two")),
    scenario(at.expired, on.familyCommit, by.reap(), by.cancel("child")),
    scenario(at.waiting, on.childEnds, on.parkForMessages, by.claimBy("two")),
    scenario(at.waiting, on.childEnds, by.readAndPark(null), by.claimBy("two")),
    scenario(at.sleeping, on.childEnds, by.claimBy("one"), by.claimBy("two")),
    scenario(at.waiting, on.childEnds, on.siblingEnds, on.parkForMessages),
    scenario(at.waiting, by.terminate("child"), on.parkForMessages, by.claimBy("one")),
    scenario(at.cancelled, by.resumeAs("next"), on.childEnds, by.claimBy("one")),
    scenario(at.waiting, back, on.childEnds, by.claimBy("one")),
    scenario(at.waiting, back, on.bothEnd, by.terminate("child")),
    scenario(at.due, by.pause("parent"), on.childEnds, by.claimBy("one")),
    scenario(at.paused, by.unpause("parent"), by.cancel("parent"), by.claimBy("one")),
    scenario(at.quarantined, by.resumeAs("next"), on.childEnds, by.claimBy("one")),
    scenario(at.quarantined, by.resumeAs("next"), on.childEnds, by.claimAndRest("one")),
    scenario(at.quarantined, by.resumeAs("next"), by.terminate("child"), by.claimAndRest("one")),
    scenario(at.cancelled, by.resumeAs("next"), by.terminate("child"), by.claimAndRest("one")),
    scenario(at.failed, by.retryAs("next", parent), on.childEnds, by.claimBy("one")),
    scenario(at.failed, by.retryAs("next", parent), by.forget(), on.bothEnd),
    scenario(at.forgettable, by.forget(), by.resumeAs("next"), on.childEnds),
    scenario(at.forgettable, by.forget(), by.startAgain(), by.terminate("child")),
    scenario(at.continued, by.forgetContinued(), by.forget(), by.terminate("parent")),
    scenario(at.continued, by.forgetContinued(), by.forgetContinued(), on.childEnds),
    // Each locks several rows, and a third holds one of them meanwhile.
    scenario(at.dead, by.takeOverFrom("one"), by.terminate("child"), by.cancel("parent")),
    scenario(at.dead, by.takeOverFrom("one"), by.terminate("child"), on.childStep),
    scenario(at.waiting, by.terminate("child"), on.familyCommit, by.cancel("parent")),
    scenario(at.cancelled, by.resumeAs("next"), on.bothEnd, by.terminate("child")),
    scenario(at.expired, by.releaseBy("one"), by.reap(), on.childStep),
  ];
}

const triplesAlone = [
  scenario(alone.running, on.continueAs("next"), by.signal("parent"), by.claimBy("two")),
  scenario(alone.running, on.continueAs("next"), by.cancel("parent"), by.claimBy("two")),
  scenario(alone.running, by.cancel("parent"), on.end, by.claimBy("two")),
  scenario(alone.running, by.cancel("parent"), by.readAndPark(on.inAnHour()), by.claimBy("two")),
  scenario(alone.running, by.releaseBy("one"), by.claimBy("two"), on.append),
  scenario(alone.running, by.stop("one"), by.claimBy("two"), on.appendTwo),
  scenario(alone.running, by.reap("kill one", ["one"]), by.claimBy("two"), on.end),
  scenario(alone.askedToPause, by.obeyPause(), by.unpause("parent"), by.claimBy("two")),
  scenario(alone.askedToPause, by.obeyPause(), by.cancel("parent"), by.claimBy("two")),
  scenario(alone.running, by.pause("parent"), by.readAndPark(on.inAnHour()), by.claimBy("two")),
  scenario(alone.deadly, by.reap(), on.append, by.terminate("parent")),
  scenario(alone.pending, by.cancel("parent"), by.claimBy("one"), by.claimBy("two")),
  scenario(alone.pending, by.cancel("parent"), by.claimBy("one"), by.terminate("parent")),
];

const pairsOfQueues = [
  ...pairsOf(
    limitedDue,
    claimLimitedBy("one"),
    claimLimitedBy("two"),
    allowTwo,
    noLimits,
    by.cancel("parent"),
    by.terminate("child"),
    by.signal("parent", "child"),
  ),
  ...pairsOf(limitedFull, claimLimitedBy("two"), limitedEnds, limitedParks, noLimits, by.releaseBy("one"), by.reap("kill one", ["one"]), by.terminate("child")),
];
const oneAtATime = { deduplicationId: "d", workflow: "w" };
const startDeduplicated = by.start("start one with its deduplication id", startOf("keyed", { ...oneAtATime, runId: runs.keyed }));
const pairsOfDeduplication = pairsOf(
  alone.deduplicated,
  startDeduplicated,
  by.start("start another with its deduplication id", startOf("keyed2", { ...oneAtATime, runId: runs.keyed2 })),
  on.end,
  on.quarantine,
  on.continueAs("next"),
  by.cancel("parent"),
  by.terminate("parent"),
  by.rollBackAs("next2", "parent", "the start"),
  by.reap("kill one", ["one"]),
);
const triplesOfDeduplication = [scenario(alone.deduplicated, startDeduplicated, on.end, by.rollBackAs("next2", "parent", "the start"))];
const pairsOfMerging = pairsOf(merging, mergeAs("first"), mergeAs("second"), startMerging, by.claimBy("one"), by.cancel("parent"), by.terminate("parent"));
const triplesOfMerging = [scenario(merging, mergeAs("first"), mergeAs("second"), by.claimBy("one"))];
const triplesOfQueues = [
  scenario(limitedDue, claimLimitedBy("one"), claimLimitedBy("two"), by.terminate("child")),
  scenario(limitedFull, claimLimitedBy("one"), claimLimitedBy("two"), limitedParks),
];

const ofSchedules = [fireBy("one"), fireBy("two"), pauseFirst, deleteFirst, startSameId, by.claimBy("one")];
const triplesOfSchedules = [
  scenario(scheduled, fireBy("one"), fireBy("two"), pauseFirst),
  scenario(scheduled, fireBy("one"), fireBy("two"), startSameId),
  scenario(scheduled, fireBy("one"), deleteFirst, by.claimBy("one")),
];

const first = families(runs.parent, "");
const last = families(runs.lastParent, ", parent last");

export const pairs = [
  ...pairsAlone(),
  ...pairsOf(alone.running, ...ofContinuing),
  ...pairsOf(scheduled, ...ofSchedules),
  ...pairsOfQueues,
  ...pairsOfMerging,
  ...pairsOfDeduplication,
  ...importPairs,
  ...policyPairs,
  ...streamPairs,
  ...userPairs,
  ...pairsOfFamily(first, "parent"),
  ...pairsOfFamily(last, "lastParent").filter(ofSeveral),
];
export const triples = [
  ...triplesAlone,
  ...triplesOfSchedules,
  ...triplesOfQueues,
  ...triplesOfMerging,
  ...triplesOfDeduplication,
  ...policyTriples,
  ...streamTriples,
  ...userTriples,
  ...triplesOfFamily(first, "parent"),
  ...triplesOfFamily(last, "lastParent"),
];
