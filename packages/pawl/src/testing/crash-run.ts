import { isDeepStrictEqual } from "node:util";
import { silentLogger } from "../base/logger.ts";
import type { ExecutionHandle } from "../client/execution-handle.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { LocalHints } from "../postgres/hint-channel.ts";
import type { CommitBatch } from "../store/store.ts";
import { describeAttempt, describeCommit } from "./crash-point.ts";
import { instrumentWorkflow, type StepInvocation } from "./instrument-workflow.ts";
import type { MemoryDatabase } from "./memory-database.ts";
import { Mocks } from "./mocks.ts";
import { TestTime } from "./test-time.ts";
import { TimedPawl } from "./timed-pawl.ts";
import { TimedStore, type CommitWatch } from "./timed-store.ts";
import { VirtualProcess } from "./virtual-process.ts";
import { VirtualTime } from "./virtual-time.ts";

/** The same in every run, so that runs can be compared. */
const startMs = Date.UTC(2030, 0, 1);
const executionId = "explored";
const namespace = "default";

/** One place where a worker can stop dead: in words, and which time it comes by. */
export interface CrashPoint {
  readonly words: string;
  readonly occurrence: number;
}

export interface CrashRunOptions {
  readonly workflow: AnyWorkflow;
  readonly input: unknown;
  readonly workflows: readonly AnyWorkflow[];
  readonly mocks: ((mocks: Mocks) => void) | undefined;
  readonly interact: ((handle: ExecutionHandle, time: TestTime) => Promise<void>) | undefined;
}

/** How an execution ended, as far as two runs can be compared. */
export type CrashOutcome =
  | { readonly state: "completed"; readonly result: unknown }
  | { readonly state: string; readonly error: string }
  /** It has not ended: nothing would ever wake it. */
  | { readonly state: string; readonly waitingFor: string | null };

export interface CrashRunRecord {
  readonly points: readonly CrashPoint[];
  /** Whether the worker crashed: a run may never come by the point. */
  readonly crashed: boolean;
  readonly outcome: CrashOutcome;
  /** How often each step's function was called, by its idempotency key. */
  readonly calls: ReadonlyMap<string, { readonly step: string; readonly count: number }>;
}

/** One life of an execution: a client, a worker that may crash at one point, and another worker that takes over. */
export class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #database: MemoryDatabase;
  readonly #crashAt: CrashPoint | undefined;
  readonly #time: VirtualTime;
  readonly #hints: LocalHints;
  readonly #gone = new Set<number>();
  readonly #mocks = new Mocks();
  readonly #pawls: { readonly pawl: TimedPawl; readonly process: VirtualProcess }[] = [];
  /** By run id: what tells the others from the execution that is explored. */
  readonly #names = new Map<string, string>();
  readonly #points: CrashPoint[] = [];
  readonly #occurrences = new Map<string, number>();
  readonly #calls = new Map<string, { readonly step: string; count: number }>();
  /** Functions of steps that run, and how to let time go on without them. */
  readonly #running = new Map<Promise<unknown>, () => void>();
  #crashed = false;
  #tellCrash!: () => void;
  readonly #crash = new Promise<void>((resolve) => {
    this.#tellCrash = resolve;
  });

  /** @param crashAt undefined for a run without a crash */
  constructor(database: MemoryDatabase, options: CrashRunOptions, crashAt: CrashPoint | undefined) {
    this.#database = database;
    this.#options = options;
    this.#crashAt = crashAt;
    this.#time = new VirtualTime(database, startMs);
    this.#hints = new LocalHints(this.#time);
    options.mocks?.(this.#mocks);
  }

  /** @param beforeClosing called when all is over, while nothing of the dead worker goes on yet */
  async run(beforeClosing: () => Promise<void>): Promise<CrashRunRecord> {
    try {
      const client = this.#open().pawl;
      await this.#startWorker();
      const { workflow, input, interact } = this.#options;
      const handle = await client.start(workflow, input as never, { executionId });
      const ending = outcomeOf(handle);
      const interacting = interact?.(handle, new TestTime(this.#time));
      const stuck = this.#time.stuck().then(() => true);
      const over = Promise.race([Promise.all([ending, interacting]), stuck]);
      await Promise.race([over, this.#crash]);
      if (this.#crashed) {
        await this.#letGo();
        await this.#startWorker();
      }
      const outcome = (await over) === true ? await waitsInVain(handle) : await ending;
      await this.#time.settled();
      await beforeClosing();
      return { points: [...this.#points], crashed: this.#crashed, outcome, calls: this.#calls };
    } finally {
      await this.#close();
    }
  }

  #open(watch?: (process: VirtualProcess) => CommitWatch): { readonly pawl: TimedPawl; readonly process: VirtualProcess } {
    const process = new VirtualProcess(this.#time, this.#gone);
    const parts = { database: this.#database, process, hints: this.#hints, logger: silentLogger };
    const store = new TimedStore(watch === undefined ? parts : { ...parts, onCommit: watch(process) });
    const pawl = new TimedPawl({ time: this.#time, process, store, namespace, logger: silentLogger, onClose: async () => {} });
    const opened = { pawl, process };
    this.#pawls.push(opened);
    return opened;
  }

  /** A worker that starts finds at once that one before it is gone, and takes over what that had claimed. */
  async #startWorker(): Promise<void> {
    const { pawl, process } = this.#open((committer) => this.#watch(committer));
    const workflows = this.#mocks.withMocked(this.#options.workflows).map((workflow) =>
      instrumentWorkflow(workflow, {
        step: (invocation) => this.#step(process, invocation),
        workflow: (mocked, id) => this.#mocks.codeOf(mocked, id),
      }),
    );
    await pawl.worker({ workflows });
  }

  #watch(process: VirtualProcess): CommitWatch {
    const inWords = (batch: CommitBatch): string => describeCommit(batch, (runId) => this.#names.get(runId) ?? "");
    return {
      before: async (batch) => {
        for (const { starts } of batch.appends) for (const start of starts) this.#names.set(start.runId, ` of child ${start.executionId}`);
        await this.#reach(process, `before the commit of ${inWords(batch)}`);
      },
      after: (batch) => this.#reach(process, `after the commit of ${inWords(batch)}`),
    };
  }

  async #step(process: VirtualProcess, invocation: StepInvocation): Promise<unknown> {
    const { step } = invocation;
    const what = describeAttempt(invocation, step.executionId === executionId ? "" : ` of child ${step.executionId}`);
    await this.#reach(process, `before the function of ${what}`);
    const calls = this.#calls.get(step.idempotencyKey) ?? { step: step.step, count: 0 };
    calls.count++;
    this.#calls.set(step.idempotencyKey, calls);
    const release = this.#time.hold();
    step.signal.addEventListener("abort", release, { once: true });
    const running = this.#mocks.runStep(invocation);
    this.#running.set(running, release);
    try {
      const result = await running;
      await this.#reach(process, `after the function of ${what}, before its result is recorded`);
      return result;
    } catch (error) {
      await this.#reach(process, `after the function of ${what} threw, before that is recorded`);
      throw error;
    } finally {
      this.#running.delete(running);
      release();
    }
  }

  /** The worker comes by this point, and stops dead if it is the one. */
  async #reach(process: VirtualProcess, words: string): Promise<void> {
    await process.goOn();
    if (this.#crashed) return;
    const occurrence = (this.#occurrences.get(words) ?? 0) + 1;
    this.#occurrences.set(words, occurrence);
    const point = { words, occurrence };
    this.#points.push(point);
    if (!isDeepStrictEqual(point, this.#crashAt)) return;
    this.#crashed = true;
    process.crash();
    this.#tellCrash();
    await process.goOn();
  }

  /** What the functions that ran in the dead worker were doing cannot be stopped half way: they have their effects before it counts as dead. */
  async #letGo(): Promise<void> {
    for (const release of this.#running.values()) release();
    await Promise.race([Promise.allSettled(this.#running.keys()), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }

  async #close(): Promise<void> {
    const closing = this.#pawls.map(({ pawl }) => pawl.close({ drain: 0 }));
    for (const { process } of this.#pawls) if (process.isDead) process.bury();
    await Promise.allSettled(closing);
    this.#time.close();
    await this.#database.clear();
  }
}

async function outcomeOf(handle: ExecutionHandle): Promise<CrashOutcome> {
  try {
    return { state: "completed", result: await handle.result() };
  } catch (error) {
    const { state } = await handle.status();
    const { cause } = error as Error;
    return { state, error: cause instanceof Error ? `${cause.name}: ${cause.message}` : (error as Error).message };
  }
}

async function waitsInVain(handle: ExecutionHandle): Promise<CrashOutcome> {
  const { state, waitingFor } = await handle.status();
  return { state, waitingFor };
}
