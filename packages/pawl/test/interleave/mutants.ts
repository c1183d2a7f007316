import type { Scenario } from "./scenarios.ts";
import type { Mutation } from "./session.ts";

/** A mistake one could make in a statement, right as long as nothing happens at the same time, and a scenario that shows it. */
export interface Mutant {
  readonly name: string;
  readonly mutation: Mutation;
  /** The name of a scenario in which it must be found. */
  readonly scenario: Scenario["name"];
}

/** Replaces parts of one statement, wherever its text has them. */
function replacing(verb: string, ...parts: readonly (readonly [part: string, replacement: string])[]): Mutation {
  return ({ name, text }) => (name === verb ? parts.reduce((changed, [part, replacement]) => changed.replaceAll(part, () => replacement), text) : text);
}

/** The value that the statement's snapshot shows, not that of the row once it is locked. */
const seenBefore = (column: string): string => `(SELECT x.${column} FROM executions x WHERE x.run_id = e.run_id)`;

/** The second and third look at whose it is. */
const again = [
  [" AND worker_id = $1::uuid ORDER BY", " ORDER BY"],
  [" AND e.worker_id = $1::uuid", ""],
] as const;

export const mutants: readonly Mutant[] = [
  {
    name: "an append without a fence",
    mutation: replacing("commit", ["e.epoch = $2::int AND e.last_seq = $3::int AND ", ""]),
    scenario: "running: append | release by one",
  },
  {
    name: "a fence that looks at the snapshot",
    mutation: replacing("commit", [
      "e.epoch = $2::int AND e.last_seq = $3::int AND ",
      `${seenBefore("epoch")} = $2::int AND ${seenBefore("last_seq")} = $3::int AND `,
    ]),
    scenario: "running: append | append",
  },
  {
    name: "a park that looks at the inbox before it has the row",
    mutation: replacing("commit", ["e.inbox_seq = i.seen_inbox", `${seenBefore("inbox_seq")} = i.seen_inbox`]),
    scenario: "waiting: child ends | park for messages",
  },
  {
    name: "an end that empties the inbox it saw at first",
    mutation: replacing(
      "commit",
      ["CASE WHEN inbox_seq > 0 THEN drop_wakeups(run_id) END", "inbox_seq"],
      ["appended AS (", "emptied AS (DELETE FROM inbox WHERE run_id = (SELECT run_id FROM updated)),\nappended AS ("],
    ),
    scenario: "running: end | cancel parent",
  },
  {
    name: "a terminate that looks at the state without a lock",
    mutation: replacing("close-execution", ["ORDER BY e.run_id FOR UPDATE", "ORDER BY e.run_id"]),
    scenario: "running: end | terminate parent",
  },
  {
    name: "a terminate that locks in another order",
    mutation: replacing("close-execution", ["ORDER BY e.run_id FOR UPDATE", "ORDER BY e.run_id DESC FOR UPDATE"]),
    scenario: "waiting: child ends | terminate child",
  },
  {
    name: "a claim that waits for locked tasks",
    mutation: replacing("claim", ["FOR UPDATE SKIP LOCKED", "FOR UPDATE"]),
    scenario: "due: terminate parent | claim by one",
  },
  {
    name: "a claim that does not look again whether it is free",
    mutation: replacing("claim", [" AND worker_id IS NULL AND state IN ('pending', 'running')\n ORDER BY run_id FOR UPDATE SKIP LOCKED", " ORDER BY run_id"]),
    scenario: "pending: claim by one | terminate parent",
  },
  {
    name: "a release that does not look again whose it is",
    mutation: replacing("release", ...again),
    scenario: "running: end | release by one",
  },
  {
    name: "a takeover that does not look again whose it is",
    mutation: replacing("take-over", ...again),
    scenario: "dead: take over from one | release by one",
  },
  {
    name: "a delete that forgets the children it could not lock",
    mutation: replacing("delete-ended", [" AND coalesce(f.n, 0) = coalesce(k.n, 0)", ""]),
    scenario: "forgettable: delete what has ended | child ends",
  },
  {
    name: "a delete of what it has not locked",
    mutation: replacing("delete-ended", [
      "FROM locked l\n LEFT JOIN",
      "FROM (SELECT run_id, namespace, execution_id, state FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM wanted))) l\n LEFT JOIN",
    ]),
    scenario: "forgettable: delete what has ended | resume as next",
  },
  {
    name: "a worker declared dead whose heartbeat came first",
    mutation: replacing("expire-workers", [" FOR UPDATE SKIP LOCKED", ""]),
    scenario: "expired: heartbeat of one | expire",
  },
  {
    name: "a resume that does not lock",
    mutation: replacing("resume", [" ORDER BY run_id FOR UPDATE)", " ORDER BY run_id)"]),
    scenario: "quarantined: resume as next | terminate parent",
  },
  {
    name: "a resume that locks in another order",
    mutation: replacing("resume", [" ORDER BY run_id FOR UPDATE)", " ORDER BY run_id DESC FOR UPDATE)"]),
    scenario: "quarantined: resume as next | terminate child",
  },
  {
    name: "a terminate that does not look again who the parent is",
    mutation: replacing("close-execution", [" AND g.parent_run_id IS NOT DISTINCT FROM l.parent_run_id", ""]),
    scenario: "quarantined: resume as next | terminate child",
  },
  {
    name: "limits that are taken away with what their statement saw at first",
    mutation: replacing("delete-queue", [
      "SELECT forget_limits($1, name) FROM gone",
      "UPDATE tasks SET queue_key = NULL, priority = NULL WHERE namespace = $1 AND task_queue = (SELECT name FROM gone) AND queue_key IS NOT NULL RETURNING 1",
    ]),
    scenario: "limited: claim limited by one | take the limits away",
  },
  {
    name: "a firing that trusts what it has read",
    mutation: replacing("fire-schedules", [" AND s.revision = i.expected", ""], [" SKIP LOCKED", ""]),
    scenario: "scheduled: fire by one | pause the first",
  },
  {
    name: "a firing that looks at the revision of its snapshot",
    mutation: replacing(
      "fire-schedules",
      ["s.revision = i.expected", "(SELECT x.revision FROM schedules x WHERE x.id = s.id) = i.expected"],
      [" SKIP LOCKED", ""],
    ),
    scenario: "scheduled: fire by one | pause the first",
  },
  {
    name: "a firing that starts what it did not fire",
    mutation: replacing("fire-schedules", ["JOIN fired f ON f.id = n.id)", "JOIN schedules f ON f.id = n.id)"]),
    scenario: "scheduled: fire by one | pause the first",
  },
];
