import * as on from "./appends.ts";
import type { Fixture } from "./fixtures.ts";
import * as by from "./moves.ts";
import { childObeys, claimChild, endAndTerminateChild, policies } from "./policy-moves.ts";
import { ofSeveral, pairsWith, scenario, type Scenario } from "./scenario.ts";
import { inTransaction, signalling } from "./user-moves.ts";
import { runs } from "./world.ts";

const first = policies(runs.parent, "");
const last = policies(runs.lastParent, ", parent last");

/** What ends the parent, or gives it another run, against what happens to its children meanwhile. */
function pairsOfPolicies(at: typeof first, parent: "parent" | "lastParent"): Scenario[] {
  const closing = (fixture: Fixture, ...moves: readonly by.Move[]): Scenario[] =>
    [by.terminate("parent"), endAndTerminateChild, by.rollBackAs("next2", parent, "the start")].flatMap((move) => pairsWith(fixture, move, ...moves));
  const asks = [by.cancel("child"), by.terminate("child"), by.signal("child", "sibling"), by.pause("child"), by.unpause("child"), by.claimBy("one")];
  return [
    ...closing(
      at.runs,
      ...asks,
      on.childEnds,
      on.siblingEnds,
      on.bothEnd,
      on.childStep,
      on.childContinues,
      childObeys,
      endAndTerminateChild,
      by.terminate("parent"),
      by.releaseBy("two"),
      by.releaseBy("one"),
      by.reap("kill two", ["two"]),
      by.reap("kill both", ["one", "two"]),
      by.lookForLostClaim("child"),
      inTransaction(signalling("child"), signalling("parent")),
    ),
    ...closing(at.pends, ...asks, claimChild),
    ...closing(at.rests, ...asks, claimChild),
    ...closing(at.pauses, ...asks, claimChild),
    ...closing(at.obeys, ...asks, childObeys, on.childEnds, on.childContinues, by.releaseBy("two"), by.reap("kill two", ["two"])),
  ];
}

function triplesOfPolicies(at: typeof first): Scenario[] {
  return [endAndTerminateChild, by.terminate("parent")].flatMap((move) => [
    scenario(at.runs, move, on.childContinues, by.claimBy("one")),
    scenario(at.runs, move, childObeys, by.pause("child")),
    scenario(at.rests, move, by.pause("child"), claimChild),
    scenario(at.pauses, move, by.unpause("child"), claimChild),
    scenario(at.obeys, move, childObeys, by.unpause("child")),
    scenario(at.pends, move, by.pause("child"), claimChild),
  ]);
}

export const policyPairs = [...pairsOfPolicies(first, "parent"), ...pairsOfPolicies(last, "lastParent").filter(ofSeveral)];
export const policyTriples = [...triplesOfPolicies(first), ...triplesOfPolicies(last)];
