import type { PauseOperation } from "../store/store.ts";

/** What an active execution knows of a request to pause it. */
export class PauseRequest {
  #request: { readonly reason: string | null } | undefined;
  #underWay = false;
  #refused = false;

  get isAsked(): boolean {
    return this.#request !== undefined;
  }

  /** Whether the pause is being written: nothing else may be, meanwhile. */
  get isUnderWay(): boolean {
    return this.#underWay;
  }

  /** @param data of the message */
  ask(data: string): void {
    const { reason } = JSON.parse(data) as { readonly reason?: string };
    this.#request = { reason: reason ?? null };
  }

  /** It comes too late, after a cancel request. Gives whether it is the first that does. */
  refuse(): boolean {
    const isFirst = !this.#refused;
    this.#refused = true;
    return isFirst;
  }

  /** It was taken back, or a cancel request goes before it. */
  withdraw(): void {
    this.#request = undefined;
  }

  async carryOut<Outcome>(operation: Omit<PauseOperation, "reason">, write: (operation: PauseOperation) => Promise<Outcome>): Promise<Outcome | "under way"> {
    if (this.#underWay || this.#request === undefined) return "under way";
    this.#underWay = true;
    try {
      return await write({ ...operation, reason: this.#request.reason });
    } finally {
      this.#underWay = false;
    }
  }
}
