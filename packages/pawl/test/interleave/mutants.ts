import type { Scenario } from "./scenario.ts";
import { userStatement, type Mutation } from "./session.ts";

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

/** A check by a look beforehand in place of the one by the unique index. */
const idIsFree = (namespace: string, executionId: string): string =>
  ` WHERE NOT EXISTS (SELECT FROM "pawl".executions x WHERE x.namespace = ${namespace} AND x.execution_id = ${executionId})`;

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
    name: "a continuation without a fence",
    mutation: replacing("continue-as-new", [" AND epoch = $2::int AND last_seq = $3::int AND state = 'running'", ""]),
    scenario: "running: continue as next | terminate parent",
  },
  {
    name: "a continuation that takes the messages along which it saw at first",
    mutation: replacing(
      "continue-as-new",
      ["queued AS (", "carried AS (UPDATE inbox SET run_id = $6::uuid WHERE run_id = (SELECT run_id FROM old)),\nqueued AS ("],
      ["count(carry_messages(run_id, $6::uuid, $9::int[]))", "count(*)"],
    ),
    scenario: "running: continue as next | signal parent",
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
    name: "a signal with start that looks at the state of its snapshot",
    mutation: replacing("signal-with-start", ["AND e.state IN (", `AND ${seenBefore("state")} IN (`]),
    scenario: "running: end | signal with start",
  },
  {
    name: "a claim that waits for locked tasks",
    mutation: replacing("claim", ["FOR UPDATE SKIP LOCKED", "FOR UPDATE"]),
    scenario: "due: terminate parent | claim by one",
  },
  {
    name: "a claim that does not look again whether it is free",
    mutation: replacing("claim", [
      " AND worker_id IS NULL AND state IN ('pending', 'running', 'paused')\n ORDER BY run_id FOR UPDATE SKIP LOCKED",
      " ORDER BY run_id",
    ]),
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
    name: "a resume that cuts behind an event that it does not see",
    mutation: replacing("resume", [" AND last_seq <> (SELECT last_seq FROM target)", " AND false"]),
    scenario: "held: resume as next | cancel parent",
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
    name: "a rollback that carries the messages it saw at first",
    mutation: replacing(
      "next-run",
      ["count(carry_messages_back(run_id, $4::uuid, $8::int, $12::int[]))", "count(*)"],
      [
        "queued AS (",
        "carried AS (UPDATE inbox SET run_id = $4::uuid WHERE run_id = (SELECT run_id FROM old) AND $12::int[] IS NOT NULL),\ndropped AS (DELETE FROM tasks WHERE run_id = (SELECT run_id FROM old)),\nqueued AS (",
      ],
    ),
    scenario: "running: roll back to the start as next | signal parent",
  },
  {
    name: "a rollback that overlooks a child that was just started",
    mutation: replacing("next-run", ["count_children(run_id) =", "true OR 0 ="]),
    scenario: "running: roll back to the start as next | start a child",
  },
  {
    name: "a rollback that locks in another order",
    mutation: replacing("next-run", [" ORDER BY run_id FOR UPDATE)", " ORDER BY run_id DESC FOR UPDATE)"]),
    scenario: "waiting: roll back to a child as next | child ends",
  },
  {
    name: "an owner that pauses whatever has come",
    mutation: replacing("pause-claimed", [" AND e.inbox_seq = $4::int", ""]),
    scenario: "asked to pause: obey a pause | cancel parent",
  },
  {
    name: "a pause that looks for a cancel request before it has the row",
    mutation: replacing("pause", ["is_asked_to_end(run_id)", "EXISTS (SELECT FROM inbox x WHERE x.run_id = locked.run_id AND message_id = 'cancel')"]),
    scenario: "due: pause parent | cancel parent",
  },
  {
    name: "an unpause that looks for messages before it has the row",
    mutation: replacing("unpause", [
      "due_after_pause(run_id, last_seq - 1)",
      "CASE WHEN EXISTS (SELECT FROM inbox x WHERE x.run_id = u.run_id) THEN '-infinity'::timestamptz END",
    ]),
    scenario: "paused: unpause parent | child ends",
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
  {
    name: "an import that looks whether its id is free",
    mutation: replacing("import-execution", ["VALUES ($1", "SELECT $1"], ["$28::int)\n ON CONFLICT DO NOTHING", `$28::int${idIsFree("$2", "$3")}`]),
    scenario: "nothing: import parent as completed | start",
  },
  {
    name: "a start in a transaction that looks whether its id is free",
    mutation: replacing(userStatement, ["$14::smallint FROM t\n ON CONFLICT DO NOTHING", `$14::smallint FROM t${idIsFree("$2", "$3")}`]),
    scenario: "nothing: start parent in a transaction | start",
  },
  {
    name: "a transactional step without a fence",
    mutation: replacing(userStatement, [" AND e.epoch = $2::int AND e.last_seq = $3::int AND e.state = 'running'", ""]),
    scenario: "running: transactional step | kill one",
  },
  {
    name: "a transactional step that locks whom it signals when it commits",
    mutation: replacing(userStatement, ["n.ordinal >=", "n.ordinal < 0 AND n.ordinal >="]),
    scenario: "waiting, parent last: transactional step: signal child | terminate child",
  },
  {
    name: "a message to a child that another run has by now",
    mutation: replacing("tell-children", [" AND e.parent_run_id = $1::uuid AND e.state", " AND e.state"]),
    scenario: "child runs: roll back to the start as next2 | end and terminate child",
  },
  {
    name: "a pause that looks whether its parent has ended before it has the row",
    mutation: replacing("pause", [
      "is_asked_to_end(run_id)",
      "EXISTS (SELECT FROM inbox x WHERE x.run_id = locked.run_id AND message_id IN ('cancel', 'terminate'))",
    ]),
    scenario: "child rests: terminate parent | pause child",
  },
  {
    name: "a chunk of whoever was the owner",
    mutation: replacing("commit", ["WHERE u.accepted ON CONFLICT", "WHERE true ON CONFLICT"]),
    scenario: "streaming family: write a chunk and end child | release by one",
  },
];
