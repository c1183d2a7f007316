import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { HistoryTooLong, OptionInvalid } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { limits } from "../base/limits.ts";

/** How long the history of one run may become. */
export interface HistoryLimitOptions {
  /** A warning is logged when it has so many events (10,000). */
  readonly warnAt?: number;
  /** The execution fails with `HistoryTooLong` when it has so many events (51,200). */
  readonly events?: number;
  /** And when its events take so many characters when stored (52,428,800). */
  readonly characters?: number;
}

const limitKeys = { warnAt: true, events: true, characters: true } satisfies KnownKeys<HistoryLimitOptions>;

interface HistorySize {
  readonly events: number;
  readonly characters: number;
}

/** What a worker thinks of the length of a history. */
export class HistoryLimit {
  readonly #warnAt: number;
  readonly #most: HistorySize;

  /** @throws OptionInvalid */
  constructor(options: HistoryLimitOptions) {
    checkKeys(options, limitKeys, "historyLimit");
    const { warnAt = limits.historyWarning, events = limits.historyEvents, characters = limits.historyCharacters } = options;
    this.#warnAt = wholeNumber("warnAt", warnAt);
    this.#most = { events: wholeNumber("events", events), characters: wholeNumber("characters", characters) };
  }

  /**
   * Gives what an execution with such a history fails with; warns when it has just become long. Asked after every commit of every execution.
   *
   * @param before how many events there were before the last commit
   */
  check(execution: { readonly executionId: string; readonly log: Logger }, before: number, { events, characters }: HistorySize): HistoryTooLong | undefined {
    if (before < this.#warnAt && events >= this.#warnAt)
      execution.log.warn(`the history has ${events} events; let the execution continue as new (ctx.continueAsNew) before it reaches the limit`);
    if (events < this.#most.events && characters < this.#most.characters) return undefined;
    return new HistoryTooLong(execution.executionId, { events, characters }, this.#most);
  }
}

function wholeNumber(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 2) throw new OptionInvalid(`historyLimit.${name}`, `must be a whole number from 2, not ${String(value)}`);
  return value;
}
