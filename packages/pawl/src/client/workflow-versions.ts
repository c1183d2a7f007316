import { bulkWorkflowName } from "./bulk/bulk-workflow.ts";
import { checkKeys } from "../base/check-keys.ts";
import { compareVersions } from "../base/compare-versions.ts";
import { checkName } from "../base/ids.ts";
import { isTerminal, type ExecutionState } from "../kernel/execution-state.ts";
import type { Store } from "../store/store.ts";

/** What still needs one version of a workflow. */
export interface WorkflowVersion {
  readonly workflow: string;
  readonly version: string;
  /** Executions that have not ended, by state; states that none is in are left out. */
  readonly open: Readonly<Partial<Record<ExecutionState, number>>>;
  /** When the oldest of them was made. */
  readonly oldest: Date | null;
  /** Executions that failed or timed out, which can be retried, or were cancelled, which can be resumed: only where somebody has the code. */
  readonly ended: Readonly<Partial<Record<"failed" | "timed_out" | "cancelled", number>>>;
  /** Schedules that start executions of it. */
  readonly schedules: number;
  /** Ids of the live workers that have it. */
  readonly workers: readonly string[];
  /** Nothing needs it: its code may go, if nobody means to retry or resume any of `ended`, or to roll back or fork what has ended. */
  readonly removable: boolean;
}

interface WorkflowsParent {
  readonly store: Store;
  readonly namespace: string;
  checkOpen(): void;
}

/** The workflows that executions, schedules and live workers of this namespace name. */
export class Workflows {
  readonly #parent: WorkflowsParent;

  constructor(parent: WorkflowsParent) {
    this.#parent = parent;
  }

  /**
   * Which versions are in use, by workflow and version. Reads every execution's row. Moments pass between its reads: look again
   * before code is removed, when nobody starts executions of it any more.
   *
   * @throws OptionInvalid
   */
  async versions(options: { readonly workflow?: string } = {}): Promise<readonly WorkflowVersion[]> {
    this.#parent.checkOpen();
    checkKeys(options, { workflow: true }, "workflows.versions");
    const { store, namespace } = this.#parent;
    const workflow = options.workflow === undefined ? undefined : checkName(options.workflow, "workflow");
    const [workers, schedules, executions] = [
      await store.workers(namespace),
      await store.schedulesByVersion(namespace, workflow),
      await store.unfinishedByVersion(namespace, workflow),
    ];
    const found = new Map<string, Draft>();
    const of = (name: string, version: string): Draft => {
      const key = keyOf(name, version);
      let draft = found.get(key);
      if (draft === undefined) found.set(key, (draft = { workflow: name, version, open: {}, oldest: undefined, ended: {}, schedules: 0, workers: [] }));
      return draft;
    };
    for (const { workerId, definitions, state } of workers) {
      if (state !== "live") continue;
      for (const definition of definitions) {
        const at = definition.lastIndexOf("@");
        const name = definition.slice(0, at);
        if (workflow === undefined || name === workflow) of(name, definition.slice(at + 1)).workers.push(workerId);
      }
    }
    for (const row of schedules) of(row.workflow, row.version).schedules = row.count;
    for (const { state, count, oldest, ...row } of executions) {
      if (isTerminal(state)) continue;
      const draft = of(row.workflow, row.version);
      draft.open[state] = count;
      draft.oldest = Math.min(draft.oldest ?? oldest, oldest);
    }
    // Of versions that are in the report anyway: what ended on code that is long gone would fill it.
    for (const { state, count, ...row } of executions) {
      const draft = found.get(keyOf(row.workflow, row.version));
      if (draft !== undefined && (state === "failed" || state === "timed_out" || state === "cancelled")) draft.ended[state] = count;
    }
    // The built-in one comes with Pawl itself, in whichever version.
    return [...found.values()]
      .filter(({ workflow: name }) => workflow !== undefined || name !== bulkWorkflowName)
      .toSorted((a, b) => a.workflow.localeCompare(b.workflow) || compareVersions(a.version, b.version))
      .map(({ oldest, ...draft }) => ({
        ...draft,
        oldest: oldest === undefined ? null : new Date(oldest),
        removable: draft.schedules === 0 && Object.keys(draft.open).length === 0,
      }));
  }
}

function keyOf(workflow: string, version: string): string {
  return `${workflow}@${version}`;
}

interface Draft {
  readonly workflow: string;
  readonly version: string;
  readonly open: Partial<Record<ExecutionState, number>>;
  oldest: number | undefined;
  readonly ended: Partial<Record<"failed" | "timed_out" | "cancelled", number>>;
  schedules: number;
  readonly workers: string[];
}
