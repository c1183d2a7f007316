import type { TerminalState } from "../kernel/execution-state.ts";

/** Which ended executions, and which runs that continued as new, a policy is about; undefined: all workflows, all ways to end. */
export interface RetentionRule {
  readonly workflow?: string;
  readonly state?: TerminalState;
}

/** How long they are kept. `keepMs` null: for ever. */
export interface RetentionPolicyRow extends RetentionRule {
  readonly keepMs: number | null;
}

/** One step of a walk through all executions, or through all earlier runs, in the order of their run ids. */
export interface RetentionRequest {
  readonly namespace: string;
  /** Run id up to which the walk has come. */
  readonly after: string;
  /** Look at so many of them. */
  readonly scan: number;
  /** Delete about so many rows, events included; one of those that are due in any case. */
  readonly rows: number;
}

export interface RetentionOutcome {
  /** How many executions, or runs. */
  readonly deleted: number;
  /** It came to as many rows as it was to delete, and left some that are due. */
  readonly full: boolean;
  /** Where to go on; undefined at the end of the walk. */
  readonly next: string | undefined;
}

/** The beginning of a walk: before every run id. */
export const firstRun = "00000000-0000-0000-0000-000000000000";

/** Small enough that a commit which waits for the disk behind it waits some milliseconds at most. */
export const retentionBatch = { scan: 1000, rows: 2000 } as const;
