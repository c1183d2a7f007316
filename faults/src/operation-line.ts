/** One line of the operation log. A completion has the `process` and `n` of its invocation. */
export interface OperationLine {
  readonly process: string;
  readonly n: number;
  readonly at: number;
  /** `fail` is a definite answer that nothing was done; `unknown` is none: a timeout, a broken connection. */
  readonly phase: "invoke" | "ok" | "fail" | "unknown";
  readonly operation: Operation;
  readonly executionId?: string;
  readonly runId?: string;
  readonly workflow?: string;
  readonly idempotencyKey?: string;
  readonly inputHash?: string;
  readonly state?: string;
  readonly valueHash?: string;
  readonly events?: number;
  readonly error?: string;
}

export type Operation = "start" | "cancel" | "terminate" | "resume" | "result" | "status" | "history" | "list";
export type OperationFields = Omit<Partial<OperationLine>, "process" | "n" | "at" | "phase" | "operation">;
