import type { PauseTarget } from "../store/pauses.ts";
import type { Store } from "../store/store.ts";

/**
 * Which task queues and workflows are paused, as this worker has heard last: before its first claim, with every hint and once a
 * second. So claims and starts ask the database nothing, and where nothing is paused they are what they were.
 */
export class PauseWatch {
  readonly #store: Pick<Store, "readPauses">;
  readonly #namespace: string;
  readonly #taskQueues = new Set<string>();
  readonly #workflows = new Set<string>();
  #reading: Promise<boolean> | undefined;

  constructor(store: Pick<Store, "readPauses">, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  isPaused(taskQueue: string, workflow: string): boolean {
    return this.#taskQueues.has(taskQueue) || this.#workflows.has(workflow);
  }

  /** Those that are not paused. */
  openQueues(taskQueues: readonly string[]): readonly string[] {
    return this.#taskQueues.size === 0 ? taskQueues : taskQueues.filter((name) => !this.#taskQueues.has(name));
  }

  /** Of `name@version`, those whose workflow is not paused. */
  openDefinitions(definitions: readonly string[]): readonly string[] {
    if (this.#workflows.size === 0) return definitions;
    return definitions.filter((definition) => !this.#workflows.has(definition.slice(0, definition.lastIndexOf("@"))));
  }

  /** Gives whether something has changed. @throws Closed */
  refresh(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<boolean> {
    const pauses = await this.#store.readPauses(this.#namespace);
    const isKnown = ({ kind, name }: PauseTarget): boolean => (kind === "workflow" ? this.#workflows : this.#taskQueues).has(name);
    if (pauses.length === this.#taskQueues.size + this.#workflows.size && pauses.every(isKnown)) return false;
    this.#taskQueues.clear();
    this.#workflows.clear();
    for (const { kind, name } of pauses) (kind === "workflow" ? this.#workflows : this.#taskQueues).add(name);
    return true;
  }
}
