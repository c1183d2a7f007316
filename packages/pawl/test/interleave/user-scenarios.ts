import * as on from "./appends.ts";
import { alone, families } from "./fixtures.ts";
import * as by from "./moves.ts";
import { ofSeveral, pairsOf, pairsWith, scenario, type Scenario } from "./scenario.ts";
import { fireBy, scheduled, scheduledId } from "./schedule-moves.ts";
import { inTransaction, rolledBack, signalling, starting, stepInDoubt, transactionalStep } from "./user-moves.ts";
import { runs, startOf, workers } from "./world.ts";

const first = families(runs.parent, "");
const last = families(runs.lastParent, ", parent last");

const keyed = { idempotencyKey: "k", workflow: "w" };
const startParent = inTransaction(starting("parent", { runId: runs.sibling }));
const startInVain = rolledBack(starting("parent", { runId: runs.lastParent }));
const startAndSignal = inTransaction(starting("parent", { runId: runs.next }), signalling("parent"));
const starts = [startParent, startInVain, startAndSignal, inTransaction(starting("keyed", { ...keyed, runId: runs.keyed }))];
const step = transactionalStep();

function pairsAlone(): Scenario[] {
  const own = [step, stepInDoubt, transactionalStep(signalling("parent")), transactionalStep(starting("newborn", { runId: runs.newborn }))];
  return [
    ...pairsOf(alone.nothing, ...starts),
    ...starts.flatMap((move) =>
      pairsWith(
        alone.nothing,
        move,
        by.start("start", startOf("parent")),
        by.start("start eagerly", startOf("parent", { runId: runs.other, claimBy: workers.one })),
        by.start("start another with that key", startOf("keyed2", { ...keyed, runId: runs.keyed2 })),
        by.signalWithStart(),
        by.signal("parent"),
        inTransaction(signalling("parent")),
        by.claimBy("one"),
        by.cancel("parent"),
        by.terminate("parent"),
      ),
    ),
    ...pairsWith(
      alone.pending,
      startAndSignal,
      startParent,
      by.claimBy("one"),
      by.cancel("parent"),
      by.terminate("parent"),
      by.startAgain(),
      by.signal("parent"),
    ),
    ...own.flatMap((move) =>
      pairsWith(
        alone.running,
        move,
        step,
        on.append,
        on.end,
        on.continueAs("next"),
        by.releaseBy("one"),
        by.reap("kill one", ["one"]),
        by.claimBy("two"),
        by.lookForLostClaim("parent"),
        by.cancel("parent"),
        by.terminate("parent"),
        by.signal("parent"),
        inTransaction(signalling("parent")),
        by.pause("parent"),
        by.rollBackAs("next", "parent", "the start"),
        by.forkParent("parent"),
      ),
    ),
    ...[step, stepInDoubt].flatMap((move) => pairsWith(alone.running, move, on.startChild(false), on.startChild(true))),
    ...pairsWith(alone.deadly, step, by.reap(), by.beat("one"), by.terminate("parent")),
    ...pairsWith(scheduled, inTransaction(starting(scheduledId, { runId: runs.sibling })), fireBy("one")),
    ...pairsWith(scheduled, rolledBack(starting(scheduledId, { runId: runs.sibling })), fireBy("one")),
    ...pairsWith(first.forgettable, startAndSignal, by.forget(), by.resumeAs("next2"), by.startAgain()),
    ...pairsWith(first.forgettable, inTransaction(signalling("parent")), by.forget(), by.resumeAs("next")),
  ];
}

/** What holds an execution and then wants another one. */
function pairsOfFamily(at: typeof first, parent: "parent" | "lastParent"): Scenario[] {
  const back = by.rollBackAs("next", parent, "a child");
  const ends = [on.childEnds, on.bothEnd, on.familyCommit];
  const closes = [by.cancel("parent"), by.terminate("parent"), by.terminate("child"), by.signal("parent", "child")];
  const frees = [by.releaseBy("one"), by.releaseBy("two"), by.reap("kill both", ["one", "two"])];
  const signals = [inTransaction(signalling("parent"), signalling("child")), inTransaction(signalling("child"), signalling("parent"))];
  const steps = [step, stepInDoubt, transactionalStep(signalling("child")), transactionalStep(signalling("child"), signalling("parent"))];
  return [
    ...pairsOf(at.waiting, ...signals),
    ...[...signals, ...steps].flatMap((move) => pairsWith(at.waiting, move, ...ends, ...closes, ...frees, back, by.askChildren("child", "sibling"))),
    ...steps.flatMap((move) => pairsWith(at.waiting, move, ...signals)),
    ...signals.flatMap((move) => [
      ...pairsWith(at.cancelled, move, by.resumeAs("next"), back, on.childEnds, by.terminate("child")),
      ...pairsWith(at.parked, move, by.claimBy("one"), on.childEnds, by.pause("parent"), back),
      ...pairsWith(at.paused, move, by.unpause("parent"), by.cancel("parent")),
      ...pairsWith(at.forgettable, move, by.forget(), by.resumeAs("next")),
    ]),
  ];
}

function triplesOfFamily(at: typeof first): Scenario[] {
  return [
    scenario(at.waiting, transactionalStep(signalling("child")), on.bothEnd, by.terminate("child")),
    scenario(at.waiting, inTransaction(signalling("child"), signalling("parent")), on.bothEnd, by.claimBy("two")),
    scenario(at.parked, inTransaction(signalling("parent")), by.claimBy("one"), by.claimBy("two")),
  ];
}

export const userPairs = [...pairsAlone(), ...pairsOfFamily(first, "parent"), ...pairsOfFamily(last, "lastParent").filter(ofSeveral)];
export const userTriples = [
  scenario(alone.nothing, startParent, startInVain, by.signalWithStart()),
  scenario(alone.nothing, startParent, by.start("start", startOf("parent")), by.claimBy("one")),
  scenario(alone.running, step, by.releaseBy("one"), by.claimBy("two")),
  scenario(alone.running, step, by.reap("kill one", ["one"]), by.claimBy("two")),
  scenario(alone.running, stepInDoubt, by.terminate("parent"), by.rollBackAs("next", "parent", "the start")),
  ...triplesOfFamily(first),
  ...triplesOfFamily(last),
];
