import type { Transaction } from "../transaction.ts";

/** delete-schedule: its executions go on. Lock order: the schedule. Index: schedules_id. */
export function deleteSchedule(namespace: string, scheduleId: string): Transaction<{ readonly id: string }> {
  return {
    name: "delete-schedule",
    text: `DELETE FROM schedules WHERE namespace = $1 AND schedule_id = $2 RETURNING id`,
    parameters: [namespace, scheduleId],
  };
}
