import { Closed } from "../base/errors.ts";
import { nextTurn, within, type Runtime } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { AppendOperation, AppendOutcome, StartOperation, StartOutcome } from "./operations.ts";
import { PatientLane } from "./patient-lane.ts";
import { StartHeldUp } from "./start-held-up.ts";
import { largestStatement } from "./statement-size.ts";
import type { CommitOutcome, Store } from "./store.ts";

/** Something that owns an execution and has events to write. */
export interface AppendSource {
  /** Everything to be written now, or undefined if there is nothing. Not asked again until `settle` or `fail`. */
  take(): AppendOperation | undefined;
  settle(outcome: AppendOutcome): void;
  /** The append can never be written (the database refuses its content). */
  fail(error: unknown): void;
}

interface PendingStart {
  readonly number: number;
  readonly operation: StartOperation;
  readonly resolve: (outcome: StartOutcome) => void;
  readonly reject: (error: unknown) => void;
  readonly onHeldUp: (() => void) | undefined;
}

interface PendingAppend {
  readonly source: AppendSource;
  readonly operation: AppendOperation;
}

/** Commits under way at once: while one waits for the disk, the next is planned. More do not help (measured). */
const lanes = 2;
/** Above this a batch gains nothing more and delays those behind it. */
const largestBatch = 1000;
/** So many are told of their commit in one turn: what they go on to write is on its way while the next are told. */
const settledPerTurn = 50;

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
 * C3: what waits for an open transaction of a user's holds nothing else up. A commit gives up on such a wait soon; the starts that
 *     may be the reason then wait by themselves, and all else goes on.
 */
export class Committer {
  /** For starts that wait for open transactions, whoever makes them. */
  readonly patience: PatientLane;
  readonly #store: Pick<Store, "commit">;
  readonly #runtime: Runtime;
  readonly #telemetry: Telemetry | undefined;
  /** Everything that waits has a number, in the order in which it came. */
  #lastNumber = 0;
  #starts: PendingStart[] = [];
  readonly #sources = new Map<AppendSource, number>();
  /** Starts that wait by themselves. */
  readonly #heldUp = new Set<PendingStart>();
  #underWay = 0;
  /** Batches that have not all been told of the outcome, by the lowest number in each. */
  readonly #settling = new Set<{ readonly from: number }>();
  #scheduled = false;
  #closed = false;
  readonly #settled: (() => void)[] = [];

  constructor(store: Pick<Store, "commit">, runtime: Runtime, telemetry?: Telemetry) {
    this.#store = store;
    this.#telemetry = telemetry;
    this.#runtime = runtime;
    this.patience = new PatientLane(runtime);
  }

  /** @param onHeldUp told when it has to wait for an open transaction. The operation may be changed then */
  start(operation: StartOperation, onHeldUp?: () => void): Promise<StartOutcome> {
    if (this.#closed) return Promise.reject(new Closed("This Pawl"));
    return new Promise((resolve, reject) => {
      this.#starts.push({ number: ++this.#lastNumber, operation, resolve, reject, onHeldUp });
      this.#schedule();
    });
  }

  /** `source.take()` is called when the next commit is made up. */
  enlist(source: AppendSource): void {
    if (!this.#sources.has(source)) this.#sources.set(source, ++this.#lastNumber);
    this.#schedule();
  }

  /** Resolves when all that waits or is under way now is settled, whatever else comes meanwhile; not what waits for open transactions. */
  async drain(): Promise<void> {
    const last = this.#lastNumber;
    while (this.#firstNumber <= last) {
      await new Promise<void>((resolve) => this.#settled.push(resolve));
    }
  }

  /** Takes nothing more and waits, up to `timeoutMs`, for what is under way. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await within(this.#runtime, timeoutMs, this.drain());
    this.patience.close();
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
    if (this.#heldUp.size > 0) this.#joinHeldUp();
    const starts: PendingStart[] = [];
    const appends: PendingAppend[] = [];
    let data = 0;
    const full = (): boolean => starts.length + appends.length >= largestBatch || data >= largestStatement;
    for (const start of this.#starts) {
      if (full()) break;
      starts.push(start);
      data += start.operation.started.length;
    }
    this.#starts = this.#starts.slice(starts.length);
    let from = starts[0]?.number ?? Number.POSITIVE_INFINITY;
    for (const [source, number] of this.#sources) {
      if (full()) break;
      this.#sources.delete(source);
      from = Math.min(from, number);
      const operation = source.take();
      if (operation === undefined) continue;
      appends.push({ source, operation });
      data += charactersOf(operation);
    }
    if (starts.length === 0 && appends.length === 0) return this.#signalSettled();
    const batch = { from };
    this.#settling.add(batch);
    void this.#commit(starts, appends).finally(() => {
      this.#settling.delete(batch);
      this.#signalSettled();
    });
    if (this.#starts.length > 0 || this.#sources.size > 0) this.#schedule();
  }

  /** The lowest number of what is not settled yet. Sources stand in the order of theirs. */
  get #firstNumber(): number {
    const [source = Number.POSITIVE_INFINITY] = this.#sources.values();
    return Math.min(this.#starts[0]?.number ?? Number.POSITIVE_INFINITY, source, ...[...this.#settling].map(({ from }) => from));
  }

  #signalSettled(): void {
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  async #commit(starts: readonly PendingStart[], appends: readonly PendingAppend[]): Promise<void> {
    let outcome: CommitOutcome;
    this.#underWay++;
    const began = this.#telemetry === undefined ? 0 : this.#runtime.monotonicMs();
    try {
      outcome = await this.#send(starts, appends);
      this.#telemetry?.measured("commit.executions", starts.length + appends.length);
      this.#telemetry?.measured("commit.duration", this.#runtime.monotonicMs() - began);
    } catch (error) {
      if (error instanceof StartHeldUp) return this.#commitApart(starts, appends);
      if (starts.length + appends.length > 1 && !(error instanceof Closed)) return this.#commitOneByOne(starts, appends);
      return fail(starts, appends, error);
    } finally {
      this.#underWay--;
      if (this.#starts.length > 0 || this.#sources.size > 0) this.#schedule();
    }
    await this.#settle(starts, appends, outcome);
  }

  #send(starts: readonly PendingStart[], appends: readonly PendingAppend[]): Promise<CommitOutcome> {
    return this.#store.commit({ starts: starts.map(({ operation }) => operation), appends: appends.map(({ operation }) => operation) });
  }

  async #settle(starts: readonly PendingStart[], appends: readonly PendingAppend[], outcome: CommitOutcome): Promise<void> {
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
  async #commitOneByOne(starts: readonly PendingStart[], appends: readonly PendingAppend[]): Promise<void> {
    for (const start of starts) await this.#commit([start], []);
    for (const append of appends) await this.#commit([], [append]);
  }

  /** C3. Nobody knows which of them it is that waits, so each that may is sent by itself. */
  async #commitApart(starts: readonly PendingStart[], appends: readonly PendingAppend[]): Promise<void> {
    const others = starts.filter(({ operation }) => operation.chosen !== true);
    const otherAppends = appends.filter(({ operation }) => operation.starts.every(({ chosen }) => chosen !== true));
    // Whoever drains does not wait for them: nobody knows how long the transaction takes.
    for (const start of starts) if (!others.includes(start)) void this.#holdUp(start);
    for (const append of appends) if (!otherAppends.includes(append)) void this.#sendPatiently([], [append]);
    if (others.length + otherAppends.length > 0) await this.#commit(others, otherAppends);
  }

  /** Starts of the same id or key as one that waits would wait for the same. */
  #joinHeldUp(): void {
    const joining = this.#starts.filter((start) => [...this.#heldUp].some((other) => isSame(start.operation, other.operation)));
    if (joining.length === 0) return;
    this.#starts = this.#starts.filter((start) => !joining.includes(start));
    for (const start of joining) void this.#holdUp(start);
  }

  async #holdUp(start: PendingStart): Promise<void> {
    start.onHeldUp?.();
    this.#heldUp.add(start);
    await this.#sendPatiently([start], []);
    this.#heldUp.delete(start);
  }

  async #sendPatiently(starts: readonly PendingStart[], appends: readonly PendingAppend[]): Promise<void> {
    let outcome: CommitOutcome;
    try {
      outcome = await this.patience.run(() => this.#send(starts, appends));
    } catch (error) {
      return fail(starts, appends, error);
    }
    await this.#settle(starts, appends, outcome);
  }
}

function fail(starts: readonly PendingStart[], appends: readonly PendingAppend[], error: unknown): void {
  for (const start of starts) start.reject(error);
  for (const { source } of appends) source.fail(error);
}

/** Whether only one of the two can be started. */
function isSame(a: StartOperation, b: StartOperation): boolean {
  if (a.namespace !== b.namespace) return false;
  return a.executionId === b.executionId || (a.idempotencyKey !== null && a.workflow === b.workflow && a.idempotencyKey === b.idempotencyKey);
}
