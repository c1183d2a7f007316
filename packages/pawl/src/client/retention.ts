import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { formatDuration, toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import { terminalStates, type TerminalState } from "../kernel/execution-state.ts";
import type { RetentionRule } from "../store/retention.ts";
import { RetentionWalk } from "../store/retention-walk.ts";
import type { Store } from "../store/store.ts";

/** What a policy is about. Left out: every workflow, every way to end. */
export interface RetentionScope {
  readonly workflow?: string;
  /**
   * One in which executions have ended: completed, failed, cancelled, terminated, timed_out; or continued_as_new, for the earlier runs
   * of executions that go on as new.
   */
  readonly state?: TerminalState;
}

export interface RetentionPolicy extends RetentionScope {
  /** How long an execution is kept after its end: a text as `set` takes it, or "forever". */
  readonly keep: string;
  /** The same in milliseconds, null for ever. */
  readonly keepMs: number | null;
}

/** What `run` has deleted. */
export interface RetentionCount {
  /** Each whole, with all its runs. */
  readonly executions: number;
  /** Of executions that are still there, and their histories. */
  readonly earlierRuns: number;
}

/** What `Retention` needs of the Pawl it belongs to. */
export interface RetentionParent {
  readonly store: Store;
  readonly namespace: string;
  /** @throws Closed */
  checkOpen(): void;
}

/** With what `list` gives, so that its policies can be set elsewhere and deleted. */
const policyKeys = { workflow: true, state: true, keep: true, keepMs: true } satisfies KnownKeys<RetentionPolicy>;

/**
 * How long this namespace keeps executions that have ended. Without a policy everything is kept. Workers delete in the
 * background what no policy keeps any longer, with all runs and histories. What is open, quarantined or a child of an
 * execution that is still there is never deleted. Of what continues as new, open or not, the earlier runs go that are no longer kept.
 */
export class Retention {
  readonly #parent: RetentionParent;

  constructor(parent: RetentionParent) {
    this.#parent = parent;
  }

  /**
   * Keeps ended executions for so long, at most five years, or with "forever" always. Of several policies the one that names the workflow
   * decides, then the one that names the state.
   *
   * @throws OptionInvalid
   */
  async set(options: RetentionScope & { readonly keep: Duration }): Promise<void> {
    this.#parent.checkOpen();
    checkKeys(options, policyKeys, "retention.set");
    const keepMs = options.keep === "forever" ? null : toMilliseconds(options.keep, "keep");
    await this.#parent.store.setRetention(this.#parent.namespace, ruleOf(options), keepMs);
  }

  /** The most specific first, as they are looked up. */
  async list(): Promise<readonly RetentionPolicy[]> {
    this.#parent.checkOpen();
    const rows = await this.#parent.store.retentionPolicies(this.#parent.namespace);
    return rows.map((row) => ({ ...row, keep: row.keepMs === null ? "forever" : row.keepMs === 0 ? "0ms" : formatDuration(row.keepMs) }));
  }

  /** Whether there was such a policy. @throws OptionInvalid */
  async delete(scope: RetentionScope = {}): Promise<boolean> {
    this.#parent.checkOpen();
    checkKeys(scope, policyKeys, "retention.delete");
    return this.#parent.store.deleteRetention(this.#parent.namespace, ruleOf(scope));
  }

  /** Deletes now what no policy keeps any longer, in small batches. */
  async run(): Promise<RetentionCount> {
    const deleted = { executions: 0, earlierRuns: 0 };
    const walk = new RetentionWalk(this.#parent.store, this.#parent.namespace);
    // A child becomes one of its own when its parent goes, so what one walk leaves may be for the next.
    for (let found = true; found;) {
      found = false;
      for (let isEnd = false; !isEnd;) {
        this.#parent.checkOpen();
        const step = await walk.step();
        deleted[step.what] += step.deleted;
        found ||= step.deleted > 0;
        ({ isEnd } = step);
      }
    }
    return deleted;
  }
}

function ruleOf({ workflow, state }: RetentionScope): RetentionRule {
  if (state !== undefined && !terminalStates.includes(state))
    throw new OptionInvalid("state", `must be one in which executions, or earlier runs of them, have ended: ${terminalStates.join(", ")}; not "${state}"`);
  return { ...(workflow === undefined ? {} : { workflow: checkName(workflow, "workflow") }), ...(state === undefined ? {} : { state }) };
}
