/**
 * require-transaction: fails with 25P01 outside of a transaction block, and changes nothing in one. Unlike a savepoint it leaves nothing behind; unlike
 * a query it takes no snapshot. The name is qualified, because the search path is the user's.
 *
 * Lock order: the weakest on the table of executions, which what follows takes anyway. Index: none.
 */
export function requireTransaction(schema: string): string {
  return `LOCK TABLE "${schema}".executions IN ACCESS SHARE MODE`;
}
