/** What nothing is claimed from while it is paused: a task queue, or all executions of a workflow. */
export interface PauseTarget {
  readonly kind: "task-queue" | "workflow";
  readonly name: string;
}

export interface PauseInfoRow extends PauseTarget {
  readonly reason: string | null;
  /** Milliseconds since 1970, database clock. */
  readonly since: number;
}
