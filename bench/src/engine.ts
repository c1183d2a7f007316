/** What both systems must offer, so that one and the same scenario drives them. */

export type System = "pawl" | "dbos";

/**
 * The workflows, written once for each system in `pawl/workflows.ts` and `dbos/workflows.ts`. All take a number and give
 * a number, which the scenarios check:
 *
 * - `empty`: does nothing; gives its input.
 * - `sequential`: n steps one after the other; gives the bytes their results had.
 * - `parallel`: n steps at once; gives the same.
 * - `parent`: n children (`empty`, with inputs 0..n-1) at once; gives the sum of their results.
 * - `recoverable`: three steps; the second one waits for ever while `hold` is set; gives its input plus 3.
 * - `sleeper`: sleeps n seconds; gives n.
 */
export const workflowNames = ["empty", "sequential", "parallel", "parent", "recoverable", "sleeper"] as const;
export type WorkflowName = (typeof workflowNames)[number];

/**
 * - `both`: one process that starts workflows and runs them.
 * - `client`: starts workflows through the queue and waits for their results, but runs none.
 * - `worker`: runs what is in the queue, from `listen` to `unlisten`.
 */
export type Role = "both" | "client" | "worker";

export interface EngineOptions {
  readonly url: string;
  readonly role: Role;
  /** Names the process: a worker that comes back after a crash has the same one. */
  readonly identity: string;
  /** How many executions one worker may run at a time. */
  readonly concurrency: number;
  /** How often a system that finds its work or its results by polling may look. */
  readonly pollIntervalMs: number;
}

export interface Handle {
  /** Waits for the durable end of the execution. */
  result(): Promise<number>;
}

export interface Engine {
  /** Resolves when the start is durable. */
  start(workflow: WorkflowName, input: number): Promise<Handle>;
  /** Makes a schedule that starts `empty` with this input at that time. Where a system has no such thing, it has no such function. */
  scheduleAt?(input: number, at: Date): Promise<void>;
  /** At most so many executions at a time, over all workers. Where a system has no such thing for what the cases start, it has no such function. */
  limit?(concurrency: number): Promise<void>;
  /** Resolves when it takes work; gives the milliseconds before, in which it certainly took none. */
  listen(): Promise<number>;
  unlisten(): Promise<void>;
  close(): Promise<void>;
}

/** What the database says has happened: the check that a run did what its figure claims. */
export interface Audit {
  readonly completed: number;
  readonly unfinished: number;
  readonly steps: number;
  /** Executions that wait for a timer. */
  readonly sleeping: number;
}

/** Runs a query in the database of the run. */
export type Query = (sql: string) => Promise<readonly Record<string, unknown>[]>;

export function toAudit([row]: readonly Record<string, unknown>[]): Audit {
  const count = (column: keyof Audit): number => Number(row?.[column]);
  return { completed: count("completed"), unfinished: count("unfinished"), steps: count("steps"), sleeping: count("sleeping") };
}

export interface EngineModule {
  open(options: EngineOptions): Promise<Engine>;
  audit(query: Query): Promise<Audit>;
}

/** Loads one system only: the other one must not cost memory or time in this process. */
export async function loadEngine(system: System): Promise<EngineModule> {
  return system === "pawl" ? await import("./pawl/engine.ts") : await import("./dbos/engine.ts");
}
