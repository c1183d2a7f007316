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
	-- What a parked execution waits for, in words.
	waiting_for text,
	-- What it belongs to, given at its start, and what is known of it, which its code may change: names and plain values, a
	-- time as {"time": milliseconds since 1970}. Null where there are none, so that the index knows only of rows that have some.
	labels jsonb,
	attributes jsonb
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX executions_id ON executions (namespace, execution_id);
CREATE UNIQUE INDEX executions_idempotency ON executions (namespace, workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX executions_claimed ON executions (worker_id) WHERE worker_id IS NOT NULL;
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
	suspect boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tasks_claim ON tasks (namespace, task_queue, visible_at) WHERE NOT suspect;
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
-- The three below are called from statements that have just locked the execution's row. Being volatile functions they see
-- what was committed up to now, not only what the calling statement's snapshot shows: a message may have been committed
-- while that statement waited for the lock. Later ones cannot come, since senders look at the row under the same lock.
CREATE FUNCTION drop_wakeups(ended uuid) RETURNS void LANGUAGE sql VOLATILE AS
$$ DELETE FROM inbox WHERE run_id = ended; DELETE FROM tasks WHERE run_id = ended $$;

CREATE FUNCTION count_children(parent uuid) RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT count(*) FROM executions WHERE parent_run_id = parent $$;

CREATE FUNCTION move_messages(from_run uuid, to_run uuid) RETURNS void LANGUAGE sql VOLATILE AS
$$ DELETE FROM inbox WHERE run_id = from_run AND message_id = 'pause'; UPDATE inbox SET run_id = to_run WHERE run_id = from_run $$;
-- For a rollback: what the part that is not kept had read comes first, then what was not read yet.
CREATE FUNCTION carry_messages_back(from_run uuid, to_run uuid, kept integer, children integer[]) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO inbox (run_id, message_id, type, data)
  SELECT to_run, CASE type WHEN 'SignalReceived' THEN 'signal:' || (data::json->>'signalId') ELSE 'update:' || (data::json->>'updateId') END, type, data
  FROM history WHERE run_id = from_run AND seq > kept AND type IN ('SignalReceived', 'UpdateReceived') ORDER BY seq ON CONFLICT DO NOTHING;
 INSERT INTO inbox (run_id, message_id, type, data)
  SELECT to_run, message_id, type, data FROM inbox
  WHERE run_id = from_run AND message_id NOT IN ('pause', 'cancel')
   AND CASE WHEN type IN ('ChildCompleted', 'ChildFailed') THEN split_part(message_id, ':', 2)::integer = ANY(children) ELSE true END
  ORDER BY ordinal ON CONFLICT DO NOTHING;
 DELETE FROM inbox WHERE run_id = from_run; DELETE FROM tasks WHERE run_id = from_run $$;
-- Pausing, under the same rule. Whether it is to be cancelled already: then it is not paused any more.
CREATE FUNCTION is_asked_to_cancel(asked uuid) RETURNS boolean LANGUAGE sql VOLATILE AS
$$ SELECT EXISTS (SELECT FROM inbox WHERE run_id = asked AND message_id = 'cancel')
 OR EXISTS (SELECT FROM history WHERE run_id = asked AND type = 'CancelRequested') $$;

CREATE FUNCTION take_task(held uuid) RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ DELETE FROM tasks WHERE run_id = held RETURNING visible_at $$;

CREATE FUNCTION withdraw_pause(asked uuid) RETURNS boolean LANGUAGE sql VOLATILE AS
$$ WITH gone AS (DELETE FROM inbox WHERE run_id = asked AND message_id = 'pause' RETURNING 1) SELECT EXISTS (SELECT FROM gone) $$;

-- When an execution that was paused by event paused_seq has something to do: at once if a message waits, null if only one would wake it.
CREATE FUNCTION due_after_pause(paused uuid, paused_seq integer) RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN EXISTS (SELECT FROM inbox WHERE run_id = paused) THEN '-infinity'
 ELSE (SELECT to_timestamp((data::json->>'wakeAt')::float8 / 1000) FROM history WHERE run_id = paused AND seq = paused_seq) END $$;

-- When the time of a run is over: its timeout counts from its start, or from its rollback, retry or fork.
CREATE FUNCTION deadline_of(run uuid) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT least(b.at + (s.data->>'timeoutMs')::float8 * interval '1 millisecond',
  (SELECT d.at FROM (SELECT to_timestamp((s.data->>'deadline')::float8 / 1000) AS at) d WHERE d.at > b.at))
 FROM (SELECT at, data::json AS data FROM history WHERE run_id = run AND seq = 1) s,
  (SELECT max(at) AS at FROM history WHERE run_id = run AND (seq = 1 OR type = 'ExecutionForked' OR (type = 'ExecutionResumed' AND data::json->>'operation' IS NOT NULL))) b $$;
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
	started text NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX schedules_id ON schedules (namespace, schedule_id);
CREATE INDEX schedules_due ON schedules (namespace, next_fire_at) WHERE next_fire_at IS NOT NULL;
CREATE INDEX schedules_waiting ON schedules (namespace, id) WHERE waiting;
