import type { Transaction } from "../transaction.ts";

/** What the sessions are called that users' transactions run in. */
export const transactionSessions = "pawl transactions";

/**
 * end-session: ends a session of users' transactions, whatever it is doing: PostgreSQL would not notice that its connection is gone before
 * the statement that runs has ended, and that may wait for a lock. Locks: none. Index: none, few sessions.
 */
export function endSession(pid: number): Transaction<never> {
  return {
    name: "end-session",
    text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND application_name = '${transactionSessions}'`,
    parameters: [pid],
  };
}
