import type { StartOperation } from "../../store/operations.ts";
import { texts, uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import type { ExistingRow } from "./reads.ts";

/**
 * find-existing: who holds the ids, idempotency keys, deduplication ids or merge keys of starts that conflicted. Indexes: executions_id,
 * executions_idempotency, executions_deduplication, executions_merging.
 */
export function findExisting(starts: readonly StartOperation[]): Transaction<ExistingRow> {
  const columns = `e.run_id, e.execution_id, e.workflow, e.version, e.state, e.parent_run_id, e.parent_position,
 (extract(epoch FROM e.created_at) * 1000)::float8 AS created_at, (e.workflow = s.workflow AND e.idempotency_key = s.idempotency_key) IS TRUE AS has_key`;
  return {
    name: "find-existing",
    text: `WITH s AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS s(run_id, namespace, execution_id, workflow, idempotency_key, deduplication_id, merge_key))
SELECT s.run_id AS wanted, ${columns} FROM s JOIN executions e ON e.namespace = s.namespace AND e.execution_id = s.execution_id AND e.namespace = ANY($2::text[]) AND e.execution_id = ANY($3::text[])
UNION ALL
SELECT s.run_id AS wanted, ${columns} FROM s JOIN executions e ON e.namespace = s.namespace AND e.workflow = s.workflow AND e.idempotency_key = s.idempotency_key
 AND e.namespace = ANY($2::text[]) AND e.workflow = ANY($4::text[]) AND e.idempotency_key = ANY($5::text[])
WHERE s.idempotency_key IS NOT NULL
UNION ALL
SELECT s.run_id AS wanted, ${columns} FROM s JOIN executions e ON e.namespace = s.namespace AND e.workflow = s.workflow AND e.deduplication_id = s.deduplication_id
 AND e.namespace = ANY($2::text[]) AND e.workflow = ANY($4::text[]) AND e.deduplication_id = ANY($6::text[]) AND e.state IN ('pending', 'running', 'paused', 'quarantined')
WHERE s.deduplication_id IS NOT NULL
UNION ALL
SELECT s.run_id AS wanted, ${columns} FROM s JOIN executions e ON e.namespace = s.namespace AND e.workflow = s.workflow AND e.merge_key = s.merge_key
 AND e.namespace = ANY($2::text[]) AND e.workflow = ANY($4::text[]) AND e.merge_key = ANY($7::text[]) AND e.state = 'pending'
WHERE s.merge_key IS NOT NULL`,
    parameters: [
      uuids(starts.map((start) => start.runId)),
      texts(starts.map((start) => start.namespace)),
      texts(starts.map((start) => start.executionId)),
      texts(starts.map((start) => start.workflow)),
      texts(starts.map((start) => start.idempotencyKey)),
      texts(starts.map((start) => start.deduplicationId ?? null)),
      texts(starts.map((start) => start.mergeKey ?? null)),
    ],
  };
}
