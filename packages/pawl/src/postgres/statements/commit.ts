import { isSignalInboxId } from "../../kernel/inbox-id.ts";
import type { AppendOperation, Message, StartOperation } from "../../store/operations.ts";
import type { CommitBatch } from "../../store/store.ts";
import { booleans, integers, texts, timestamps, uuids, type Parameter } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import { impatience } from "./impatience.ts";

/**
 * commit: everything a process has to write now, in one statement. Appends events to histories and moves the rows on,
 * starts executions, sends and consumes messages, queues what became claimable.
 *
 * Fence: an append changes a row only where epoch, last_seq and state are what its owner expects; its events, starts and
 * messages hang on that row having changed. Lock order: executions by run_id (index order), then history, tasks, inbox. Indexes: executions_pkey for every row, unique indexes for starts.
 *
 * Plans (see plannerSettings): executions are reached by `run_id = ANY(...)` in index order, which is also the lock order, and
 * hash-joined with the input; membership tests are written `(x IN (SELECT ...)) IS TRUE`, which PostgreSQL hashes as a subplan.
 * The text is made of the parts that the batch needs, because each unused data-modifying part would cost some 20 us.
 */
export interface CommitRow {
  /** Database time of the commit, milliseconds. */
  readonly at: number;
  /** Ordinals (from 1) of accepted appends; null when all were. */
  readonly accepted: number[] | null;
  /** Ordinals of accepted parks that did not take effect. */
  readonly unparked: number[] | null;
  /** Runs started; null when all were. */
  readonly started: string[] | null;
  /**
   * Namespace and queue of what a message reached and nobody has claimed: it has a task now, or had one, which a claim may have
   * skipped because of this commit's lock. Null: there is none.
   */
  readonly woken: (readonly [namespace: string, taskQueue: string])[] | null;
}

/** A row to touch: the owner's append, messages that arrive, or both. */
interface Target {
  readonly runId: string;
  append: AppendOperation | undefined;
  delivered: number;
}

export interface PreparedCommit {
  readonly transaction: Transaction<CommitRow>;
  /** Appends by ordinal - 1; `undefined` where only messages arrive. */
  readonly targets: readonly (AppendOperation | undefined)[];
  readonly starts: readonly StartOperation[];
}

const ok = "e.epoch = i.epoch AND e.last_seq = i.expected_seq AND e.state = 'running'";
const alive = "e.state IN ('pending', 'running', 'paused', 'quarantined')";

/** @param commitId marks the rows this commit changes, so that a commit whose reply was lost can be recognised */
export function prepareCommit(batch: CommitBatch, commitId: string): PreparedCommit {
  const targets = sortTargets(batch.appends);
  const starts = sortStarts(batch);
  const messages = batch.appends.flatMap((append) => append.messages.map((message) => ({ message, sender: append.runId })));
  // An end drops all but signals from its inbox (drop_wakeups); deleting a row twice in one statement would be an error.
  const consumed = batch.appends.flatMap(({ runId, after, consumed: ids }) => {
    const isEnd = after.kind === "end" && after.state !== "quarantined";
    return (isEnd ? ids.filter(isSignalInboxId) : ids).map((messageId) => ({ runId, messageId }));
  });
  const parts = new Parts();
  const now = "(SELECT now FROM t)";

  const ends = batch.appends.some((append) => append.after.kind === "end");
  const parks = batch.appends.some((append) => append.after.kind === "park");
  const stalls = batch.appends.some((append) => !append.progress);
  const wakes = messages.length > 0 || batch.appends.some((append) => append.after.kind === "park" && append.after.wakeAt !== null);
  const cancels = messages.some(({ message }) => message.type === "CancelRequested");
  const unclaimed = starts.some((start) => start.claimBy === null);
  const searchable = starts.some(isSearchable);
  const ranked = starts.some(isRanked);
  const changes = batch.appends.some(isSearchable);
  const policies = starts.some((start) => start.parentClosePolicy !== undefined);
  const chosen = starts.some((start) => start.chosen === true);
  const alone = batch.starts.length + batch.appends.length === 1;
  const streamed = batch.appends.some((append) => append.chunks !== undefined);
  const oneEventEach = starts.length === 0 && targets.every(({ append }) => append?.events.length === 1);

  parts.with(() => `t AS MATERIALIZED (SELECT current_time_of_pawl() AS now${chosen ? impatience[alone ? "alone" : "together"] : ""})`);
  const update = targets.length > 0 ? updated(parts, targets, commitId, { ends, parks, delivers: messages.length > 0, stalls, changes, streamed }) : undefined;
  if (update !== undefined) parts.with(update.text);
  if (starts.length > 0) parts.with(started(parts, starts, { hasAppends: targets.length > 0, searchable, policies, ranked, now }));
  parts.with(appended(parts, targets, starts, oneEventEach ? update : undefined, now));
  if (streamed) parts.with(streamedPart(parts, batch.appends, now));
  if (messages.length > 0) parts.with(sent(parts, messages, cancels));
  if (consumed.length > 0) parts.with(consumedPart(parts, consumed));
  if (wakes || unclaimed) parts.with(queuedPart(wakes, unclaimed, cancels, now));

  const appendCount = targets.length > 0 ? parts.add(batch.appends.length) : "";
  const startCount = starts.length > 0 ? parts.add(starts.length) : "";
  const traits = [targets.length > 0, starts.length > 0, messages.length > 0, consumed.length > 0, ends, parks, wakes, unclaimed, stalls, oneEventEach];
  const shape = [...traits, searchable, changes, streamed, cancels, policies, ranked, chosen, chosen && alone].map(Number).join("");
  let text = textsByShape.get(shape);
  if (text === undefined) {
    text = `${parts.withClause}\n${selectClause({ appendCount, startCount, hasTargets: targets.length > 0, hasStarts: starts.length > 0, parks, ends, delivers: messages.length > 0, now })}`;
    textsByShape.set(shape, text);
  }
  return {
    transaction: { name: "commit", shape, text, parameters: parts.parameters },
    targets: targets.map((target) => target.append),
    starts,
  };
}

/** Whether a start gives its row labels or attributes, or an append changes some. */
export function isSearchable({ labels, attributes }: Pick<StartOperation | AppendOperation, "labels" | "attributes">): boolean {
  return labels !== undefined || attributes !== undefined;
}

/** Whether it has a place of its own in its queue. */
export function isRanked(start: StartOperation): boolean {
  return start.queueKey !== undefined || start.priority !== undefined || start.deduplicationId !== undefined || start.mergeKey !== undefined;
}

/** One text per shape: making it anew for every commit would cost more than running small ones. */
const textsByShape = new Map<string, string>();

function selectClause(has: {
  appendCount: string;
  startCount: string;
  hasTargets: boolean;
  hasStarts: boolean;
  parks: boolean;
  ends: boolean;
  delivers: boolean;
  now: string;
}): string {
  return [
    `SELECT (extract(epoch FROM ${has.now}) * 1000)::float8 AS at`,
    has.hasTargets
      ? `(SELECT CASE WHEN count(*) = ${has.appendCount}::int THEN NULL ELSE coalesce(array_agg(ord), '{}') END FROM updated WHERE accepted) AS accepted`
      : "NULL::int[] AS accepted",
    has.parks ? "(SELECT array_agg(ord) FROM updated WHERE accepted AND release AND state = 'running' AND NOT parked) AS unparked" : "NULL::int[] AS unparked",
    has.hasStarts
      ? `(SELECT CASE WHEN count(*) = ${has.startCount}::int THEN NULL ELSE coalesce(array_agg(run_id), '{}') END FROM started) AS started`
      : "NULL::uuid[] AS started",
    has.delivers
      ? "(SELECT array_agg(DISTINCT ARRAY[namespace, task_queue]) FROM updated WHERE delivered > 0 AND parked AND state IN ('pending', 'running', 'paused')) AS woken"
      : "NULL::text[] AS woken",
    // Messages that came too late for an execution that ends here.
    ...(has.ends
      ? [
          "(SELECT count(drop_wakeups(run_id)) FROM updated WHERE accepted AND release AND inbox_seq > 0 AND state NOT IN ('running', 'quarantined')) AS emptied",
        ]
      : []),
  ].join(",\n ");
}

class Parts {
  readonly parameters: Parameter[] = [];
  readonly #ctes: (() => string)[] = [];

  /** @param cte makes the text; called only for a shape that has none yet, so parameters must be added before */
  with(cte: () => string): void {
    this.#ctes.push(cte);
  }

  /** Adds a parameter and gives its placeholder. */
  add(parameter: Parameter): string {
    return `$${this.parameters.push(parameter)}`;
  }

  get withClause(): string {
    return `WITH ${this.#ctes.map((cte) => cte()).join(",\n")}`;
  }
}

function sortTargets(appends: readonly AppendOperation[]): readonly Target[] {
  const targets = new Map<string, Target>();
  for (const append of appends) targets.set(append.runId, { runId: append.runId, append, delivered: 0 });
  for (const append of appends) {
    for (const { toRunId } of append.messages) {
      const target = targets.get(toRunId);
      if (target === undefined) targets.set(toRunId, { runId: toRunId, append: undefined, delivered: 1 });
      else target.delivered++;
    }
  }
  return [...targets.values()].toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
}

/** By id, so that two processes that start the same executions wait for each other in one order. */
function sortStarts(batch: CommitBatch): readonly StartOperation[] {
  const starts = [...batch.starts, ...batch.appends.flatMap((append) => append.starts)];
  return starts.toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1));
}

/** What a batch has, for the texts to leave out what it does not need. */
interface Traits {
  readonly ends: boolean;
  readonly parks: boolean;
  readonly delivers: boolean;
  /** Some append shows no progress. */
  readonly stalls: boolean;
  /** Some append changes labels or attributes. */
  readonly changes: boolean;
  /** Some append writes to streams. */
  readonly streamed: boolean;
}

function updated(parts: Parts, targets: readonly Target[], commitId: string, { ends, parks, delivers, stalls, changes, streamed }: Traits): Updated {
  const arrays: string[] = [];
  const names: string[] = [];
  /** Adds a column of the input and gives its name; where the batch has no use for it, the constant that stands for it. */
  const column = (name: string, array: () => string, needed = true, constant = ""): string => {
    if (!needed) return constant;
    arrays.push(array());
    names.push(name);
    return `i.${name}`;
  };
  const of = <Value>(read: (append: AppendOperation) => Value, otherwise: Value): Value[] =>
    targets.map(({ append }) => (append === undefined ? otherwise : read(append)));
  const add = (parameter: Parameter, type: string): string => `${parts.add(parameter)}::${type}[]`;

  const runIds = add(uuids(targets.map((target) => target.runId)), "uuid");
  column("run_id", () => runIds);
  // No claim has epoch -1: a row that only receives messages is never taken for its owner's.
  const epochs = add(integers(of((append) => append.epoch, -1)), "int");
  column("epoch", () => epochs);
  column("expected_seq", () => add(integers(of((append) => append.expectedSeq, 0)), "int"));
  const newSeqs = add(integers(of((append) => append.expectedSeq + append.events.length, 0)), "int");
  column("new_seq", () => newSeqs);
  const leaves = ends || parks;
  const release = column("release", () => add(booleans(of((append) => append.after.kind !== "keep", false)), "bool"), leaves, "false");
  const states = (): string => add(texts(of((append) => (append.after.kind === "end" ? append.after.state : "running"), "running")), "text");
  const newState = column("new_state", states, ends, "'running'");
  const progress = column("progress", () => add(booleans(of((append) => append.progress, false)), "bool"), stalls, "true");
  const seen = (): string => add(integers(of((append) => (append.after.kind === "park" ? append.after.seenInbox : 0), 0)), "int");
  const seenInbox = column("seen_inbox", seen, parks, "NULL::int");
  const wake = (): string => add(timestamps(of((append) => (append.after.kind === "park" ? append.after.wakeAt : null), null)), "timestamptz");
  const wakeAt = column("wake_at", wake, parks, "NULL::timestamptz");
  const waiting = (): string => add(texts(of((append) => (append.after.kind === "park" ? append.after.waitingFor : null), null)), "text");
  const waitingFor = column("waiting_for", waiting, parks, "NULL::text");
  const changed = (["labels", "attributes"] as const).map((name) => ({
    name,
    by: column(name, () => add(texts(of((append) => append[name] ?? null, null)), "text"), changes, "NULL::text"),
  }));
  const delivered = column("delivered", () => add(integers(targets.map((target) => target.delivered)), "int"), delivers, "0");

  const commit = `${parts.add(commitId)}::bigint`;
  const text = (): string => {
    // A repetition of this very commit finds what it has written: that row is not its owner's to write again, nor to tell again.
    const reached = `i.delivered > 0 AND ${alive} AND e.commit_id <> ${commit}`;
    const inbox = delivers ? `e.inbox_seq + ${delivered}` : "e.inbox_seq";
    const gone = `${release} AND (${newState} <> 'running' OR ${inbox} = ${seenInbox})`;
    const owned = (value: string, name: string): string => (delivers ? `CASE WHEN ${ok} THEN ${value} ELSE e.${name} END` : value);
    // The claim that goes on counts as one; without a claim there is none.
    const claims = leaves ? `CASE WHEN ${gone} THEN 0 ELSE 1 END` : "1";
    const sets = [
      `last_seq = ${owned("i.new_seq", "last_seq")}`,
      `commit_id = ${owned(commit, "commit_id")}`,
      `claims = ${owned(stalls ? `CASE WHEN NOT ${progress} THEN e.claims ELSE ${claims} END` : claims, "claims")}`,
    ];
    if (leaves) {
      const finished = `CASE WHEN ${release} AND ${newState} NOT IN ('running', 'quarantined') THEN (SELECT now FROM t) ELSE e.finished_at END`;
      sets.push(
        `worker_id = ${owned(`CASE WHEN ${gone} THEN NULL ELSE e.worker_id END`, "worker_id")}`,
        `epoch = ${owned(`CASE WHEN ${gone} THEN e.epoch + 1 ELSE e.epoch END`, "epoch")}`,
        `waiting_for = ${owned(`CASE WHEN ${gone} THEN ${waitingFor} END`, "waiting_for")}`,
      );
      if (ends) sets.push(`state = ${owned(newState, "state")}`, `finished_at = ${owned(finished, "finished_at")}`);
    }
    if (changes) {
      for (const { name, by } of changed) {
        const merged = `nullif(jsonb_strip_nulls(coalesce(e.${name}, '{}') || ${by}::jsonb), '{}')`;
        sets.push(`${name} = ${owned(`CASE WHEN ${by} IS NULL THEN e.${name} ELSE ${merged} END`, name)}`);
      }
    }
    if (delivers) sets.push("inbox_seq = e.inbox_seq + i.delivered");
    return `updated AS (
 UPDATE executions e SET ${sets.join(", ")}
 FROM unnest(${arrays.join(", ")}) WITH ORDINALITY AS i(${names.join(", ")}, ord)
 WHERE e.run_id = i.run_id AND e.run_id = ANY(${runIds}) AND ${delivers ? `((${ok}) OR (${reached}))` : ok}
 RETURNING e.run_id, i.ord::int AS ord, ${delivers ? `e.commit_id = ${commit}` : "true"} AS accepted, ${release} AS release, ${wakeAt} AS wake_at,
  ${delivered} AS delivered, e.worker_id IS NULL AS parked, e.state, e.inbox_seq, e.namespace, e.task_queue, e.workflow, e.version${streamed ? ", e.execution_id" : ""})`;
  };
  return { text, runIds, epochs, newSeqs };
}

/** The text, and the arrays that `appended` can use too where every row gets one event. */
interface Updated {
  readonly text: () => string;
  readonly runIds: string;
  readonly epochs: string;
  readonly newSeqs: string;
}

const noPriority = -32_768;

function started(
  parts: Parts,
  starts: readonly StartOperation[],
  {
    hasAppends,
    searchable,
    policies,
    ranked,
    now,
  }: { readonly hasAppends: boolean; readonly searchable: boolean; readonly policies: boolean; readonly ranked: boolean; readonly now: string },
): () => string {
  const columns = [
    [`${parts.add(uuids(starts.map((start) => start.runId)))}::uuid[]`, "run_id"],
    [`${parts.add(texts(starts.map((start) => start.namespace)))}::text[]`, "namespace"],
    [`${parts.add(texts(starts.map((start) => start.executionId)))}::text[]`, "execution_id"],
    [`${parts.add(texts(starts.map((start) => start.workflow)))}::text[]`, "workflow"],
    [`${parts.add(texts(starts.map((start) => start.version)))}::text[]`, "version"],
    [`${parts.add(texts(starts.map((start) => start.taskQueue)))}::text[]`, "task_queue"],
    [`${parts.add(texts(starts.map((start) => start.idempotencyKey)))}::text[]`, "idempotency_key"],
    [`${parts.add(uuids(starts.map((start) => start.parentRunId)))}::uuid[]`, "parent_run_id"],
    // Positions count from 1, so 0 stands for "no parent".
    [`${parts.add(integers(starts.map((start) => start.parentPosition ?? 0)))}::int[]`, "parent_position"],
    [`${parts.add(uuids(starts.map((start) => start.claimBy)))}::uuid[]`, "worker_id"],
    [`${parts.add(texts(starts.map((start) => (start.delayMs > 0 ? String(start.delayMs) : null))))}::text[]`, "delay_ms"],
    ...(searchable
      ? [
          [`${parts.add(texts(starts.map((start) => start.labels ?? null)))}::text[]`, "labels"],
          [`${parts.add(texts(starts.map((start) => start.attributes ?? null)))}::text[]`, "attributes"],
        ]
      : []),
    ...(ranked
      ? [
          [`${parts.add(texts(starts.map((start) => start.queueKey ?? null)))}::text[]`, "queue_key"],
          // An int of its own for "none", since the arrays of numbers have no nulls.
          [`${parts.add(integers(starts.map((start) => start.priority ?? noPriority)))}::int[]`, "priority"],
          [`${parts.add(texts(starts.map((start) => start.deduplicationId ?? null)))}::text[]`, "deduplication_id"],
          [`${parts.add(texts(starts.map((start) => start.mergeKey ?? null)))}::text[]`, "merge_key"],
        ]
      : []),
    ...(policies ? [[`${parts.add(texts(starts.map((start) => start.parentClosePolicy ?? null)))}::text[]`, "parent_close_policy"]] : []),
  ];
  return () => `started AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, idempotency_key, parent_run_id, parent_position, worker_id, epoch, claims, last_seq, state, created_at, started_at, not_before${searchable ? ", labels, attributes" : ""}${ranked ? ", queue_key, priority, deduplication_id, merge_key" : ""}${policies ? ", parent_close_policy" : ""})
 SELECT s.run_id, s.namespace, s.execution_id, s.workflow, s.version, s.task_queue, s.idempotency_key, s.parent_run_id, nullif(s.parent_position, 0), s.worker_id,
  (s.worker_id IS NOT NULL)::int, (s.worker_id IS NOT NULL)::int, 1, CASE WHEN s.worker_id IS NULL THEN 'pending' ELSE 'running' END,
  ${now}, CASE WHEN s.worker_id IS NULL THEN NULL ELSE ${now} END, ${now} + s.delay_ms::float8 * interval '1 millisecond'${searchable ? ", s.labels::jsonb, s.attributes::jsonb" : ""}${ranked ? `, s.queue_key, nullif(s.priority, ${noPriority}), s.deduplication_id, s.merge_key` : ""}${policies ? ", s.parent_close_policy" : ""}
 FROM unnest(${columns.map(([array]) => array).join(", ")}) AS s(${columns.map(([, name]) => name).join(", ")})
 ${hasAppends ? "WHERE s.parent_run_id IS NULL OR (s.parent_run_id IN (SELECT run_id FROM updated WHERE accepted)) IS TRUE" : ""}
 ON CONFLICT DO NOTHING
 RETURNING run_id, namespace, task_queue, workflow, version, worker_id, not_before)`;
}

/** @param update set where every row of it gets exactly one event and nothing is started: its arrays are these events' too */
function appended(parts: Parts, targets: readonly Target[], starts: readonly StartOperation[], update: Updated | undefined, now: string): () => string {
  const runIds: string[] = [];
  const seqs: number[] = [];
  const epochs: number[] = [];
  const types: string[] = [];
  const data: string[] = [];
  for (const { append } of targets) {
    if (append === undefined) continue;
    let seq = append.expectedSeq;
    for (const event of append.events) {
      runIds.push(append.runId);
      seqs.push(++seq);
      epochs.push(append.epoch);
      types.push(event.type);
      data.push(event.data);
    }
  }
  for (const start of starts) {
    runIds.push(start.runId);
    seqs.push(1);
    epochs.push(0);
    types.push("ExecutionStarted");
    data.push(start.started);
  }
  const written = [
    ...(targets.length > 0 ? ["SELECT run_id FROM updated WHERE accepted"] : []),
    ...(starts.length > 0 ? ["SELECT run_id FROM started"] : []),
  ].join(" UNION ALL ");
  const columns = [
    update?.runIds ?? `${parts.add(uuids(runIds))}::uuid[]`,
    update?.newSeqs ?? `${parts.add(integers(seqs))}::int[]`,
    update?.epochs ?? `${parts.add(integers(epochs))}::int[]`,
    `${parts.add(texts(types))}::text[]`,
    `${parts.add(texts(data))}::text[]`,
  ];
  return () => `appended AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT v.run_id, v.seq, v.epoch, ${now}, v.type, v.data
 FROM unnest(${columns.join(", ")})
  AS v(run_id, seq, epoch, type, data)
 WHERE (v.run_id IN (${written})) IS TRUE)`;
}

function sent(parts: Parts, messages: readonly { readonly message: Message; readonly sender: string }[], cancels: boolean): () => string {
  const columns = [
    `${parts.add(uuids(messages.map(({ sender }) => sender)))}::uuid[]`,
    `${parts.add(uuids(messages.map(({ message }) => message.toRunId)))}::uuid[]`,
    `${parts.add(texts(messages.map(({ message }) => message.messageId)))}::text[]`,
    `${parts.add(texts(messages.map(({ message }) => message.type)))}::text[]`,
    `${parts.add(texts(messages.map(({ message }) => message.data)))}::text[]`,
  ];
  return () => `sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT m.run_id, m.message_id, m.type, m.data FROM unnest(${columns.join(", ")}) AS m(sender, run_id, message_id, type, data)
 WHERE (m.sender IN (SELECT run_id FROM updated WHERE accepted)) IS TRUE
  AND (m.run_id IN (SELECT run_id FROM updated WHERE state IN ('pending', 'running', 'paused', 'quarantined'))) IS TRUE
 ON CONFLICT DO NOTHING${cancels ? " RETURNING run_id, type" : ""})`;
}

/** Offsets come from the owner, so a repetition of this commit finds its chunks and leaves them. */
function streamedPart(parts: Parts, appends: readonly AppendOperation[], now: string): () => string {
  const chunks = appends.flatMap((append) => (append.chunks ?? []).map((chunk) => ({ append, chunk })));
  const columns = [
    `${parts.add(uuids(chunks.map(({ append }) => append.runId)))}::uuid[]`,
    `${parts.add(integers(chunks.map(({ append }) => append.epoch)))}::int[]`,
    `${parts.add(texts(chunks.map(({ chunk }) => chunk.stream)))}::text[]`,
    `${parts.add(integers(chunks.map(({ chunk }) => chunk.offset)))}::int[]`,
    // Positions and attempts count from 1, so 0 stands for "no step".
    `${parts.add(integers(chunks.map(({ chunk }) => chunk.step?.position ?? 0)))}::int[]`,
    `${parts.add(integers(chunks.map(({ chunk }) => chunk.step?.attempt ?? 0)))}::int[]`,
    `${parts.add(texts(chunks.map(({ chunk }) => chunk.data)))}::text[]`,
  ];
  return () => `streamed AS (
 INSERT INTO stream_chunks (namespace, execution_id, stream, chunk_offset, run_id, epoch, at, step_position, attempt, data)
 SELECT u.namespace, u.execution_id, c.stream, c.chunk_offset, c.run_id, c.epoch, ${now}, nullif(c.step_position, 0), nullif(c.attempt, 0), c.data
 FROM unnest(${columns.join(", ")}) AS c(run_id, epoch, stream, chunk_offset, step_position, attempt, data) JOIN updated u ON u.run_id = c.run_id
 WHERE u.accepted ON CONFLICT DO NOTHING)`;
}

function consumedPart(parts: Parts, consumed: readonly { readonly runId: string; readonly messageId: string }[]): () => string {
  const runIds = `${parts.add(uuids(consumed.map(({ runId }) => runId)))}::uuid[]`;
  const messageIds = `${parts.add(texts(consumed.map(({ messageId }) => messageId)))}::text[]`;
  return () => `consumed AS (
 DELETE FROM inbox x USING unnest(${runIds}, ${messageIds}) AS c(run_id, message_id)
 WHERE x.run_id = ANY(${runIds}) AND x.run_id = c.run_id AND x.message_id = c.message_id AND (c.run_id IN (SELECT run_id FROM updated WHERE accepted)) IS TRUE)`;
}

/**
 * Tasks for parked timers, for parked executions that a message reached, and for starts that nobody claimed.
 *
 * @param cancels some are asked to cancel, which ends a pause too, if whoever asks is still its parent's owner
 */
function queuedPart(fromUpdated: boolean, fromStarted: boolean, cancels: boolean, now: string): () => string {
  const sources: string[] = [];
  const orPaused = " OR (state = 'paused' AND (run_id IN (SELECT run_id FROM sent WHERE type = 'CancelRequested')) IS TRUE)";
  if (fromUpdated) {
    sources.push(`SELECT run_id, CASE WHEN delivered > 0 THEN ${now} ELSE wake_at END, namespace, task_queue, workflow || '@' || version
 FROM updated WHERE parked AND ${cancels ? `(state = 'running'${orPaused})` : "state = 'running'"} AND (delivered > 0 OR wake_at IS NOT NULL)`);
  }
  if (fromStarted) {
    sources.push(`SELECT run_id, coalesce(not_before, ${now}), namespace, task_queue, workflow || '@' || version FROM started WHERE worker_id IS NULL`);
  }
  return () => `queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 ${sources.join("\n UNION ALL ")}
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))`;
}
