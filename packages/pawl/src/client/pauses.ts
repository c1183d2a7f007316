import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { PauseTarget } from "../store/pauses.ts";
import type { Store } from "../store/store.ts";
import { checkReason } from "./reason.ts";

/** A task queue, or all executions of a workflow. */
export type PauseScope = { readonly taskQueue: string } | { readonly workflow: string };

export type PauseInfo = PauseScope & {
  readonly reason: string | null;
  readonly since: Date;
};

/** With what `list` gives, so that its pauses can be removed. */
const pauseKeys = { taskQueue: true, workflow: true, reason: true, since: true } satisfies KnownKeys<PauseInfo>;

/** What `Pauses` needs of the Pawl it belongs to. */
export interface PausesParent {
  readonly store: Store;
  readonly namespace: string;
  /** @throws Closed */
  checkOpen(): void;
}

/**
 * Pauses whole task queues and workflows: nothing is claimed from them until they are resumed, also by workers that start later.
 * What a worker runs goes back into its queue at the next step boundary.
 */
export class Pauses {
  readonly #parent: PausesParent;

  constructor(parent: PausesParent) {
    this.#parent = parent;
  }

  /** Pausing what is paused changes nothing. @throws OptionInvalid */
  async add(options: PauseScope & { readonly reason?: string }): Promise<void> {
    this.#parent.checkOpen();
    const { store, namespace } = this.#parent;
    await store.addPause(namespace, targetOf(options, "pauses.add"), checkReason(options.reason));
    store.hint({ kind: "pauses", namespace });
  }

  /** Resumes it; gives whether it was paused. @throws OptionInvalid */
  async remove(scope: PauseScope): Promise<boolean> {
    this.#parent.checkOpen();
    const { store, namespace } = this.#parent;
    const target = targetOf(scope, "pauses.remove");
    if (!(await store.removePause(namespace, target))) return false;
    store.hint({ kind: "pauses", namespace });
    // Executions of a workflow may wait in any queue.
    store.hint({ kind: "tasks", namespace, taskQueue: target.kind === "task-queue" ? target.name : "*" });
    return true;
  }

  /** What is paused now. */
  async list(): Promise<readonly PauseInfo[]> {
    this.#parent.checkOpen();
    const rows = await this.#parent.store.readPauses(this.#parent.namespace);
    return rows.map(({ kind, name, reason, since }) => ({
      ...(kind === "task-queue" ? { taskQueue: name } : { workflow: name }),
      reason,
      since: new Date(since),
    }));
  }
}

function targetOf(scope: PauseScope, path: string): PauseTarget {
  checkKeys(scope, pauseKeys, path);
  const { taskQueue, workflow } = scope as { readonly taskQueue?: string; readonly workflow?: string };
  if ((taskQueue === undefined) === (workflow === undefined)) throw new OptionInvalid(path, "names either a taskQueue or a workflow");
  return taskQueue === undefined
    ? { kind: "workflow", name: checkName(workflow!, "workflow") }
    : { kind: "task-queue", name: checkName(taskQueue, "taskQueue") };
}
