/** What `npm test` explores of all that `npm run explore` does: races of every kind, in which both sides can win while they overlap. */
import { pairs, triples, type Scenario } from "./scenarios.ts";

const shortPairs = [
  "nothing: start | start eagerly",
  "nothing: start two | start two in another order",
  "pending: claim by one | claim by two",
  "pending: claim by one | cancel parent",
  "running: append | append",
  "running: append | release by one",
  "running: append | kill one",
  "running: append two | terminate parent",
  "running: park for a timer | cancel parent",
  "running: read and park | cancel parent",
  "running: end | cancel parent",
  "running: end | terminate parent",
  "running: start a child | terminate parent",
  "running: stop one | heartbeat of one",
  "deadly: append | reap",
  "waiting: child ends | sibling ends",
  "waiting: child ends | park for messages",
  "waiting: child ends | read and park",
  "waiting: child ends | end and cancel child",
  "waiting: terminate child | park for messages",
  "waiting: terminate child | append to parent and end child",
  "informed: sibling ends | consume and end",
  "parked: child ends | cancel parent",
  "parked: child ends | kill two",
  "due: terminate parent | claim by one",
  "cancelled: resume as next | resume as next2",
  "cancelled: resume as next | child ends",
  "quarantined: resume as next | terminate parent",
  "forgettable: delete what has ended | resume as next",
  "forgettable: delete what has ended | child ends",
  "forgettable: delete what has ended | start parent again",
  "expired: heartbeat of one | reap",
  "expired: reap | append",
  "expired: reap | release by one",
  "dead: take over from one | terminate child",
  "scheduled: fire by one | fire by two",
  "scheduled: fire by one | pause the first",
  "scheduled: fire by one | delete the first",
  "scheduled: fire by one | start the same ids",
  "limited: claim limited by one | claim limited by two",
  "limited: claim limited by one | take the limits away",
  "limited: claim limited by one | terminate child",
  "full: claim limited by two | claimed child ends",
  "full: claim limited by two | claimed child parks",
  "full: claim limited by two | kill one",
  "merging: merge first | merge first",
  "merging: merge first | merge second",
  "merging: merge first | claim by one",
  "waiting, parent last: child ends | terminate child",
  "quarantined, parent last: resume as next | terminate child",
  "cancelled, parent last: resume as next | both children end",
] as const;

const shortTriples = [
  "scheduled: fire by one | fire by two | pause the first",
  "full: claim limited by one | claim limited by two | claimed child parks",
  "running: cancel parent | end | claim by two",
  "running: release by one | claim by two | append",
  "expired: claim by two | heartbeat of one | reap",
  "expired: append | reap | claim by two",
  "waiting: child ends | park for messages | claim by two",
  "waiting: child ends | sibling ends | park for messages",
  "waiting: terminate child | park for messages | claim by one",
  "cancelled: resume as next | child ends | claim by one",
  "quarantined: resume as next | child ends | claim by one and rest",
] as const;

const named = (scenarios: readonly Scenario[], names: readonly string[]): Scenario[] =>
  names.map((name) => {
    const found = scenarios.find((scenario) => scenario.name === name);
    if (found === undefined) throw new Error(`There is no scenario "${name}".`);
    return found;
  });

export const shortTier = { pairs: named(pairs, shortPairs), triples: named(triples, shortTriples) };
