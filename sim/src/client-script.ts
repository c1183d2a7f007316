import { PawlError, type ExecutionHandle, type Pawl, type QueueOptions, type ScheduleOptions } from "pawl";
import type { AnyWorkflow } from "pawl";
import { readPayload } from "pawl/internal";
import { drawProgram, withAttributes, withContinuations, withWrites } from "./draw-program.ts";
import { drawPlace, type DrawnPlace } from "./draw-queues.ts";
import type { Monitor } from "./monitor.ts";
import { Violation } from "./violation.ts";
import type { Chance } from "./random.ts";
import type { Program } from "./workflows.ts";

/** One execution that the clients of a simulation ask for, and what they do with it. */
export interface Request {
  readonly executionId: string;
  readonly program: Program;
  readonly idempotencyKey: string | undefined;
  readonly startAt: number;
  readonly delayMs: number;
  /** 0: as long as it takes. */
  readonly timeoutMs: number;
  /** How often it is started, by whichever client. */
  readonly copies: number;
  readonly attributes: Readonly<Record<string, number>> | undefined;
  readonly place: DrawnPlace;
  readonly stop: { readonly at: number; readonly by: "cancel" | "terminate"; readonly resumeAt: number | undefined } | undefined;
}

/** Whoever runs at that time is stopped: children too, which no request names. */
export interface Strike {
  readonly at: number;
  readonly by: "cancel" | "terminate";
  /** Which of those that run then, in [0, 1). */
  readonly victim: number;
}

/** Whoever runs at that time is paused, and resumed later. */
export interface Hold {
  readonly at: number;
  /** Which of those that run then, in [0, 1). */
  readonly victim: number;
  readonly resumeAfter: number;
}

export function drawHolds(chance: Chance, spanMs: number): readonly Hold[] {
  const most = chance.pick([0, 0, 3, 10]);
  return Array.from({ length: most }, () => ({
    at: chance.whole(20, spanMs),
    victim: chance.next(),
    // Often before it was obeyed.
    resumeAfter: chance.whole(0, chance.pick([20, 300, 3000])),
  }));
}

/** Somebody is given another run, or copied, from one of its checkpoints or its start. */
export interface Revert {
  readonly at: number;
  readonly by: "rollback" | "retry" | "fork";
  /** Which of those that there are then, in [0, 1). */
  readonly victim: number;
  /** Which checkpoint, in [0, 1). */
  readonly checkpoint: number;
  readonly id: string;
}

export function drawReverts(chance: Chance, spanMs: number): readonly Revert[] {
  return Array.from({ length: chance.pick([0, 0, 0, 2, 6]) }, (_, index) => ({
    at: chance.whole(100, spanMs),
    by: chance.pick(["rollback", "rollback", "rollback", "retry", "fork"] as const),
    victim: chance.next(),
    checkpoint: chance.next(),
    id: `fork${index}`,
  }));
}

/** A signal or an update for whoever runs at that time. */
export interface Sending {
  readonly at: number;
  readonly what: "signal" | "update";
  /** Sends it with a start. */
  readonly withStart: boolean;
  /** To whom of those that run then, in [0, 1). */
  readonly to: number;
  readonly id: string;
  /** How often the same one is sent. */
  readonly copies: number;
}

export function drawSendings(chance: Chance, spanMs: number): readonly Sending[] {
  // Apart from everything else that is drawn.
  const starts = chance.fork("with start");
  const sendings: Sending[] = [];
  for (let left = chance.pick([0, 3, 10, 30]); left > 0; left--) {
    const before = sendings.at(-1);
    // Often several within a moment, to the same: then they share a batch.
    const follows = before !== undefined && chance.hits(0.4);
    sendings.push({
      at: follows ? before.at + chance.whole(0, 2) : chance.whole(20, spanMs),
      withStart: starts.hits(0.3),
      what: chance.pick(["signal", "signal", "update"] as const),
      to: follows ? before.to : chance.next(),
      id: `m${sendings.length}`,
      copies: chance.pick([1, 1, 1, 2]),
    });
  }
  return sendings;
}

export function drawStrikes(chance: Chance, spanMs: number): readonly Strike[] {
  const most = chance.pick([0, 0, 2, 5]);
  return Array.from({ length: most }, () => ({ at: chance.whole(50, spanMs), by: chance.pick(["cancel", "terminate"] as const), victim: chance.next() }));
}

/**
 * @param attributes decides whether there are any, apart from everything else that is drawn; so do `writes` and `continuations`
 * @param places decides the places in a queue with limits
 */
export function drawRequests(
  chance: Chance,
  spanMs: number,
  attributes: Chance,
  writes: Chance,
  continuations: Chance,
  places: Chance | undefined,
): readonly Request[] {
  const hasAttributes = attributes.hits(0.3);
  const anyWrites = writes.hits(0.25);
  const continues = continuations.hits(0.3);
  // In some, workers have more to do at a time than goes into one commit.
  const count = chance.hits(0.1) ? chance.whole(12, 20) : chance.whole(2, 7);
  return Array.from({ length: count }, (_, index) => {
    const startAt = chance.whole(0, spanMs);
    // Often within the few milliseconds in which it begins.
    const at = startAt + chance.whole(0, chance.pick([30, 300, 3000, 3000]));
    const stops = chance.hits(0.3);
    return {
      executionId: `x${index}`,
      ...searchable(
        continuing(writing(drawProgram(chance), anyWrites && writes.hits(0.6) ? writes : undefined), continues ? continuations : undefined),
        hasAttributes && attributes.hits(0.6) ? attributes : undefined,
      ),
      idempotencyKey: chance.hits(0.2) ? `key${index}` : undefined,
      startAt,
      delayMs: chance.hits(0.15) ? chance.whole(100, 2000) : 0,
      timeoutMs: chance.hits(0.1) ? chance.whole(200, 5000) : 0,
      copies: chance.pick([1, 1, 1, 2, 3]),
      place: places === undefined ? {} : drawPlace(places),
      stop: stops
        ? { at, by: chance.pick(["cancel", "cancel", "terminate"] as const), resumeAt: chance.hits(0.5) ? at + chance.whole(0, 2000) : undefined }
        : undefined,
    };
  });
}

/** Around everything else: what would come after a continuation is never done. */
function continuing(program: Program, continuations: Chance | undefined): Program {
  return continuations === undefined ? program : withContinuations(program, continuations);
}

function writing(program: Program, chance: Chance | undefined): Program {
  // What waits to be cancelled is known by its program.
  return chance === undefined || program.do === "wait to be cancelled" ? program : withWrites(program, chance);
}

function searchable(program: Program, chance: Chance | undefined): Pick<Request, "program" | "attributes"> {
  // What waits to be cancelled is known by its program.
  if (chance === undefined || program.do === "wait to be cancelled") return { program, attributes: undefined };
  return { program: withAttributes(program, chance), attributes: chance.hits(0.5) ? { a: chance.whole(1, 9) } : undefined };
}

/** Children are named after their parents: x1.2, x1-own. */
function rootOf(executionId: string): string {
  return /^x\d+/.exec(executionId)![0];
}

/** What clients were told, held against the database at the end. */
export class ClientLog {
  /** Acknowledged starts: they must be there. */
  readonly started = new Set<string>();
  /** Acknowledged signals, with the execution they were sent to and its run when they were sent. */
  readonly sent: { readonly executionId: string; readonly runId: string | undefined; readonly id: string }[] = [];
  /** Who sent the signals, in the order of sending: the payload of each is its place here. */
  readonly #senders: string[] = [];

  /** The payload of the next signal of that process. */
  nextOrder(sender: string): number {
    return this.#senders.push(sender) - 1;
  }

  /** Executions that someone asked to stop, whatever came of it; for a child, its family. */
  readonly #stopped = new Set<string>();
  /** Executions that were given another run, or may have been: what was told of the run before is of the past. */
  readonly #reverted = new Set<string>();
  readonly #results = new Map<string, string>();

  revert(executionId: string): void {
    this.#reverted.add(rootOf(executionId));
  }

  isReverted(executionId: string): boolean {
    return this.#reverted.has(rootOf(executionId));
  }

  stop(executionId: string): void {
    this.#stopped.add(rootOf(executionId));
  }

  wasStopped(executionId: string): boolean {
    return this.#stopped.has(rootOf(executionId));
  }

  result(executionId: string, told: string): void {
    const before = this.#results.get(executionId);
    // A resume makes an end of an earlier run one of the past.
    if (before !== undefined && before !== told && !this.wasStopped(executionId) && !this.isReverted(executionId) && !/quarantined/i.test(before)) {
      throw new Violation("I1", `clients were told that ${executionId} ended in ${before} and in ${told}`);
    }
    this.#results.set(executionId, told);
  }

  /** I11: those that one process sends to one execution arrive in the order in which they were sent. */
  checkOrder(monitor: Monitor): void {
    for (const [runId, history] of monitor.histories) {
      const latest = new Map<string, number>();
      for (const { seq, event } of history) {
        if (event.type !== "SignalReceived") continue;
        const order = Number(readPayload(event.payload));
        const sender = this.#senders[order]!;
        const before = latest.get(sender) ?? -1;
        if (order < before) throw new Violation("I11", `event ${seq} of run ${runId} is signal ${order} of ${sender}, which comes after its signal ${before}`);
        latest.set(sender, order);
      }
    }
  }

  /** I11: an acknowledged signal is in the history or on its way into it, as long as its execution goes on. */
  checkSent(monitor: Monitor): void {
    for (const { executionId, runId, id } of this.sent) {
      const row = monitor.row(executionId);
      // What a run had not read when it ended, the next run does not get; a continuation and a rollback take it along.
      if (row === undefined || runId === undefined || monitor.outcome(executionId) !== undefined) continue;
      const runs = monitor.continuedFrom(executionId, runId);
      if (runs === undefined && !monitor.keepsMessagesOf(row.run_id, runId)) continue;
      const read = [row.run_id, ...(runs ?? [])].some((run) =>
        monitor.histories.get(run)?.some(({ event }) => event.type === "SignalReceived" && event.signalId === id),
      );
      // Acknowledged late: read by the run before, which has continued since.
      const started = monitor.histories.get(row.run_id)?.[0]?.event;
      const wasRead = started?.type === "ExecutionStarted" && started.continuedFrom?.messages?.includes(id) === true;
      if (!read && !wasRead && !(row.messages ?? "").includes(`"${id}`))
        throw new Violation("I11", `the acknowledged signal ${id} to ${executionId} (${row.state}) is lost`);
    }
  }

  /** What clients were told against what is there. */
  check(monitor: Monitor): void {
    for (const executionId of this.started)
      if (monitor.row(executionId) === undefined) throw new Violation("I9", `the acknowledged start of ${executionId} is lost`);
    for (const [executionId, told] of this.#results) {
      const outcome = monitor.outcome(executionId);
      const now = outcome?.state === "completed" ? `completed ${String(outcome.value)}` : outcome?.state;
      if (now !== told && !this.wasStopped(executionId) && !this.isReverted(executionId) && !/quarantined/.test(told)) {
        throw new Violation("I1", `clients were told that ${executionId} ended in ${told}; it is ${now ?? "not there"}`);
      }
    }
  }
}

/** Does what is asked of one client: from here on everything goes through the public interface. */
export class Client {
  readonly #process: string;
  readonly #pawl: Pawl;
  readonly #root: AnyWorkflow;
  readonly #log: ClientLog;
  readonly #monitor: Monitor;

  constructor(process: string, pawl: Pawl, root: AnyWorkflow, log: ClientLog, monitor: Monitor) {
    this.#process = process;
    this.#pawl = pawl;
    this.#root = root;
    this.#log = log;
    this.#monitor = monitor;
  }

  async start(request: Request): Promise<void> {
    // Whether its time is over before its end depends on who was there to run it.
    if (request.timeoutMs > 0) this.#log.stop(request.executionId);
    const handle = await this.#try(async () =>
      this.#pawl.start(this.#root, request.program, {
        executionId: request.executionId,
        ...request.place,
        ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey }),
        ...(request.attributes === undefined ? {} : { attributes: request.attributes }),
        ...(request.delayMs === 0 ? {} : { delay: request.delayMs }),
        ...(request.timeoutMs === 0 ? {} : { timeout: request.timeoutMs }),
      }),
    );
    if (handle === undefined) return;
    if (handle.executionId !== request.executionId) throw new Violation("I8", `starting ${request.executionId} gave ${handle.executionId}`);
    this.#log.started.add(request.executionId);
    await this.#watch(handle);
  }

  async #watch(handle: ExecutionHandle): Promise<void> {
    try {
      this.#log.result(handle.executionId, `completed ${String(await handle.result())}`);
    } catch (error) {
      if (error instanceof Violation) throw error;
      const told = endOf(error);
      if (told !== undefined) this.#log.result(handle.executionId, told);
    }
  }

  /** Updates wait for their reply, as long as their execution goes on. */
  async send({ what, id, withStart }: Sending, executionId: string): Promise<void> {
    const handle = this.#pawl.handle(executionId);
    if (what === "update") return void (await this.#try(async () => handle.update("bump", 1, { updateId: id })));
    const order = this.#log.nextOrder(this.#process);
    // Its acknowledgement may come when it is in another run already.
    const before = this.#monitor.row(executionId)?.run_id;
    await this.#try(async () => {
      // A child is never there before its parent starts it, and of another workflow.
      if (withStart && rootOf(executionId) === executionId) {
        const program: Program = { do: "signal", timeoutMs: 1000 };
        const signal = { name: "go", payload: order, signalId: id };
        await this.#pawl.signalWithStart(this.#root, program, { executionId, signal } as never);
        this.#log.started.add(executionId);
      } else await handle.signal("go", order, { signalId: id });
      const now = this.#monitor.row(executionId);
      this.#log.sent.push({ executionId, runId: before ?? (now?.run_number === 1 ? now.run_id : undefined), id });
    });
  }

  async cancel(executionId: string): Promise<void> {
    this.#log.stop(executionId);
    await this.#try(async () => this.#pawl.handle(executionId).cancel({ reason: "by the simulation" }));
  }

  async terminate(executionId: string): Promise<void> {
    this.#log.stop(executionId);
    await this.#try(async () => this.#pawl.handle(executionId).terminate({ reason: "by the simulation" }));
  }

  async onQueue(what: "pause" | "resume"): Promise<void> {
    await this.#try(async () => void (await this.#pawl.pauses[what === "pause" ? "add" : "remove"]({ taskQueue: "default" })));
  }

  async pause(executionId: string): Promise<void> {
    await this.#try(async () => this.#pawl.handle(executionId).pause({ reason: "by the simulation" }));
  }

  async revert({ by, checkpoint, id }: Revert, executionId: string): Promise<void> {
    if (by !== "fork") this.#log.revert(executionId);
    await this.#try(async () => {
      const handle = this.#pawl.handle(executionId);
      if (by === "retry") return void (await handle.retry());
      const choices = [1, ...(await handle.checkpoints())];
      const choice = choices[Math.floor(checkpoint * choices.length)]!;
      if (by === "rollback") await handle.rollback({ to: choice });
      else await handle.fork({ from: choice, executionId: `${executionId}-${id}` });
    });
  }

  async resume(executionId: string): Promise<void> {
    await this.#try(async () => this.#pawl.handle(executionId).resume());
  }

  /** Gives whether it is there now. */
  async makeSchedule(options: ScheduleOptions & { readonly input: Program }): Promise<boolean> {
    return (await this.#try(async () => this.#pawl.schedules.create({ ...options, workflow: this.#root }))) !== undefined;
  }

  async onSchedule(scheduleId: string, what: "pause" | "resume" | "trigger"): Promise<void> {
    await this.#try(async () => void (await this.#pawl.schedules.get(scheduleId)[what]()));
  }

  /** Other limits of the queue, or none any more. */
  async limit(to: QueueOptions | undefined): Promise<void> {
    await this.#try(async () => (to === undefined ? void (await this.#pawl.queues.delete("default")) : this.#pawl.queues.set("default", to)));
  }

  /** Nothing that has ended is kept any longer. */
  async forget(): Promise<void> {
    await this.#try(async () => this.#pawl.retention.set({ keep: 0 }));
    await this.#try(async () => this.#pawl.retention.run());
  }

  /** An error of Pawl's own is an answer: not found, wrong state, closed. Anything else is a fault of Pawl. */
  async #try<Result>(operation: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof PawlError)) throw error;
      return undefined;
    }
  }
}

function endOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  switch (error.name) {
    case "ExecutionFailed":
      return "failed";
    case "ExecutionCancelled":
      return "cancelled";
    case "ExecutionTerminated":
      return "terminated";
    case "ExecutionTimedOut":
      return "timed_out";
    case "ExecutionQuarantined":
      return "quarantined";
    default:
      return undefined;
  }
}
