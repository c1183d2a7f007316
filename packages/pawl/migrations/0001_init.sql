-- The whole state of Pawl. Read it top to bottom: an execution is one row plus its append-only history; a parked
-- execution that has something to do, or a time to do it, has one row in tasks; messages into it wait in inbox.

-- Every time in this schema comes from here, so that tests can set it: set pawl.now = '2030-01-01T00:00:00Z'.
-- Volatile, as its body is: only then is it inlined, which saves every statement 60 us.
CREATE FUNCTION current_time_of_pawl() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS
$$ SELECT coalesce(nullif(current_setting('pawl.now', true), '')::timestamptz, clock_timestamp()) $$;
CREATE TABLE workers (
	id uuid PRIMARY KEY,
	namespace text NOT NULL,
	-- live: holds its lease. stopped: gave everything back. dead: its lease ended and its executions were taken over.
	state text NOT NULL,
	lease_until timestamptz NOT NULL,
	-- Identifies the machine (host, boot, pid namespace), so that a neighbour can tell at once that the process is gone.
	host text NOT NULL,
	pid integer NOT NULL,
	pid_started text NOT NULL,
	task_queues text[] NOT NULL,
	definitions text[] NOT NULL,
	-- The task queue that each of them names, in the same order: where a start by name puts it.
	definition_queues text[] NOT NULL,
	concurrency integer NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz
);
CREATE INDEX workers_live ON workers (lease_until) WHERE state = 'live';
-- Finds those that ended longer ago than anybody asks for: they are deleted.
CREATE INDEX workers_ended ON workers (ended_at) WHERE state <> 'live';
-- One row per execution: the latest run. A projection of its history, except for the claim (epoch, worker_id, claims,
-- commit_id) and inbox_seq, which are leases and counters and not part of what happened.
CREATE TABLE executions (
	run_id uuid PRIMARY KEY,
	epoch integer NOT NULL,
	last_seq integer NOT NULL,
	inbox_seq integer NOT NULL DEFAULT 0,
	-- Claims since the last commit: 3 without progress mean that it kills its workers.
	claims integer NOT NULL DEFAULT 0,
	run_number integer NOT NULL DEFAULT 1,
	parent_position integer,
	commit_id bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL,
	-- A delayed start is not claimed before this.
	not_before timestamptz,
	started_at timestamptz,
	finished_at timestamptz,
	worker_id uuid,
	parent_run_id uuid,
	state text NOT NULL,
	namespace text NOT NULL,
	execution_id text NOT NULL,
	workflow text NOT NULL,
	version text NOT NULL,
	task_queue text NOT NULL,
	idempotency_key text,
	-- What happens to it when its parent ends: terminate or abandon; null: it is asked to cancel.
	parent_close_policy text,
	-- One open execution of a workflow at a time has it.
	deduplication_id text,
	-- While it is pending, starts with the same one are merged into it.
	merge_key text,
	-- Its key within its queue, given at its start; '' once it was claimed from a queue with limits without one.
	queue_key text,
	-- Smaller goes first; null is 0.
	priority smallint,
	-- What a parked execution waits for, in words.
	waiting_for text,
	-- What it belongs to, given at its start, and what is known of it, which its code may change: names and plain values, a
	-- time as {"time": milliseconds since 1970}. Null where there are none, so that the index knows only of rows that have some.
	labels jsonb,
	attributes jsonb
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX executions_id ON executions (namespace, execution_id);
CREATE UNIQUE INDEX executions_idempotency ON executions (namespace, workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX executions_deduplication ON executions (namespace, workflow, deduplication_id)
	WHERE deduplication_id IS NOT NULL AND state IN ('pending', 'running', 'paused', 'quarantined');
CREATE UNIQUE INDEX executions_merging ON executions (namespace, workflow, merge_key) WHERE merge_key IS NOT NULL AND state = 'pending';
CREATE INDEX executions_claimed ON executions (worker_id) WHERE worker_id IS NOT NULL;
-- Finds the open ones that nobody has claimed: an execution that is claimed as it starts, and runs to its end, does not touch it.
CREATE INDEX executions_unclaimed ON executions (namespace, run_id) WHERE worker_id IS NULL AND state IN ('pending', 'running');
-- What counts against the limits of a queue. Claims change worker_id, so that no update is dearer for those without limits.
CREATE INDEX executions_limited ON executions (namespace, task_queue, queue_key) WHERE worker_id IS NOT NULL AND queue_key IS NOT NULL;
-- Finds the executions of one key; most have none.
CREATE INDEX executions_key ON executions (namespace, queue_key, run_id) WHERE queue_key <> '';
CREATE INDEX executions_children ON executions (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX executions_search ON executions USING gin (labels, attributes) WHERE labels IS NOT NULL OR attributes IS NOT NULL;
-- What people look for among millions that went well. A commit that begins, continues or completes an execution does not touch it.
CREATE INDEX executions_exceptional ON executions (namespace, run_id)
	WHERE state IN ('failed', 'quarantined', 'cancelled', 'terminated', 'timed_out', 'paused', 'continued_as_new');
-- What happened in a run, in order, without gaps. Rows are only ever added.
CREATE TABLE history (
	run_id uuid NOT NULL,
	seq integer NOT NULL,
	-- The claim under which it was written; 0 for what a client wrote.
	epoch integer NOT NULL,
	at timestamptz NOT NULL,
	type text NOT NULL,
	data text NOT NULL,
	PRIMARY KEY (run_id, seq)
);
-- Earlier runs of an execution (it was resumed, rolled back, ...): the row as it was when the run ended.
CREATE TABLE past_runs (
	run_id uuid PRIMARY KEY,
	namespace text NOT NULL,
	execution_id text NOT NULL,
	run_number integer NOT NULL,
	workflow text NOT NULL,
	version text NOT NULL,
	state text NOT NULL,
	last_seq integer NOT NULL,
	created_at timestamptz NOT NULL,
	started_at timestamptz,
	finished_at timestamptz
);
CREATE INDEX past_runs_execution ON past_runs (namespace, execution_id, run_number);
-- Work to claim: at most one row per parked execution, visible from its next timer on. A claim deletes the row.
CREATE TABLE tasks (
	run_id uuid PRIMARY KEY,
	visible_at timestamptz NOT NULL,
	namespace text NOT NULL,
	task_queue text NOT NULL,
	-- workflow@version: a worker claims only what it has the code of.
	definition text NOT NULL,
	-- Its last claims ended with dead workers: claimed alone, see statements/claim.ts.
	suspect boolean NOT NULL DEFAULT false,
	-- Set when it is due in a queue with limits and was put in order there, see claim_limited: the key, and the priority.
	queue_key text,
	priority smallint
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tasks_claim ON tasks (namespace, task_queue, visible_at) WHERE NOT suspect AND queue_key IS NULL;
CREATE INDEX tasks_ordered ON tasks (namespace, task_queue, queue_key, priority, visible_at, run_id) WHERE queue_key IS NOT NULL;
CREATE INDEX tasks_suspects ON tasks (namespace, task_queue, visible_at) WHERE suspect;
-- Messages into an execution (a child's end, a cancel request) until its owner has put them into its history.
CREATE TABLE inbox (
	run_id uuid NOT NULL,
	message_id text NOT NULL,
	ordinal bigint GENERATED ALWAYS AS IDENTITY,
	type text NOT NULL,
	data text NOT NULL,
	PRIMARY KEY (run_id, message_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- Signals that transactions of users will send with their commit: a row is gone when it could be seen. Until then it locks nothing.
CREATE UNLOGGED TABLE noted_signals (
	ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	namespace text NOT NULL,
	execution_id text NOT NULL,
	message_id text NOT NULL,
	data text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- What executions write for others to follow, such as the tokens of a model: the chunks of each stream, numbered from 0 without
-- gaps. They outlive a resume, so they belong to the execution, not to the run. Rows are only added.
CREATE TABLE stream_chunks (
	namespace text NOT NULL,
	execution_id text NOT NULL,
	stream text NOT NULL,
	chunk_offset integer NOT NULL,
	-- The run and the claim under which it was written.
	run_id uuid NOT NULL,
	epoch integer NOT NULL,
	at timestamptz NOT NULL,
	-- The step that wrote it, and in which attempt; null: workflow code did.
	step_position integer,
	attempt integer,
	-- Null closes the stream.
	data text,
	PRIMARY KEY (namespace, execution_id, stream, chunk_offset)
);
-- Limits of queues, set by anyone at any time. A queue without a row has none. Whoever claims from a queue with a row locks
-- the row: claims of one queue follow each other, so that each counts what the one before has claimed.
CREATE TABLE queues (
	namespace text NOT NULL,
	name text NOT NULL,
	-- So many of its executions are claimed at the same time, and so many begin in each period; null: any number.
	concurrency integer,
	rate_limit integer,
	rate_ms double precision,
	-- The same for each key.
	key_concurrency integer,
	key_rate_limit integer,
	key_rate_ms double precision,
	-- The key that was served last: keys take turns.
	last_key text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	-- Whether all that is claimed counts. Workers hear of the first limits a moment later, and what they claim until then does not by itself.
	settled boolean NOT NULL DEFAULT false,
	PRIMARY KEY (namespace, name)
) WITH (fillfactor = 50);
-- How many executions began when, for as long as the period of a rate. What begins within a hundredth of the period is one row, which counts
-- until its last begin has left the period: so there are some hundred rows to add up, however many begin.
CREATE TABLE queue_begins (
	namespace text NOT NULL,
	task_queue text NOT NULL,
	-- A space, which no key has, for all of the queue together.
	queue_key text NOT NULL,
	-- Of the last of them.
	at timestamptz NOT NULL,
	executions integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_begins_queue ON queue_begins (namespace, task_queue, at);
CREATE INDEX queue_begins_key ON queue_begins (namespace, task_queue, queue_key, at);
-- How long ended executions are kept, by workflow and state; '*' stands for all of them, null for ever.
CREATE TABLE retention_policies (
	namespace text NOT NULL,
	workflow text NOT NULL,
	state text NOT NULL,
	keep_ms double precision,
	PRIMARY KEY (namespace, workflow, state)
);
-- Task queues and workflows from which nothing is claimed for now.
CREATE TABLE pauses (
	namespace text NOT NULL,
	-- task-queue or workflow.
	kind text NOT NULL,
	name text NOT NULL,
	reason text,
	since timestamptz NOT NULL,
	PRIMARY KEY (namespace, kind, name)
);
-- Those below are called from statements that have just locked the execution's row. Being volatile functions they see
-- what was committed up to now, not only what the calling statement's snapshot shows: a message may have been committed
-- while that statement waited for the lock. Later ones cannot come, since senders look at the row under the same lock.
CREATE FUNCTION drop_wakeups(ended uuid) RETURNS void LANGUAGE sql VOLATILE AS
$$ DELETE FROM inbox WHERE run_id = ended AND type <> 'SignalReceived'; DELETE FROM tasks WHERE run_id = ended $$;

-- What retention deletes may have got a signal while its row was waited for.
CREATE FUNCTION drop_messages(deleted uuid) RETURNS void LANGUAGE sql VOLATILE AS
$$ DELETE FROM inbox WHERE run_id = deleted $$;

CREATE FUNCTION count_children(parent uuid) RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT count(*) FROM executions WHERE parent_run_id = parent $$;

-- Whether a start was merged already, when its statement is sent again. Called behind the lock, for the same reason.
CREATE FUNCTION was_merged(run uuid, start_id text) RETURNS boolean LANGUAGE sql VOLATILE AS
$$ SELECT EXISTS (SELECT FROM history h WHERE h.run_id = run AND h.type = 'StartMerged' AND h.data::json->>'startId' = start_id) $$;

CREATE FUNCTION move_messages(from_run uuid, to_run uuid) RETURNS void LANGUAGE sql VOLATILE AS
$$
DELETE FROM inbox WHERE run_id = from_run AND message_id = 'pause';
-- Sent again, and read before: it keeps its place.
DELETE FROM inbox x WHERE x.run_id = from_run AND x.message_id IN (
	SELECT 'signal:' || (h.data::json->>'signalId') FROM history h WHERE h.run_id = from_run AND h.type = 'SignalReceived');
UPDATE inbox SET run_id = to_run WHERE run_id = from_run
$$;
-- For a rollback: what the part that is not kept had read comes first, then what was not read yet.
CREATE FUNCTION carry_messages_back(from_run uuid, to_run uuid, kept integer, children integer[]) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO inbox (run_id, message_id, type, data)
  SELECT to_run, CASE type WHEN 'SignalReceived' THEN 'signal:' || (data::json->>'signalId') ELSE 'update:' || (data::json->>'updateId') END, type, data
  FROM history WHERE run_id = from_run AND seq > kept AND type IN ('SignalReceived', 'UpdateReceived') ORDER BY seq ON CONFLICT DO NOTHING;
 INSERT INTO inbox (run_id, message_id, type, data)
  SELECT to_run, message_id, type, data FROM inbox
  WHERE run_id = from_run AND message_id NOT IN ('pause', 'cancel', 'terminate')
   AND CASE WHEN type IN ('ChildCompleted', 'ChildFailed') THEN split_part(message_id, ':', 2)::integer = ANY(children) ELSE true END
  ORDER BY ordinal ON CONFLICT DO NOTHING;
 DELETE FROM inbox WHERE run_id = from_run; DELETE FROM tasks WHERE run_id = from_run $$;
-- Delivers the signals of a transaction as it commits, as send-messages does: the first of them brings all. It runs in a session of a
-- user's, so it brings its search path, in which the user's temporary tables come last. What has ended keeps them for a run that goes on from there. The lock is a statement of its own: the next one sees the run that began while it waited.
CREATE FUNCTION deliver_signals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
 noted noted_signals[];
 hint json;
BEGIN
 WITH mine AS (DELETE FROM noted_signals s WHERE s.ordinal >= NEW.ordinal RETURNING s)
 SELECT array_agg(s ORDER BY (s).ordinal) INTO noted FROM mine;
 IF noted IS NULL THEN RETURN NULL; END IF;
 PERFORM FROM executions e WHERE (e.namespace, e.execution_id) IN (SELECT n.namespace, n.execution_id FROM unnest(noted) n) ORDER BY e.run_id FOR UPDATE;
 FOR hint IN
  WITH touched AS (
   UPDATE executions e SET inbox_seq = e.inbox_seq + 1
   WHERE (e.namespace, e.execution_id) IN (SELECT n.namespace, n.execution_id FROM unnest(noted) n) AND e.state IN ('pending', 'running', 'paused', 'quarantined')
   RETURNING e.run_id, e.namespace, e.execution_id, e.state, e.task_queue, e.workflow, e.version, e.worker_id, e.not_before),
  sent AS (
   INSERT INTO inbox (run_id, message_id, type, data)
   SELECT e.run_id, n.message_id, 'SignalReceived', n.data FROM unnest(noted) n JOIN executions e ON e.namespace = n.namespace AND e.execution_id = n.execution_id
   ORDER BY n.ordinal ON CONFLICT DO NOTHING),
  queued AS (
   INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
   SELECT run_id, current_time_of_pawl(), namespace, task_queue, workflow || '@' || version FROM touched WHERE worker_id IS NULL AND state = 'running'
   ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
  SELECT json_build_object('kind', 'inbox', 'runIds', json_build_array(run_id)) FROM touched WHERE worker_id IS NOT NULL
  UNION ALL
  SELECT json_build_object('kind', 'tasks', 'namespace', q.namespace, 'taskQueue', q.task_queue) FROM (SELECT DISTINCT t.namespace, t.task_queue FROM touched t
   WHERE t.worker_id IS NULL AND (t.state = 'running' OR (t.state = 'pending' AND (t.not_before IS NULL OR t.not_before <= current_time_of_pawl())))) q
 LOOP
  PERFORM pg_notify('pawl_' || TG_TABLE_SCHEMA, json_build_object('from', 'transaction', 'hint', hint)::text);
 END LOOP;
 RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER deliver AFTER INSERT ON noted_signals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION deliver_signals();
-- Pausing, under the same rule. Whether it is to be cancelled already, or to end with its parent: then it is not paused any more.
CREATE FUNCTION is_asked_to_end(asked uuid) RETURNS boolean LANGUAGE sql VOLATILE AS
$$ SELECT EXISTS (SELECT FROM inbox WHERE run_id = asked AND message_id IN ('cancel', 'terminate'))
 OR EXISTS (SELECT FROM history WHERE run_id = asked AND type = 'CancelRequested') $$;

CREATE FUNCTION take_task(held uuid) RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ DELETE FROM tasks WHERE run_id = held RETURNING visible_at $$;

CREATE FUNCTION withdraw_pause(asked uuid) RETURNS boolean LANGUAGE sql VOLATILE AS
$$ WITH gone AS (DELETE FROM inbox WHERE run_id = asked AND message_id = 'pause' RETURNING 1) SELECT EXISTS (SELECT FROM gone) $$;

-- When an execution that was paused by event paused_seq has something to do: at once if a message waits, null if only one would wake it.
CREATE FUNCTION due_after_pause(paused uuid, paused_seq integer) RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN EXISTS (SELECT FROM inbox WHERE run_id = paused) THEN '-infinity'
 ELSE (SELECT to_timestamp((data::json->>'wakeAt')::float8 / 1000) FROM history WHERE run_id = paused AND seq = paused_seq) END $$;

-- When the time of a run is over: its timeout counts from the start of its execution and its delay, or from a rollback, retry or fork. As kernel/deadline.
CREATE FUNCTION deadline_of(run uuid) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT least(coalesce(a.at, to_timestamp((s.data->>'timeoutFrom')::float8 / 1000), s.at + coalesce((s.data->>'delayMs')::float8, 0) * interval '1 millisecond')
  + (s.data->>'timeoutMs')::float8 * interval '1 millisecond',
  (SELECT d.at FROM (SELECT to_timestamp((s.data->>'deadline')::float8 / 1000) AS at) d WHERE a.at IS NULL OR d.at > a.at))
 FROM (SELECT at, data::json AS data FROM history WHERE run_id = run AND seq = 1) s,
  (SELECT max(at) AS at FROM history WHERE run_id = run AND (type = 'ExecutionForked' OR (type = 'ExecutionResumed' AND data::json->>'operation' IS NOT NULL))) a $$;
-- As move_messages, for a run that continues as new. What children have to say is for calls of the run that is over. Those of its
-- events that the next run has to receive come before everything that waits: they were acknowledged before.
CREATE FUNCTION carry_messages(from_run uuid, to_run uuid, received integer[]) RETURNS void LANGUAGE sql VOLATILE AS
$$
DELETE FROM inbox WHERE run_id = from_run AND type IN ('ChildCompleted', 'ChildFailed');
INSERT INTO inbox (run_id, message_id, ordinal, type, data) OVERRIDING SYSTEM VALUE
	SELECT to_run, CASE type WHEN 'SignalReceived' THEN 'signal:' || (data::json->>'signalId') WHEN 'UpdateReceived' THEN 'update:' || (data::json->>'updateId') ELSE 'cancel' END,
		seq - 1099511627776, type, data
	FROM history WHERE run_id = from_run AND seq = ANY(received);
DELETE FROM inbox x WHERE x.run_id = from_run AND x.message_id IN (SELECT y.message_id FROM inbox y WHERE y.run_id = to_run);
UPDATE inbox SET run_id = to_run WHERE run_id = from_run
$$;
-- Schedules start executions by cron, interval or calendar. Instants are computed by the processes (kernel/schedule), from
-- this database's time; a row says when somebody has to look, and every change of it is fenced by its revision.
CREATE TABLE schedules (
	id uuid PRIMARY KEY,
	-- Another value with every change: who read an older one changes nothing.
	revision uuid NOT NULL,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	-- When the next instant is to be dealt with; null: none comes by itself.
	next_fire_at timestamptz,
	-- Instants wait for the executions in open to end.
	waiting boolean NOT NULL,
	-- Ids of executions that it started and that its overlap policy has to know of; some may have ended.
	open text[] NOT NULL,
	namespace text NOT NULL,
	schedule_id text NOT NULL,
	workflow text NOT NULL,
	version text NOT NULL,
	task_queue text NOT NULL,
	-- When it fires and under which policies, and where it stands: JSON, see kernel/schedule/definition.ts.
	definition text NOT NULL,
	state text NOT NULL,
	-- Data of the ExecutionStarted of its executions, without what differs between them.
	started text NOT NULL,
	-- What their rows have from it: as in executions.
	labels jsonb,
	attributes jsonb,
	queue_key text,
	priority smallint,
	-- As in started, for those who list it without the input; null: none.
	timeout_ms double precision
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX schedules_id ON schedules (namespace, schedule_id);
CREATE INDEX schedules_due ON schedules (namespace, next_fire_at) WHERE next_fire_at IS NOT NULL;
CREATE INDEX schedules_waiting ON schedules (namespace, id) WHERE waiting;
-- The limits of a queue are gone: what was put in order there is a task like all others again. Called by whoever holds the lock of
-- the queue's row; sees what was put in order, and began, while that was waited for.
CREATE FUNCTION forget_limits(ns text, queue text) RETURNS void LANGUAGE sql VOLATILE AS
$$ DELETE FROM queue_begins WHERE namespace = ns AND task_queue = queue;
UPDATE tasks SET queue_key = NULL, priority = NULL WHERE run_id = ANY(ARRAY(
	SELECT k.run_id FROM tasks k WHERE k.namespace = ns AND k.task_queue = queue AND k.queue_key IS NOT NULL ORDER BY k.run_id FOR UPDATE)) $$;

-- Takes up to `most` of the first tasks of one key, by priority from `least_priority` on, whose executions are free; gives their run ids.
-- Skips what others hold: it never waits. Locks tasks, then executions, as claim does. Index: tasks_ordered.
CREATE FUNCTION take_tasks(ns text, queue text, key text, least_priority integer, most_priority integer, known text[], the_suspect uuid, most integer)
RETURNS uuid[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	run_ids uuid[];
BEGIN
	WITH due AS MATERIALIZED (
		SELECT k.run_id FROM tasks k
		WHERE k.namespace = ns AND k.task_queue = queue AND k.queue_key = key AND k.priority BETWEEN least_priority AND most_priority
			AND k.definition = ANY(known) AND (NOT k.suspect OR k.run_id = the_suspect)
		ORDER BY k.priority, k.visible_at, k.run_id LIMIT greatest(most, 0) FOR UPDATE SKIP LOCKED),
	free AS MATERIALIZED (
		SELECT e.run_id FROM executions e
		WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM due)) AND e.worker_id IS NULL AND e.state IN ('pending', 'running', 'paused') FOR UPDATE SKIP LOCKED),
	taken AS (DELETE FROM tasks k WHERE k.run_id = ANY(ARRAY(SELECT run_id FROM free)) RETURNING k.run_id)
	SELECT coalesce(array_agg(run_id), '{}') INTO run_ids FROM taken;
	RETURN run_ids;
END $$;

-- How many more executions of a queue (its key is a space), or of one of its keys, may begin now under a rate, and when the first place becomes free.
CREATE FUNCTION rate_room(ns text, queue text, key text, rate integer, period_ms double precision, t timestamptz, OUT room integer, OUT free_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	since timestamptz := t - period_ms * interval '1 millisecond';
	begun integer;
BEGIN
	SELECT coalesce(sum(b.executions), 0), min(b.at) INTO begun, free_at FROM queue_begins b
	WHERE b.namespace = ns AND b.task_queue = queue AND b.queue_key = key AND b.at > since;
	room := greatest(rate - begun, 0);
	free_at := free_at + period_ms * interval '1 millisecond';
END $$;

-- Counts what begins now under a rate of a queue, or of one of its keys, see queue_begins. Called behind the lock of the queue.
CREATE FUNCTION note_begins(ns text, queue text, key text, period_ms double precision, t timestamptz, begun integer) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	since timestamptz := date_bin(period_ms / 100 * interval '1 millisecond', t, 'epoch');
BEGIN
	UPDATE queue_begins b SET at = t, executions = b.executions + begun
	WHERE b.namespace = ns AND b.task_queue = queue AND b.queue_key = key AND b.at = (
		SELECT max(c.at) FROM queue_begins c WHERE c.namespace = ns AND c.task_queue = queue AND c.queue_key = key AND c.at BETWEEN since AND t);
	IF NOT FOUND THEN
		INSERT INTO queue_begins (namespace, task_queue, queue_key, at, executions) VALUES (ns, queue, key, t, begun);
	END IF;
END $$;

-- Of those of a key that may kill their worker, the one that has been due longest. There are few of them in a queue.
CREATE FUNCTION first_suspect(ns text, queue text, key text, known text[]) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (SELECT k.run_id FROM tasks k
		WHERE k.namespace = ns AND k.task_queue = queue AND k.suspect AND k.queue_key = key AND k.definition = ANY(known)
		ORDER BY k.visible_at LIMIT 1);
END $$;

-- One turn of a key: up to `most` tasks, those first that have begun, and no more than `most_begin` that have not (null: any
-- number). Those are counted under the rate of the key, if it has one.
CREATE FUNCTION take_turn(ns text, queue text, key text, key_period_ms double precision, known text[], the_suspect uuid, most integer, most_begin integer, t timestamptz,
	OUT run_ids uuid[], OUT begun integer)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	fresh uuid[];
BEGIN
	begun := 0;
	IF most_begin IS NULL THEN
		run_ids := take_tasks(ns, queue, key, -32768, 32767, known, the_suspect, most);
		RETURN;
	END IF;
	run_ids := take_tasks(ns, queue, key, -32768, -32768, known, the_suspect, most);
	fresh := take_tasks(ns, queue, key, -32767, 32767, known, the_suspect, least(most - cardinality(run_ids), most_begin));
	begun := cardinality(fresh);
	run_ids := run_ids || fresh;
	IF begun > 0 AND key_period_ms IS NOT NULL THEN PERFORM note_begins(ns, queue, key, key_period_ms, t, begun); END IF;
END $$;

-- Lets what was claimed from a queue count that did not when it was claimed: by workers that had not heard of its limits. Skips what others hold,
-- for the next claim. A minute later, everyone who claims has heard. Called behind the lock of the queue. Index: executions_claimed.
CREATE FUNCTION count_claimed(ns text, queue text, since timestamptz, t timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	uncounted uuid[];
	counted integer;
BEGIN
	SELECT coalesce(array_agg(e.run_id), '{}') INTO uncounted FROM executions e
	WHERE e.worker_id >= '00000000-0000-0000-0000-000000000000'::uuid AND e.namespace = ns AND e.task_queue = queue AND e.queue_key IS NULL;
	WITH free AS MATERIALIZED (
		SELECT e.run_id FROM executions e WHERE e.run_id = ANY(uncounted) AND e.worker_id IS NOT NULL AND e.queue_key IS NULL FOR UPDATE SKIP LOCKED)
	UPDATE executions e SET queue_key = '' WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM free));
	GET DIAGNOSTICS counted = ROW_COUNT;
	IF counted = cardinality(uncounted) AND t > since + interval '1 minute' THEN
		UPDATE queues u SET settled = true WHERE u.namespace = ns AND u.name = queue;
	END IF;
END $$;

-- Claims from queues with limits. Everything it reads after it has locked their rows is up to date, because each statement in
-- a volatile function has a snapshot of its own. See statements/claim-limited.ts.
CREATE FUNCTION claim_limited(ns text, names text[], known text[], claimer uuid, most integer, suspects boolean,
	suspect_from integer, ordered_at_once integer, keys_at_once integer, searched jsonb)
RETURNS TABLE (
	run_id uuid, started_at float8, suspect boolean, execution_id text, workflow text, version text, task_queue text, epoch integer, inbox_seq integer,
	last_seq integer, run_number integer, parent_run_id uuid, parent_position integer, queue_key text, priority smallint, started_data text, now float8, wait_ms float8, more boolean, unlimited text[], search text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	t timestamptz;
	q record;
	picked uuid[] := '{}';
	got uuid[];
	the_suspect uuid;
	has_suspects boolean;
	-- How many may be claimed from this queue, and how many of them may begin; null: any number.
	room integer;
	begin_room integer;
	free_at timestamptz;
	wake_at timestamptz;
	key text;
	-- A search for keys that give something goes once round all of them, from one claim to the next: where it began, and how far it is.
	search_from text;
	reached text;
	searching boolean;
	unfinished jsonb := '{}';
	wrapped boolean;
	visited integer;
	-- What one key may still give.
	key_room integer;
	key_begin_room integer;
	key_free_at timestamptz;
	-- The keys that gave something, and what each may still give.
	giving text[];
	key_rooms integer[];
	key_begin_rooms integer[];
	turn integer;
	share integer;
	gave boolean;
	begun integer;
	all_begun integer;
	any_more boolean := false;
BEGIN
	PERFORM 1 FROM queues u WHERE u.namespace = ns AND u.name = ANY(names) ORDER BY u.name FOR UPDATE;
	t := current_time_of_pawl();
	wake_at := (searched->>'wakeAt')::timestamptz;
	FOR q IN SELECT u.* FROM queues u WHERE u.namespace = ns AND u.name = ANY(names) ORDER BY array_position(names, u.name) LOOP
		-- What has become due is put in order; what has begun goes before what has not.
		WITH due AS MATERIALIZED (
			SELECT k.run_id FROM tasks k
			WHERE k.namespace = ns AND k.task_queue = q.name AND k.visible_at <= t AND NOT k.suspect AND k.queue_key IS NULL
			ORDER BY k.visible_at LIMIT ordered_at_once FOR UPDATE SKIP LOCKED),
		due_suspects AS MATERIALIZED (
			SELECT k.run_id FROM tasks k
			WHERE k.namespace = ns AND k.task_queue = q.name AND k.visible_at <= t AND k.suspect AND k.queue_key IS NULL
			ORDER BY k.visible_at LIMIT ordered_at_once FOR UPDATE SKIP LOCKED)
		SELECT array_agg(run_id) INTO got FROM (SELECT run_id FROM due UNION ALL SELECT run_id FROM due_suspects) AS d;
		IF got IS NOT NULL THEN
			any_more := any_more OR cardinality(got) >= ordered_at_once;
			UPDATE tasks k SET queue_key = coalesce(e.queue_key, ''), priority = CASE WHEN e.started_at IS NULL THEN coalesce(e.priority, 0) ELSE -32768 END
			FROM executions e WHERE k.run_id = ANY(got) AND e.run_id = ANY(got) AND e.run_id = k.run_id;
		END IF;

		IF NOT q.settled THEN PERFORM count_claimed(ns, q.name, q.created_at, t); END IF;
		room := most - cardinality(picked);
		IF q.concurrency IS NOT NULL THEN
			room := least(room, q.concurrency - (SELECT count(*) FROM executions e
				WHERE e.namespace = ns AND e.task_queue = q.name AND e.worker_id IS NOT NULL AND e.queue_key IS NOT NULL));
		END IF;
		search_from := searched->'queues'->q.name->>'from';
		reached := searched->'queues'->q.name->>'reached';
		searching := search_from IS NOT NULL;
		IF room <= 0 THEN
			IF searching THEN unfinished := unfinished || jsonb_build_object(q.name, searched->'queues'->q.name); END IF;
			CONTINUE;
		END IF;
		begin_room := NULL;
		IF q.rate_limit IS NOT NULL THEN
			SELECT r.room, r.free_at INTO begin_room, free_at FROM rate_room(ns, q.name, ' ', q.rate_limit, q.rate_ms, t) AS r;
		END IF;
		IF q.rate_limit IS NOT NULL OR q.key_rate_limit IS NOT NULL THEN
			DELETE FROM queue_begins b WHERE b.namespace = ns AND b.task_queue = q.name
				AND b.at <= t - greatest(q.rate_ms, q.key_rate_ms) * interval '1 millisecond';
		END IF;
		-- Of those that may kill their worker one at a time, as in claim: the first that its key lets go.
		has_suspects := suspects AND EXISTS (SELECT FROM tasks k
			WHERE k.namespace = ns AND k.task_queue = q.name AND k.suspect AND k.queue_key IS NOT NULL AND k.definition = ANY(known));

		-- Each key gives one, beginning after the one that was served last, or where the claim before stopped looking; then what room is
		-- left is shared between those that gave.
		giving := '{}'; key_rooms := '{}'; key_begin_rooms := '{}'; all_begun := 0;
		wrapped := searching AND reached <= search_from; visited := 0;
		IF NOT searching THEN
			search_from := q.last_key; reached := q.last_key;
		END IF;
		key := reached;
		WHILE room > 0 LOOP
			SELECT k.queue_key INTO key FROM tasks k WHERE k.namespace = ns AND k.task_queue = q.name AND k.queue_key > key ORDER BY k.queue_key LIMIT 1;
			IF key IS NULL THEN
				EXIT WHEN wrapped;
				wrapped := true;
				SELECT k.queue_key INTO key FROM tasks k WHERE k.namespace = ns AND k.task_queue = q.name AND k.queue_key IS NOT NULL ORDER BY k.queue_key LIMIT 1;
				EXIT WHEN key IS NULL;
			END IF;
			EXIT WHEN wrapped AND key > search_from;
			visited := visited + 1;
			EXIT WHEN visited > keys_at_once;
			reached := key;
			key_room := NULL; key_begin_room := NULL;
			IF q.key_concurrency IS NOT NULL THEN
				key_room := greatest(0, q.key_concurrency - (SELECT count(*) FROM executions e
					WHERE e.namespace = ns AND e.task_queue = q.name AND e.queue_key = key AND e.worker_id IS NOT NULL));
				CONTINUE WHEN key_room = 0;
			END IF;
			IF q.key_rate_limit IS NOT NULL THEN
				SELECT r.room, r.free_at INTO key_begin_room, key_free_at FROM rate_room(ns, q.name, key, q.key_rate_limit, q.key_rate_ms, t) AS r;
				wake_at := least(wake_at, coalesce(key_free_at, t + q.key_rate_ms * interval '1 millisecond'));
			END IF;
			the_suspect := CASE WHEN has_suspects AND suspects THEN first_suspect(ns, q.name, key, known) END;
			SELECT g.run_ids, g.begun INTO got, begun FROM take_turn(ns, q.name, key, q.key_rate_ms, known, the_suspect, 1, least(begin_room, key_begin_room), t) AS g;
			suspects := suspects AND NOT coalesce(the_suspect = ANY(got), false);
			IF cardinality(got) > 0 THEN
				picked := picked || got;
				room := room - 1;
				begin_room := begin_room - begun;
				all_begun := all_begun + begun;
				giving := giving || key;
				key_rooms := key_rooms || (key_room - 1);
				key_begin_rooms := key_begin_rooms || (key_begin_room - begun);
			END IF;
		END LOOP;
		any_more := any_more OR visited > keys_at_once;
		IF visited > keys_at_once OR searching AND room = 0 THEN
			unfinished := unfinished || jsonb_build_object(q.name, jsonb_build_object('from', search_from, 'reached', reached));
		END IF;
		IF cardinality(giving) > 0 AND giving[cardinality(giving)] <> q.last_key THEN
			UPDATE queues u SET last_key = giving[cardinality(giving)] WHERE u.namespace = ns AND u.name = q.name;
		END IF;
		WHILE room > 0 AND cardinality(giving) > 0 LOOP
			share := (room + cardinality(giving) - 1) / cardinality(giving);
			gave := false;
			FOR i IN 1..cardinality(giving) LOOP
				turn := least(share, room, key_rooms[i]);
				CONTINUE WHEN turn <= 0;
				the_suspect := CASE WHEN has_suspects AND suspects THEN first_suspect(ns, q.name, giving[i], known) END;
				SELECT g.run_ids, g.begun INTO got, begun
				FROM take_turn(ns, q.name, giving[i], q.key_rate_ms, known, the_suspect, turn, least(begin_room, key_begin_rooms[i]), t) AS g;
				suspects := suspects AND NOT coalesce(the_suspect = ANY(got), false);
				picked := picked || got;
				room := room - cardinality(got);
				begin_room := begin_room - begun;
				all_begun := all_begun + begun;
				key_begin_rooms[i] := key_begin_rooms[i] - begun;
				gave := gave OR cardinality(got) = turn;
				key_rooms[i] := CASE WHEN cardinality(got) < turn THEN 0 ELSE key_rooms[i] - turn END;
			END LOOP;
			EXIT WHEN NOT gave;
		END LOOP;
		IF all_begun > 0 AND q.rate_ms IS NOT NULL THEN PERFORM note_begins(ns, q.name, ' ', q.rate_ms, t, all_begun); END IF;
		IF begin_room = 0 THEN wake_at := least(wake_at, coalesce(free_at, t + q.rate_ms * interval '1 millisecond')); END IF;
	END LOOP;

	IF cardinality(picked) > 0 THEN
		RETURN QUERY
		WITH claimed AS (
			UPDATE executions e SET worker_id = claimer, epoch = e.epoch + 1, claims = e.claims + 1, state = 'running', waiting_for = NULL,
				started_at = coalesce(e.started_at, t), queue_key = coalesce(e.queue_key, '')
			WHERE e.run_id = ANY(picked)
			RETURNING e.run_id, (extract(epoch FROM e.created_at) * 1000)::float8 AS started_at, e.claims > suspect_from AS suspect, e.execution_id,
				e.workflow, e.version, e.task_queue, e.epoch, e.inbox_seq, e.last_seq, e.run_number, e.parent_run_id, e.parent_position, e.queue_key, e.priority)
		SELECT c.*, (SELECT h.data FROM history h WHERE h.run_id = c.run_id AND h.seq = 1), (extract(epoch FROM t) * 1000)::float8, NULL::float8, NULL::boolean, NULL::text[], NULL::text
		FROM claimed c;
	END IF;
	RETURN QUERY SELECT NULL::uuid, NULL::float8, NULL::boolean, NULL::text, NULL::text, NULL::text, NULL::text, NULL::integer, NULL::integer, NULL::integer, NULL::integer,
		NULL::uuid, NULL::integer, NULL::text, NULL::smallint, NULL::text, (extract(epoch FROM t) * 1000)::float8, (extract(epoch FROM wake_at - t) * 1000)::float8, any_more,
		(SELECT array_agg(n) FROM unnest(names) AS n WHERE NOT EXISTS (SELECT FROM queues u WHERE u.namespace = ns AND u.name = n)),
		CASE WHEN unfinished <> '{}' THEN jsonb_build_object('queues', unfinished, 'wakeAt', wake_at)::text END;
END $$;
