import type { NextDueRequest } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * read-next-due: in how many milliseconds the next task of these queues and definitions becomes due, if it does within the time
 * given; null if none does. What is due already is a claim's business. Locks nothing. Index: tasks_claim, of each queue as far as the
 * first task found.
 */
export function nextDue({ namespace, taskQueues, definitions, withinMs }: NextDueRequest): Transaction<{ readonly wait_ms: number | null }> {
  return {
    name: "read-next-due",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now)
SELECT (extract(epoch FROM min(d.visible_at) - (SELECT now FROM t)) * 1000)::float8 AS wait_ms
FROM unnest($2::text[]) AS queue(name) CROSS JOIN LATERAL (
 SELECT q.visible_at FROM tasks q
 WHERE q.namespace = $1 AND q.task_queue = queue.name AND q.visible_at > (SELECT now FROM t)
  AND q.visible_at < (SELECT now FROM t) + $4::float8 * interval '1 millisecond' AND q.definition = ANY($3::text[]) AND q.queue_key IS NULL AND NOT q.suspect
 ORDER BY q.visible_at LIMIT 1) AS d`,
    parameters: [namespace, texts(taskQueues), texts(definitions), withinMs],
  };
}
