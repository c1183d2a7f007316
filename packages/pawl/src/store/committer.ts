import { Closed } from "../base/errors.ts";
import { nextTurn, type Runtime, type Timer } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { AppendOperation, AppendOutcome, StartOperation, StartOutcome } from "./operations.ts";
import type { CommitBatch, CommitOutcome, Store } from "./store.ts";

/** Something that owns an execution and has events to write. */
export interface AppendSource {
  /** Everything to be written now, or undefined if there is nothing. Not asked again until `settle` or `fail`. */
  take(): AppendOperation | undefined;
  settle(outcome: AppendOutcome): void;
  /** The append can never be written (the database refuses its content). */
  fail(error: unknown): void;
}

interface PendingStart {
  readonly operation: StartOperation;
  readonly resolve: (outcome: StartOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Commits under way at once: while one waits for the disk, the next is planned. More do not help (measured). */
const lanes = 2;
/** Above this a batch gains nothing more and delays those behind it. */
const largestBatch = 1000;
/** So many are told of their commit in one turn: what they go on to write is on its way while the next are told. */
const settledPerTurn = 50;
/** And above so many characters of data it would hold up others for too long; a statement of 1 GB would break the connection. */
const largestBatchData = 16 * 1024 * 1024;

/** Of everything that goes into the statement with it: the ends of children and their inputs are as large as results are. */
function charactersOf({ events, chunks, starts, messages }: AppendOperation): number {
  let characters = 0;
  for (const event of events) characters += event.data.length;
  for (const chunk of chunks ?? []) characters += chunk.data?.length ?? 0;
  for (const start of starts) characters += start.started.length;
  for (const message of messages) characters += message.data.length;
  return characters;
}

/**
 * Group commit. All durable writes of a process pass through here: what arrives while commits are under way joins the next
 * one; an idle committer sends at once. Nobody is told "done" before the batch is durable.
 *
 * C1: an execution is in at most one commit under way.
 * C2: every taken append is settled or failed exactly once.
 */
export class Committer {
  readonly #store: Pick<Store, "commit">;
  readonly #runtime: Runtime;
  readonly #telemetry: Telemetry | undefined;
  #starts: PendingStart[] = [];
  readonly #sources = new Set<AppendSource>();
  #underWay = 0;
  /** Batches whose sources have not all been told of the outcome. */
  #settling = 0;
  #scheduled = false;
  #closed = false;
  readonly #idle: (() => void)[] = [];

  constructor(store: Pick<Store, "commit">, runtime: Runtime, telemetry?: Telemetry) {
    this.#store = store;
    this.#telemetry = telemetry;
    this.#runtime = runtime;
  }

  start(operation: StartOperation): Promise<StartOutcome> {
    if (this.#closed) return Promise.reject(new Closed("This Pawl"));
    return new Promise((resolve, reject) => {
      this.#starts.push({ operation, resolve, reject });
      this.#schedule();
    });
  }

  /** `source.take()` is called when the next commit is made up. */
  enlist(source: AppendSource): void {
    this.#sources.add(source);
    this.#schedule();
  }

  /** Resolves when nothing is waiting or under way. */
  async drain(): Promise<void> {
    while (!this.#isIdle) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Takes nothing more and waits, up to `timeoutMs`, for what is under way. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = this.#runtime.startTimer(timeoutMs, resolve);
    });
    await Promise.race([this.drain(), timeout]);
    timer?.clear();
  }

  /** Not in this very moment: whatever else this turn of the event loop brings shall join. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay >= lanes) return;
    this.#scheduled = true;
    this.#runtime.soon(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#underWay >= lanes) return;
    const starts: PendingStart[] = [];
    const appends: { source: AppendSource; operation: AppendOperation }[] = [];
    let data = 0;
    const full = (): boolean => starts.length + appends.length >= largestBatch || data >= largestBatchData;
    for (const start of this.#starts) {
      if (full()) break;
      starts.push(start);
      data += start.operation.started.length;
    }
    this.#starts = this.#starts.slice(starts.length);
    for (const source of this.#sources) {
      if (full()) break;
      this.#sources.delete(source);
      const operation = source.take();
      if (operation === undefined) continue;
      appends.push({ source, operation });
      data += charactersOf(operation);
    }
    if (starts.length === 0 && appends.length === 0) return this.#signalIdle();
    this.#settling++;
    void this.#commit(starts, appends).finally(() => {
      this.#settling--;
      this.#signalIdle();
    });
    if (this.#starts.length > 0 || this.#sources.size > 0) this.#schedule();
  }

  get #isIdle(): boolean {
    return this.#settling === 0 && this.#starts.length === 0 && this.#sources.size === 0;
  }

  #signalIdle(): void {
    if (!this.#isIdle) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #commit(starts: readonly PendingStart[], appends: readonly { source: AppendSource; operation: AppendOperation }[]): Promise<void> {
    const batch: CommitBatch = { starts: starts.map(({ operation }) => operation), appends: appends.map(({ operation }) => operation) };
    let outcome: CommitOutcome;
    this.#underWay++;
    const began = this.#telemetry === undefined ? 0 : this.#runtime.monotonicMs();
    try {
      outcome = await this.#store.commit(batch);
      this.#telemetry?.measured("commit.executions", starts.length + appends.length);
      this.#telemetry?.measured("commit.duration", this.#runtime.monotonicMs() - began);
    } catch (error) {
      if (starts.length + appends.length > 1 && !(error instanceof Closed)) return this.#commitOneByOne(starts, appends);
      for (const start of starts) start.reject(error);
      for (const { source } of appends) source.fail(error);
      return;
    } finally {
      this.#underWay--;
      if (this.#starts.length > 0 || this.#sources.size > 0) this.#schedule();
    }
    for (let i = 0; i < starts.length; i++) {
      if (i > 0 && i % settledPerTurn === 0) await nextTurn(this.#runtime);
      starts[i]!.resolve(outcome.starts[i]!);
    }
    for (let i = 0; i < appends.length; i++) {
      if (i > 0 && i % settledPerTurn === 0) await nextTurn(this.#runtime);
      appends[i]!.source.settle(outcome.appends[i]!);
    }
  }

  /** The database refused the batch for what is in it: only the part that it refuses may fail. */
  async #commitOneByOne(starts: readonly PendingStart[], appends: readonly { source: AppendSource; operation: AppendOperation }[]): Promise<void> {
    for (const start of starts) await this.#commit([start], []);
    for (const append of appends) await this.#commit([], [append]);
  }
}
