/** One line of the effect ledger, the witness outside of the database. */
export interface EffectLine {
  /** The step's idempotency key: execution id and position. */
  readonly key: string;
  readonly executionId: string;
  readonly position: number;
  readonly attempt: number;
  readonly pid: number;
  readonly phase: "begin" | "end";
  /** When the step's function was called or had its result, by the clock of its machine. */
  readonly at: number;
}
