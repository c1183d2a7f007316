/** One deliberate fault in the built library: texts to find, each with what comes in its place. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
}

const commit = "postgres/statements/commit.js";
const commitOne = "postgres/statements/commit-one.js";
const continuation = "postgres/statements/continue-as-new.js";
const deleteContinued = "postgres/statements/delete-continued.js";
const tables = "../migrations/0001_init.sql";
const edit = (file: string, find: string, replace: string): Mutant["edits"][number] => ({ file, find, replace });

/**
 * What the simulator must be able to find. Each is a fault that someone could make, and most are faults that someone has
 * made. The texts are those of `packages/pawl/dist`, so production code holds no switch; a test fails when one no longer fits.
 */
export const mutants: readonly Mutant[] = [
  // Each of the three checks alone could go: every change of owner adds an event too. Together they are the fence.
  {
    name: "appends check the state only",
    edits: [edit(commit, "e.epoch = i.epoch AND e.last_seq = i.expected_seq AND ", ""), edit(commitOne, "AND e.epoch = $2::int AND e.last_seq = $3::int ", "")],
  },
  {
    name: "appends check nothing",
    edits: [
      edit(commit, "e.epoch = i.epoch AND e.last_seq = i.expected_seq AND e.state = 'running'", "true"),
      edit(commitOne, " AND e.epoch = $2::int AND e.last_seq = $3::int AND e.state = 'running'", ""),
    ],
  },
  { name: "heartbeats revive the dead", edits: [edit("postgres/statements/heartbeat.js", " AND state = 'live'", "")] },
  {
    name: "leases end five seconds early",
    edits: [edit("postgres/statements/expire-workers.js", "lease_until < (SELECT now FROM t)", "lease_until < (SELECT now FROM t) + interval '5 seconds'")],
  },
  {
    name: "a lease counts from the answer to its registration",
    edits: [edit("postgres/inline-lease-keeper.js", "let lastBeat = options.heldSince;", "let lastBeat = runtime.monotonicMs();")],
  },
  { name: "leases never end", edits: [edit("postgres/statements/expire-workers.js", "lease_until < (SELECT now FROM t)", "false")] },
  { name: "a take-over leaves the epoch", edits: [edit("postgres/statements/take-over.js", "epoch = e.epoch + 1,", "epoch = e.epoch,")] },
  { name: "a take-over queues nothing", edits: [edit("postgres/statements/take-over.js", "FROM freed WHERE state = 'running'\n", "FROM freed WHERE false\n")] },
  { name: "a claim leaves the epoch", edits: [edit("postgres/statements/claim.js", "epoch = e.epoch + 1,", "epoch = e.epoch,")] },
  { name: "a claim is not counted", edits: [edit("postgres/statements/claim.js", "claims = e.claims + 1,", "claims = e.claims,")] },
  {
    name: "claims are counted on failure",
    edits: [
      edit("postgres/statements/claim.js", "claims = e.claims + 1,", "claims = e.claims,"),
      edit("postgres/statements/take-over.js", "SET worker_id = NULL,", "SET worker_id = NULL, claims = e.claims + 1,"),
    ],
  },
  { name: "the fourth death is the last", edits: [edit("postgres/statements/take-over.js", "quarantineAfterClaims = 3", "quarantineAfterClaims = 4")] },
  {
    name: "progress does not reset the count of claims",
    edits: [
      edit(commit, '`CASE WHEN ${gone} THEN 0 ELSE 1 END` : "1"', '"e.claims" : "e.claims"'),
      edit(commitOne, "claims = 1 WHERE", "claims = e.claims WHERE"),
    ],
  },
  { name: "a transaction's turn overtakes the mark of a patch", edits: [edit("worker/outbox.js", 'event.type === "PatchMarked" || ', "")] },
  { name: "a pause leaves the request before it", edits: [edit("postgres/statements/pause.js", "withdraw_pause(run_id), ", "")] },
  { name: "a release leaves the epoch", edits: [edit("postgres/statements/release.js", "epoch = e.epoch + 1,", "epoch = e.epoch,")] },
  { name: "a release queues nothing", edits: [edit("postgres/statements/release.js", "FROM freed\n", "FROM freed WHERE false\n")] },
  { name: "parking does not look for messages", edits: [edit(commit, "OR ${inbox} = ${seenInbox})", "OR true)")] },
  { name: "parking sets no timer", edits: [edit(commit, "AND (delivered > 0 OR wake_at IS NOT NULL)", "AND delivered > 0")] },
  { name: "messages do not wake", edits: [edit(commit, "AND (delivered > 0 OR wake_at IS NOT NULL)", "AND wake_at IS NOT NULL")] },
  { name: "messages do not count", edits: [edit(commit, '"inbox_seq = e.inbox_seq + i.delivered"', '"inbox_seq = e.inbox_seq"')] },
  { name: "rejected appends send their messages", edits: [edit(commit, "(m.sender IN (SELECT run_id FROM updated WHERE accepted)) IS TRUE", "true")] },
  {
    name: "rejected appends start their children",
    edits: [edit(commit, '"WHERE s.parent_run_id IS NULL OR (s.parent_run_id IN (SELECT run_id FROM updated WHERE accepted)) IS TRUE"', '""')],
  },
  { name: "consumed messages stay", edits: [edit(commit, "DELETE FROM inbox x USING", "SELECT 1 FROM inbox x,")] },
  {
    name: "an end leaves messages behind",
    edits: [
      edit(commit, "(SELECT count(drop_wakeups(run_id)) FROM updated", "(SELECT count(run_id) FROM updated"),
      edit(commitOne, "THEN drop_wakeups(run_id) END", "THEN NULL END"),
    ],
  },
  {
    name: "terminating does not tell the parent",
    edits: [
      edit(
        "postgres/statements/close-execution.js",
        "WHERE p.run_id = (SELECT parent_run_id FROM closed) AND",
        "WHERE false AND p.run_id = (SELECT parent_run_id FROM closed) AND",
      ),
    ],
  },
  {
    name: "cancelling what is held leaves its children",
    edits: [edit("postgres/statements/close-execution.js", "WHERE l.parent_run_id = (SELECT run_id FROM closed)))", "WHERE false))")],
  },
  {
    name: "a cancel request does not wake",
    edits: [edit("postgres/statements/request-cancel.js", "FROM touched WHERE worker_id IS NULL", "FROM touched WHERE false")],
  },
  { name: "a pause leaves the task", edits: [edit("postgres/statements/pause.js", "take_task(run_id) AS wake_at", "now() AS wake_at")] },
  { name: "a pause forgets when it would have woken", edits: [edit("postgres/statements/pause.js", "json_build_object('wakeAt'", "json_build_object('then'")] },
  { name: "an owner that pauses takes no notice of messages", edits: [edit("postgres/statements/pause-claimed.js", " AND e.inbox_seq = $4::int", "")] },
  { name: "an unpause queues nothing", edits: [edit("postgres/statements/unpause.js", "FROM due WHERE at IS NOT NULL", "FROM due WHERE false")] },
  {
    name: "the cancel of a parent does not wake a paused child",
    edits: [edit(commit, "OR (state = 'paused' AND (run_id", "OR (false AND (run_id")],
  },
  {
    name: "a worker that has lost the parent ends the pause of a child",
    edits: [edit(commit, "(run_id IN (SELECT run_id FROM sent WHERE type = 'CancelRequested')) IS TRUE", "EXISTS (SELECT FROM sent) IS NOT NULL")],
  },
  {
    name: "a pause ends when the time is over and the clock is set back",
    edits: [edit("worker/active-execution.js", "if (this.#wasOverWhilePaused())", "if (false)")],
  },
  {
    name: "a rollback forgets what was received after the checkpoint",
    edits: [edit("../migrations/0001_init.sql", "AND type IN ('SignalReceived', 'UpdateReceived') ORDER BY seq", "AND false ORDER BY seq")],
  },
  {
    name: "a rollback leaves the ids of children",
    edits: [edit("kernel/replay.js", "this.calls.startChildrenAnew(`.r${event.runNumber}`)", "this.calls.startChildrenAnew(``)")],
  },
  {
    name: "a rollback leaves its children alone",
    edits: [
      edit(
        "postgres/statements/next-run.js",
        "WHEN k.execution_id = ANY($11::text[]) THEN $4::uuid END",
        "WHEN k.execution_id = ANY($11::text[]) THEN k.parent_run_id END",
      ),
    ],
  },
  {
    name: "a rollback keeps the claims of children",
    edits: [edit("postgres/statements/next-run.js", "worker_id = NULL, epoch = k.epoch + (k.worker_id IS NOT NULL)::int, claims", "claims")],
  },
  {
    name: "a fork is queued nowhere",
    edits: [edit("postgres/statements/fork.js", "version FROM forked)\nSELECT", "version FROM forked WHERE false)\nSELECT")],
  },
  {
    name: "a resume forgets the children",
    edits: [edit("postgres/statements/resume.js", "IS TRUE THEN $3::uuid WHEN", "IS TRUE THEN k.parent_run_id WHEN")],
  },
  {
    name: "a resume keeps what came after the request",
    edits: [edit("postgres/statements/resume.js", "(SELECT min(h.seq) - 1 FROM history h", "(SELECT max(h.seq) FROM history h")],
  },
  {
    name: "lost replies of commits are taken for rejections",
    edits: [edit("postgres/commit-batch.js", "if (repeated && missing.length > 0)", "if (false && missing.length > 0)")],
  },
  { name: "a repeated commit writes what it has written", edits: [edit(commit, " AND e.commit_id <> ${commit}", "")] },
  { name: "a resume leaves what was not read", edits: [edit("postgres/statements/resume.js", "count(move_messages(run_id, $3::uuid))", "count(run_id)")] },
  { name: "a resume leaves the delay of the start", edits: [edit("postgres/statements/resume.js", "not_before = NULL", "not_before = e.not_before")] },
  {
    name: "what is due and has no slot wakes itself",
    edits: [edit("worker/wake-timer.js", "this.#armAfter(now);", "this.#armAfter(Number.NEGATIVE_INFINITY);")],
  },
  {
    name: "timers fire early",
    edits: [
      edit(
        "worker/call-starter.js",
        "requested.has(-call.position))\n            return;\n        if (call.fireAt > this",
        "requested.has(-call.position))\n            return;\n        if (call.fireAt - 200 > this",
      ),
    ],
  },
  { name: "retries do not wait", edits: [edit("worker/step-runner.js", "call.retryAt !== undefined && call.retryAt > this.#owner.now()", "false")] },
  { name: "the worker's clock runs ahead", edits: [edit("worker/database-clock.js", "return this.#at + ", "return 700 + this.#at + ")] },
  {
    name: "steps start without a lease",
    edits: [edit("worker/worker.js", 'this.#state === "running" && this.holdsLease()', 'this.#state === "running"')],
  },
  { name: "a lost lease drops nothing", edits: [edit("worker/membership.js", "this.#onLost(error);", "")] },
  {
    name: "a rejected write is taken for an accepted one",
    edits: [
      edit(
        "worker/active-execution.js",
        'if (outcome.outcome === "rejected") {',
        'if (outcome.outcome === "rejected" && (outcome = { outcome: "accepted", at: this.#host.now(), parked: false, conflicts: [] }) === undefined) {',
      ),
    ],
  },
  {
    name: "children do not tell their parents of their end",
    edits: [edit("worker/active-execution.js", "if (parentRunId !== null && end.toParent !== undefined) {", "if (false) {")],
  },
  {
    name: "messages are taken twice",
    edits: [
      edit("worker/known-messages.js", "if (this.#read.has(key))", "if (false)"),
      edit("worker/known-messages.js", "if (this.tells(event))", "if (false)"),
    ],
  },
  {
    name: "what was asked for starts before the history is applied",
    edits: [edit("worker/active-execution.js", "if (this.#delivery.isDone && this.#writer.outbox.isEmpty)", "")],
  },
  {
    name: "events are delivered without a pause",
    edits: [edit("worker/delivery.js", "if (settled)\n                    return this.schedule();", "")],
  },
  {
    name: "attempts are counted from one in every process",
    edits: [edit("worker/step-attempt.js", "this.attempt = call.lastAttempt + 1;", "this.attempt = 1;")],
  },
  { name: "work is found by hints only", edits: [edit("worker/task-poller.js", "this.#timer = this.#runtime.startTimer(", "0 && this.#runtime.startTimer(")] },
  {
    name: "children outlive a cancel that meets their start",
    edits: [edit("worker/children.js", "const start = this.#writer.outbox.withdraw(call.position);", "const start = undefined;")],
  },
  {
    name: "a late reply to a start begins what has been claimed since",
    edits: [
      edit(
        "worker/local-executions.js",
        'if (!this.slots.unreserve(start.runId, "start") || start.claimBy !== this.#worker.workerId)\n            return;',
        'this.slots.unreserve(start.runId, "start");',
      ),
    ],
  },
  {
    name: "an end forgets the children that go on",
    edits: [edit("worker/children.js", "if (messages.length > 0)", "if (false)")],
  },
  { name: "the dead are never looked for", edits: [edit("worker/reaper.js", "for (const workerId of dead)", "for (const workerId of [])")] },
  { name: "executions park with steps to start", edits: [edit("worker/call-starter.js", " || steps.hasOneToStart(this.#open)", "")] },
  { name: "steps start while a park is under way", edits: [edit("worker/active-execution.js", "&& !this.#writer.isParking ", "")] },
  { name: "messages of one batch arrive backwards", edits: [edit("postgres/statements/send-messages.js", "ORDER BY m.ord", "ORDER BY m.ord DESC")] },
  { name: "a schedule fires whatever its revision", edits: [edit("postgres/statements/fire-schedules.js", " AND s.revision = i.expected", "")] },
  {
    name: "a fired execution is queued nowhere",
    edits: [edit("postgres/statements/fire-schedules.js", "workflow || '@' || version FROM begun)", "workflow || '@' || version FROM begun WHERE false)")],
  },
  {
    name: "a schedule forgets what it has started",
    edits: [edit("postgres/statements/fire-schedules.js", "open = i.open::text[]", "open = '{}'")],
  },
  {
    name: "nobody looks at schedules whose instants wait",
    edits: [edit("postgres/statements/read-schedules.js", "s.namespace = $1 AND s.waiting AND (s.next_fire_at", "false AND s.waiting AND (s.next_fire_at")],
  },
  {
    name: "a paused schedule starts what is buffered",
    edits: [
      edit("kernel/schedule/advance.js", "state.buffered.length > 0 && !state.paused", "state.buffered.length > 0"),
      edit("kernel/schedule/advance.js", "if (!situation.state.paused) {", "if (situation.state.paused)\n        round.drain();\n    else {"),
    ],
  },
  {
    name: "a heartbeat that was recorded is not told to the next attempt",
    edits: [edit("kernel/replay.js", 'if (call?.kind === "step")\n                    call.lastHeartbeat = readPayload(event.heartbeat);', "void call;")],
  },
  {
    name: "of several changes of attributes in one commit only the last counts",
    edits: [edit("worker/outbox.js", "attributes = { ...attributes, ...outgoing.event.attributes }", "attributes = outgoing.event.attributes")],
  },
  {
    name: "labels that code sets stay out of the row",
    edits: [edit("worker/outbox.js", "...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),", "")],
  },
  {
    name: "a rollback leaves labels as they are",
    edits: [edit("postgres/statements/next-run.js", "labels = $15::jsonb, ", "labels = CASE WHEN $15::jsonb IS NULL THEN e.labels ELSE e.labels END, ")],
  },
  {
    name: "rejected appends write to streams",
    edits: [edit(commit, "JOIN updated u ON u.run_id = c.run_id\n WHERE u.accepted ON", "JOIN executions u ON u.run_id = c.run_id ON")],
  },
  { name: "streams begin anew in every claim", edits: [edit("worker/stream-writer.js", "if (this.#isFresh && !this.#ends", "if (!this.#ends")] },
  {
    name: "attempts that write are not announced",
    edits: [edit("worker/outgoing-streams.js", "this.#steps.announce(attempt);", "")],
  },
  {
    name: "transactions check no fence",
    edits: [
      edit(
        "postgres/statements/append-in-transaction.js",
        " AND e.epoch = $2::int AND e.last_seq = $3::int AND e.state = 'running' RETURNING e.run_id)",
        " RETURNING e.run_id, e.last_seq)",
      ),
      edit("postgres/statements/append-in-transaction.js", "SET last_seq = $3::int + 1,", "SET last_seq = e.last_seq + 1 + 0 * $3::int,"),
      edit("postgres/statements/append-in-transaction.js", "SELECT run_id, $3::int + 1,", "SELECT run_id, last_seq,"),
    ],
  },
  {
    name: "transactions begin without a look at the lease",
    edits: [edit("worker/transaction-runner.js", "isOwner = owner.holdsLease();", "isOwner = true;")],
  },
  {
    name: "what is deleted leaves its chunks",
    edits: [edit("postgres/statements/delete-ended.js", "DELETE FROM stream_chunks WHERE", "DELETE FROM stream_chunks WHERE false AND")],
  },
  {
    name: "a continuation checks nothing",
    edits: [edit(continuation, " AND epoch = $2::int AND last_seq = $3::int AND state = 'running' FOR UPDATE", " FOR UPDATE")],
  },
  { name: "a continuation leaves the epoch", edits: [edit(continuation, "epoch = e.epoch + 1, last_seq = 1", "epoch = e.epoch, last_seq = 1")] },
  {
    name: "a continuation queues nothing",
    edits: [edit(continuation, "workflow || '@' || version FROM moved)", "workflow || '@' || version FROM moved WHERE false)")],
  },
  { name: "a continuation leaves messages behind", edits: [edit(continuation, "FROM old WHERE inbox_seq > 0)", "FROM old WHERE false)")] },
  {
    name: "a continuation takes the children's messages along",
    edits: [edit(continuation, "count(carry_messages(run_id, $6::uuid, $9::int[]))", "count(move_messages(run_id, $6::uuid))")],
  },
  {
    name: "what came too late for a run that continues is lost",
    edits: [edit("worker/active-execution.js", "const received = [...untaken, ...late]", "const received = [...untaken]")],
  },
  {
    name: "a run that has continued as new goes on",
    edits: [
      edit("kernel/code-calls.js", "if (this.#replay.hasContinued)", "if (false)"),
      edit("worker/delivery.js", '(this.isDone || outcome.outcome === "continued")', "this.isDone"),
      edit("worker/call-starter.js", "if (this.#stopped || ", "if ("),
    ],
  },
  { name: "a replay forgets which patches are marked", edits: [edit("kernel/patches.js", "this.#answers.set(event.patchId, true);", "void 0;")] },
  {
    name: "continued runs use the idempotency keys of the run before",
    edits: [edit("kernel/continuation.js", "`${executionId}/${continuedFrom.runId}`", "executionId")],
  },
  {
    name: "what is deleted leaves its events",
    edits: [edit("postgres/statements/delete-ended.js", "DELETE FROM history WHERE run_id", "DELETE FROM history WHERE false AND run_id")],
  },
  {
    name: "the history of an earlier run outlives it",
    edits: [edit(deleteContinued, "DELETE FROM history WHERE run_id", "DELETE FROM history WHERE false AND run_id")],
  },
  {
    name: "earlier runs are deleted that did not continue as new",
    edits: [edit(deleteContinued, " AND s.state = 'continued_as_new'", "")],
  },
  {
    name: "an earlier run is deleted without those before it",
    edits: [edit(deleteContinued, "q.run_number <= w.run_number", "q.run_number = w.run_number")],
  },
  {
    name: "children remain with a run that is deleted",
    edits: [edit(deleteContinued, "SET parent_run_id = NULL, parent_position = NULL", "SET parent_run_id = parent_run_id")],
  },
  { name: "a limit counts nothing", edits: [edit(tables, "q.concurrency - (SELECT count(*) FROM", "q.concurrency - (SELECT 0 * count(*) FROM")] },
  {
    name: "a limit counts what the claim before it saw",
    edits: [edit(tables, "AND e.worker_id IS NOT NULL AND e.queue_key IS NOT NULL));", "AND e.worker_id = claimer AND e.queue_key IS NOT NULL));")],
  },
  {
    name: "claims do not count against limits",
    edits: [
      edit(tables, "queue_key = coalesce(e.queue_key, '')\n\t\t\tWHERE e.run_id = ANY(picked)", "queue_key = e.queue_key\n\t\t\tWHERE e.run_id = ANY(picked)"),
    ],
  },
  {
    name: "a limit per key counts nothing",
    edits: [
      edit(
        tables,
        "key_room := greatest(0, q.key_concurrency - (SELECT count(*) FROM",
        "key_room := greatest(0, q.key_concurrency - (SELECT 0 * count(*) FROM",
      ),
    ],
  },
  {
    name: "a rate forgets what has begun",
    edits: [edit(tables, "INSERT INTO queue_begins (namespace, task_queue, queue_key, at, executions) VALUES (ns, queue, key, t, begun);", "NULL;")],
  },
  {
    name: "a rate counts half its period",
    edits: [edit(tables, "since timestamptz := t - period_ms * interval '1 millisecond'", "since timestamptz := t - period_ms * interval '0.5 milliseconds'")],
  },
  {
    name: "a rate lets all begin",
    edits: [edit(tables, "known, the_suspect, least(most - cardinality(run_ids), most_begin))", "known, the_suspect, most)")],
  },
  {
    name: "priorities are turned round",
    edits: [edit(tables, "ORDER BY k.priority, k.visible_at, k.run_id LIMIT greatest", "ORDER BY k.priority DESC, k.visible_at, k.run_id LIMIT greatest")],
  },
  { name: "what has become due is never put in order", edits: [edit(tables, "IF got IS NOT NULL THEN\n\t\t\tany_more", "IF false THEN\n\t\t\tany_more")] },
  {
    name: "keys do not take turns",
    edits: [
      edit(
        tables,
        "known, the_suspect, 1, least(begin_room, key_begin_room), t)",
        "known, the_suspect, least(room, key_room), least(begin_room, key_begin_room), t)",
      ),
      edit(tables, "room := room - 1;", "room := room - cardinality(got);"),
    ],
  },
  {
    name: "workers never hear that limits are gone",
    edits: [
      edit("postgres/postgres-store.js", "unlimited: last.unlimited ?? []", "unlimited: []"),
      edit(
        "worker/claim-rules.js",
        "this.#names = await this.#store.readClaimRules(this.#namespace);",
        "const known = this.#names.limitedQueues;\n        this.#names = await this.#store.readClaimRules(this.#namespace);\n        this.#names = { ...this.#names, limitedQueues: [...new Set([...known, ...this.#names.limitedQueues])] };",
      ),
    ],
  },
  {
    name: "a merged start whose reply was lost is merged again",
    edits: [edit("postgres/statements/merge-start.js", "was_merged($1::uuid, $2) AS yes", "was_merged($1::uuid, $2) AND false AS yes")],
  },
  {
    name: "a full batch takes more starts",
    edits: [
      edit("postgres/statements/merge-start.js", "merge_key = CASE WHEN e.last_seq + 1 >= $6::int THEN NULL ELSE e.merge_key END", "merge_key = e.merge_key"),
    ],
  },
  { name: "what is paused goes on gathering starts", edits: [edit("postgres/statements/pause.js", ", merge_key = NULL", "")] },
  {
    name: "a signal of a transaction does not wake",
    edits: [edit(tables, "FROM touched WHERE worker_id IS NULL AND state = 'running'\n", "FROM touched WHERE false\n")],
  },
  {
    name: "a pause that is being carried out is taken for withdrawn",
    edits: [edit("worker/active-execution.js", "!this.#pause.isAsked || this.#pause.isUnderWay", "!this.#pause.isAsked")],
  },
  {
    name: "a replay forgets which updates are answered",
    edits: [edit("worker/active-execution.js", "this.#replied.add(event.updateId);", "void 0;")],
  },
  {
    name: "a deadline that was over before its run began is forgotten",
    edits: [
      edit("kernel/deadline.js", "const own = timeoutMs === undefined", "const own = timeoutMs === undefined || timeoutFrom + timeoutMs <= history[0].at"),
    ],
  },
  {
    name: "a parent goes on when the time of its child and its own is over",
    edits: [edit("worker/known-messages.js", "event.deadline >= deadline", "event.deadline > deadline")],
  },
  {
    name: "a bulk operation passes by the first of a page",
    edits: [edit("client/bulk/apply-bulk.js", "let next = 0;", "let next = targets.length > 1 ? 1 : 0;")],
  },
  {
    name: "a bulk operation sends its signals under other ids",
    edits: [edit("client/bulk/apply-bulk.js", "{ signalId: bulkId }", "{ signalId: bulkId + handle.executionId }")],
  },
  { name: "a bulk operation counts what is gone as failed", edits: [edit("client/bulk/apply-bulk.js", "if (isGone(error))", "if (false)")] },
  {
    name: "what is parked wakes eight seconds after its timer is due",
    edits: [edit("worker/parking.js", "wakeAt: this.#wakeAt ?? null", "wakeAt: this.#wakeAt === undefined ? null : this.#wakeAt + 8000")],
  },
  {
    name: "a late record about the loser of a race is taken for a mismatch",
    edits: [edit("kernel/call-table.js", "if (this.#settled.has(position))", "if (false)")],
  },
  {
    name: "a cron pattern passes by an instant within the same second",
    edits: [edit("kernel/schedule/cron.js", "Math.floor(at / 1000) * 1000", "Math.ceil(at / 1000) * 1000")],
  },
  { name: "starts pass by the limits of their queue", edits: [edit("worker/worker-claims.js", "|| this.#rules.hasLimits(taskQueue) ||", "||")] },
  { name: "workers claim every version", edits: [edit("postgres/statements/claim.js", "AND q.definition = ANY($3::text[])", "AND $3::text[] IS NOT NULL")] },
  { name: "an attempt has all the time it wants", edits: [edit("worker/step-attempt.js", '() => this.#expire(timeoutMs, "timeout")', "() => { }")] },
  { name: "a fork leaves the results that were edited", edits: [edit("client/fork.js", ", ...editedResults(whole.events, options.results ?? {})]", "]")] },
  { name: "a backfill starts once and is done", edits: [edit("kernel/schedule/advance.js", "unfinished.push({ ...backfill, from });", "void from;")] },
  {
    name: "a deleted schedule goes on",
    edits: [edit("postgres/statements/delete-schedule.js", "DELETE FROM schedules WHERE", "UPDATE schedules SET namespace = namespace WHERE")],
  },
  { name: "the last signal is taken first", edits: [edit("kernel/mailbox.js", "return kept?.shift();", "return kept?.pop();")] },
  { name: "what a saga did stays when it fails", edits: [edit("kernel/saga.js", "const failures = await undoAll();", "const failures = [];")] },
  {
    name: "calls begin after a cancel request",
    edits: [edit("kernel/code-calls.js", "if (this.#replay.cancelRequested !== undefined && !shielded)", "if (false)")],
  },
  {
    name: "a query is answered without what was recorded last",
    edits: [edit("client/execution-handle.js", "(await this.history()).map(", "(await this.history()).slice(0, -1).map(")],
  },
  {
    name: "calls begin between a result and the cancel request behind it",
    edits: [edit("worker/active-execution.js", "(call.shielded || !isCancelled)", "true")],
  },
  {
    name: "who has no lease answers queries",
    edits: [
      edit(
        "worker/worker.js",
        "this.#membership.leaseValid ? this.#executions.get(runId)?.query(name, argument) : undefined",
        "this.#executions.get(runId)?.query(name, argument)",
      ),
    ],
  },
  {
    name: "what a worker runs takes no notice of paused queues",
    edits: [edit("worker/local-executions.js", "return this.#rules.isPaused(execution);", "return false;")],
  },
  {
    name: "who is to be cancelled is paused",
    edits: [
      edit("worker/active-execution.js", "return !this.#known.isCancelRequested && (this.#pause.isAsked ||", "return (this.#pause.isAsked ||"),
      edit("worker/active-execution.js", "if (request !== undefined && this.#known.isCancelRequested) {", "if (false) {"),
    ],
  },
  {
    name: "what was asked for before a continuation is forgotten where its code had not come to the end of its history",
    edits: [edit("worker/active-execution.js", "this.#starter.advanceUnawaited(recorded);", "")],
  },
];
