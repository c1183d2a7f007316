import type { ClaimRuleNames } from "../store/claim-rules.ts";
import type { Store } from "../store/store.ts";

const noRules: ClaimRuleNames = { pausedQueues: [], pausedWorkflows: [], limitedQueues: [] };

/**
 * What of its task queues and workflows is paused, and which of its queues have limits, as this worker has heard last: before its
 * first claim, with every hint and once a second. So claims and starts ask the database nothing, and where there are no such rules
 * they are what they were. The first limits of a queue bind a worker that late; all later changes are read by the claim itself.
 */
export class ClaimRules {
  readonly #store: Pick<Store, "readClaimRules">;
  readonly #namespace: string;
  readonly #taskQueues: readonly string[];
  readonly #definitions: readonly string[];
  #names = noRules;
  #areKnown = false;
  #reading: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;

  /** @param definitions `name@version` of what the worker has */
  constructor(store: Pick<Store, "readClaimRules">, namespace: string, taskQueues: readonly string[], definitions: readonly string[]) {
    this.#store = store;
    this.#namespace = namespace;
    this.#taskQueues = taskQueues;
    this.#definitions = definitions;
  }

  /** Before they are, nothing may be claimed: a worker whose lease ends while it asks for the first time is woken by its new one. */
  get areKnown(): boolean {
    return this.#areKnown;
  }

  isPaused({ taskQueue, workflow }: { readonly taskQueue: string; readonly workflow: string }): boolean {
    return this.#names.pausedQueues.includes(taskQueue) || this.#names.pausedWorkflows.includes(workflow);
  }

  hasLimits(taskQueue: string): boolean {
    return this.#names.limitedQueues.includes(taskQueue);
  }

  /** Those of its queues that are not paused. */
  get openQueues(): readonly string[] {
    const { pausedQueues } = this.#names;
    return pausedQueues.length === 0 ? this.#taskQueues : this.#taskQueues.filter((name) => !pausedQueues.includes(name));
  }

  /** Those of its definitions whose workflow is not paused. */
  get openDefinitions(): readonly string[] {
    const { pausedWorkflows } = this.#names;
    if (pausedWorkflows.length === 0) return this.#definitions;
    return this.#definitions.filter((definition) => !pausedWorkflows.includes(definition.slice(0, definition.lastIndexOf("@"))));
  }

  /** A claim has found that these have no limits any more. Gives whether that is news. */
  limitsGone(taskQueues: readonly string[]): boolean {
    const left = this.#names.limitedQueues.filter((name) => !taskQueues.includes(name));
    if (left.length === this.#names.limitedQueues.length) return false;
    this.#names = { ...this.#names, limitedQueues: left };
    return true;
  }

  /** Gives whether something has changed for this worker. @throws Closed */
  refresh(): Promise<boolean> {
    if (this.#reading === undefined) return this.#begin();
    // The answer that is on its way may have been read before the change that this is about.
    this.#next ??= this.#reading.catch(() => false).then(() => this.#begin());
    return this.#next;
  }

  #begin(): Promise<boolean> {
    this.#next = undefined;
    this.#reading = this.#read().finally(() => {
      if (this.#next === undefined) this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<boolean> {
    const before = this.#asClaimed();
    this.#names = await this.#store.readClaimRules(this.#namespace);
    this.#areKnown = true;
    return this.#asClaimed() !== before;
  }

  /** What its claims ask for, to be compared. */
  #asClaimed(): string {
    return JSON.stringify([this.openDefinitions, this.openQueues.map((name) => [name, this.hasLimits(name)])]);
  }
}
