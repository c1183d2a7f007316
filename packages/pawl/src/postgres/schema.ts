import { bigint, boolean, customType, integer, jsonb, pgSchema, smallint, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { Labels, StoredAttributes } from "../base/search-values.ts";
import { OptionInvalid } from "../base/errors.ts";

const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
const textList = customType<{ data: string[] }>({ dataType: () => "text[]" });

/** The tables as Drizzle sees them, for the queries off the hot path. The migrations make them; a test compares the two. */
export function tablesIn(schema: string) {
  const within = pgSchema(checkSchemaName(schema));
  return {
    executions: within.table("executions", {
      runId: uuid("run_id").primaryKey(),
      epoch: integer("epoch").notNull(),
      lastSeq: integer("last_seq").notNull(),
      inboxSeq: integer("inbox_seq").notNull(),
      claims: integer("claims").notNull(),
      runNumber: integer("run_number").notNull(),
      parentPosition: integer("parent_position"),
      commitId: bigint("commit_id", { mode: "bigint" }).notNull(),
      createdAt: time("created_at").notNull(),
      notBefore: time("not_before"),
      startedAt: time("started_at"),
      finishedAt: time("finished_at"),
      workerId: uuid("worker_id"),
      parentRunId: uuid("parent_run_id"),
      state: text("state").notNull(),
      namespace: text("namespace").notNull(),
      executionId: text("execution_id").notNull(),
      workflow: text("workflow").notNull(),
      version: text("version").notNull(),
      taskQueue: text("task_queue").notNull(),
      idempotencyKey: text("idempotency_key"),
      parentClosePolicy: text("parent_close_policy"),
      deduplicationId: text("deduplication_id"),
      mergeKey: text("merge_key"),
      queueKey: text("queue_key"),
      priority: smallint("priority"),
      waitingFor: text("waiting_for"),
      labels: jsonb("labels").$type<Labels>(),
      attributes: jsonb("attributes").$type<StoredAttributes>(),
    }),
    history: within.table("history", {
      runId: uuid("run_id").notNull(),
      seq: integer("seq").notNull(),
      epoch: integer("epoch").notNull(),
      at: time("at").notNull(),
      type: text("type").notNull(),
      data: text("data").notNull(),
    }),
    pastRuns: within.table("past_runs", {
      runId: uuid("run_id").primaryKey(),
      namespace: text("namespace").notNull(),
      executionId: text("execution_id").notNull(),
      runNumber: integer("run_number").notNull(),
      workflow: text("workflow").notNull(),
      version: text("version").notNull(),
      state: text("state").notNull(),
      lastSeq: integer("last_seq").notNull(),
      createdAt: time("created_at").notNull(),
      startedAt: time("started_at"),
      finishedAt: time("finished_at"),
    }),
    workers: within.table("workers", {
      id: uuid("id").primaryKey(),
      namespace: text("namespace").notNull(),
      state: text("state").notNull(),
      leaseUntil: time("lease_until").notNull(),
      host: text("host").notNull(),
      pid: integer("pid").notNull(),
      pidStarted: text("pid_started").notNull(),
      taskQueues: textList("task_queues").notNull(),
      definitions: textList("definitions").notNull(),
      definitionQueues: textList("definition_queues").notNull(),
      concurrency: integer("concurrency").notNull(),
      startedAt: time("started_at").notNull(),
      endedAt: time("ended_at"),
    }),
    tasks: within.table("tasks", {
      runId: uuid("run_id").primaryKey(),
      visibleAt: time("visible_at").notNull(),
      namespace: text("namespace").notNull(),
      taskQueue: text("task_queue").notNull(),
      definition: text("definition").notNull(),
      suspect: boolean("suspect").notNull(),
      queueKey: text("queue_key"),
      priority: smallint("priority"),
    }),
    streamChunks: within.table("stream_chunks", {
      namespace: text("namespace").notNull(),
      executionId: text("execution_id").notNull(),
      stream: text("stream").notNull(),
      chunkOffset: integer("chunk_offset").notNull(),
      runId: uuid("run_id").notNull(),
      epoch: integer("epoch").notNull(),
      at: time("at").notNull(),
      stepPosition: integer("step_position"),
      attempt: integer("attempt"),
      data: text("data"),
    }),
    // The columns that are asked for outside of the named transactions.
    schedules: within.table("schedules", {
      id: uuid("id").primaryKey(),
      namespace: text("namespace").notNull(),
      workflow: text("workflow").notNull(),
      version: text("version").notNull(),
    }),
    inbox: within.table("inbox", {
      runId: uuid("run_id").notNull(),
      messageId: text("message_id").notNull(),
      ordinal: bigint("ordinal", { mode: "bigint" }).notNull(),
      type: text("type").notNull(),
      data: text("data").notNull(),
    }),
  };
}

export type Tables = ReturnType<typeof tablesIn>;

/** @throws OptionInvalid unless it is a plain lower-case identifier, since it stands in statements as it is. */
export function checkSchemaName(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,49}$/.test(schema)) {
    throw new OptionInvalid("schema", `must be a lower-case identifier of at most 50 characters, not "${schema.slice(0, 60)}"`);
  }
  return schema;
}
