import { ExecutionNotFound, OptionInvalid } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Runtime } from "../base/runtime.ts";
import { checkpointsOf } from "../kernel/checkpoint.ts";
import type { RecordedEvent } from "../kernel/event.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { ExecutionSummary, Store } from "../store/store.ts";

/** A point in a run's history to which the execution can be rolled back, or from which it can be forked: the result of a step. */
export interface Checkpoint {
  readonly seq: number;
  /** The run in whose history it stands. */
  readonly runId: string;
  readonly step: string;
  /** Number of the step's call in the code's order, from 1. */
  readonly position: number;
  readonly at: Date;
}

/** A run of an execution: the latest one, or one that a resume, rollback, retry or continue-as-new left behind. */
export interface RunInfo {
  readonly runId: string;
  readonly runNumber: number;
  readonly version: string;
  /** Of an earlier run: the one in which it was left behind. */
  readonly state: ExecutionState;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly events: number;
  readonly latest: boolean;
}

/**
 * Which checkpoint: its seq, the checkpoint, or the last result of a step of that name; 1 is the start. "latest" is the last result of
 * any step, or the start where there is none.
 */
export type CheckpointChoice = number | (Pick<Checkpoint, "seq"> & Partial<Pick<Checkpoint, "runId">>) | { readonly step: string } | "latest";

const historyPage = 1000;
const listed = "handle.checkpoints() lists them.";

/** What is needed of the Pawl it belongs to. */
export interface RunsParent {
  readonly store: Store;
  readonly namespace: string;
  readonly runtime: Runtime;
}

/** All runs of one execution, and what happened in them. */
export class Runs {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #executionId: string;

  constructor(parent: RunsParent, executionId: string) {
    this.#store = parent.store;
    this.#namespace = parent.namespace;
    this.#executionId = executionId;
  }

  /** @throws ExecutionNotFound */
  async latest(): Promise<ExecutionSummary> {
    const summary = await this.#store.describe(this.#namespace, this.#executionId);
    if (summary === undefined) throw new ExecutionNotFound(this.#executionId);
    return summary;
  }

  /** Oldest first. @throws ExecutionNotFound */
  async list(): Promise<readonly RunInfo[]> {
    const latest = await this.latest();
    const past = await this.#store.pastRuns(this.#namespace, this.#executionId);
    const time = (at: number | null): Date | null => (at === null ? null : new Date(at));
    return [...past.filter(({ runNumber }) => runNumber < latest.runNumber), latest].map((run) => ({
      runId: run.runId,
      runNumber: run.runNumber,
      version: run.version,
      state: run.state,
      startedAt: time(run.startedAt),
      finishedAt: time(run.finishedAt),
      events: run.events,
      latest: run.runId === latest.runId,
    }));
  }

  /** @throws ExecutionNotFound; OptionInvalid if it is no run of this execution */
  async find(runId: string): Promise<RunInfo> {
    const found = (await this.list()).find((run) => run.runId === runId);
    if (found === undefined)
      throw new OptionInvalid("runId", `"${runId.slice(0, 60)}" is no run of execution "${this.#executionId}"; handle.runs() lists them.`);
    return found;
  }

  /** @param runId the latest, if undefined @throws ExecutionNotFound; OptionInvalid if it is no run of this execution */
  async history(runId: string | undefined): Promise<readonly RecordedEvent[]> {
    return this.historyOf((await (runId === undefined ? this.latest() : this.find(runId))).runId);
  }

  /** @throws ExecutionNotFound, OptionInvalid if it is gone */
  async historyOf(runId: string): Promise<readonly RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for (;;) {
      const page = await this.#store.history(runId, events.at(-1)?.seq ?? 0, historyPage);
      events.push(...page);
      // Retention may have deleted it since its row was read, or since the page before.
      if (page.length === 0) await this.find(runId);
      if (page.length < historyPage) return events;
    }
  }
}

/** Whether it is the text of an id, or undefined; of which run, the execution says. @throws OptionInvalid */
export function checkRunId(runId: unknown, path: string): void {
  if (runId !== undefined && typeof runId !== "string") throw new OptionInvalid(path, `must be a text, as handle.runs() lists them, not ${kindOf(runId)}`);
}

/** Whether it names a checkpoint in one of the ways that there are; whether there is such a one, the history says. @throws OptionInvalid */
export function checkChoice(choice: unknown, path: string): void {
  if (choice === "latest" || typeof choice === "number") return;
  if (typeof choice !== "object" || choice === null)
    throw new OptionInvalid(path, `must be a checkpoint, its seq, { step } or "latest", not ${kindOf(choice)}; ${listed}`);
  const { seq, runId, step } = choice as { readonly seq?: unknown; readonly runId?: unknown; readonly step?: unknown };
  if ("seq" in choice) {
    if (typeof seq !== "number") throw new OptionInvalid(`${path}.seq`, `must be a number, not ${kindOf(seq)}; ${listed}`);
    checkRunId(runId, `${path}.runId`);
  } else if (typeof step !== "string") throw new OptionInvalid(`${path}.step`, `must be the name of a step, not ${kindOf(step)}; ${listed}`);
}

/** The run that a checkpoint says it is of. */
export function runOfCheckpoint(choice: CheckpointChoice): string | undefined {
  return typeof choice === "object" && choice !== null && "runId" in choice ? choice.runId : undefined;
}

/** The seq that is meant. @throws OptionInvalid if there is no such checkpoint */
export function chooseCheckpoint(choice: CheckpointChoice, history: readonly RecordedEvent[], path: string): number {
  const checkpoints = checkpointsOf(history);
  if (typeof choice === "object" && choice !== null && "step" in choice && !("seq" in choice)) {
    const found = checkpoints.findLast(({ step }) => step === choice.step);
    if (found === undefined) throw new OptionInvalid(path, `there is no result of a step "${choice.step.slice(0, 60)}"; ${listed}`);
    return found.seq;
  }
  if (choice === "latest") return checkpoints.at(-1)?.seq ?? chooseCheckpoint(1, history, path);
  const seq = typeof choice === "number" ? choice : (choice as Pick<Checkpoint, "seq"> | null)?.seq;
  // Starts that were merged belong to the start.
  if (seq === 1) return history.findLast(({ event }) => event.type === "StartMerged")?.seq ?? 1;
  if (seq !== undefined && checkpoints.some((checkpoint) => checkpoint.seq === seq)) return seq;
  throw new OptionInvalid(path, `${String(seq)} is no checkpoint; ${listed}`);
}
