import { PawlError, type ExecutionHandle, type Pawl, type QueueOptions, type ScheduleOptions } from "pawl";
import type { AnyWorkflow } from "pawl";
import { drawProgram, withAttributes } from "./draw-program.ts";
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

/** A signal or an update for whoever runs at that time. */
export interface Sending {
  readonly at: number;
  readonly what: "signal" | "update";
  /** To whom of those that run then, in [0, 1). */
  readonly to: number;
  readonly id: string;
  /** How often the same one is sent. */
  readonly copies: number;
}

export function drawSendings(chance: Chance, spanMs: number): readonly Sending[] {
  return Array.from({ length: chance.pick([0, 3, 10, 30]) }, (_, index) => ({
    at: chance.whole(20, spanMs),
    what: chance.pick(["signal", "signal", "update"] as const),
    to: chance.next(),
    id: `m${index}`,
    copies: chance.pick([1, 1, 1, 2]),
  }));
}

export function drawStrikes(chance: Chance, spanMs: number): readonly Strike[] {
  const most = chance.pick([0, 0, 2, 5]);
  return Array.from({ length: most }, () => ({ at: chance.whole(50, spanMs), by: chance.pick(["cancel", "terminate"] as const), victim: chance.next() }));
}

/**
 * @param attributes decides whether there are any, apart from everything else that is drawn
 * @param places decides the places in a queue with limits
 */
export function drawRequests(chance: Chance, spanMs: number, attributes: Chance, places: Chance | undefined): readonly Request[] {
  const hasAttributes = attributes.hits(0.3);
  // In some, workers have more to do at a time than goes into one commit.
  const count = chance.hits(0.1) ? chance.whole(12, 20) : chance.whole(2, 7);
  return Array.from({ length: count }, (_, index) => {
    const startAt = chance.whole(0, spanMs);
    // Often within the few milliseconds in which it begins.
    const at = startAt + chance.whole(0, chance.pick([30, 300, 3000, 3000]));
    const stops = chance.hits(0.3);
    return {
      executionId: `x${index}`,
      ...searchable(drawProgram(chance), hasAttributes && attributes.hits(0.6) ? attributes : undefined),
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
  /** Acknowledged signals, with the execution they were sent to and its run then. */
  readonly sent: { readonly executionId: string; readonly runId: string | undefined; readonly id: string }[] = [];
  #orders = 0;

  /** The place of a message among all that are sent. */
  nextOrder(): number {
    return ++this.#orders;
  }

  /** Executions that someone asked to stop, whatever came of it; for a child, its family. */
  readonly #stopped = new Set<string>();
  readonly #results = new Map<string, string>();

  stop(executionId: string): void {
    this.#stopped.add(rootOf(executionId));
  }

  wasStopped(executionId: string): boolean {
    return this.#stopped.has(rootOf(executionId));
  }

  result(executionId: string, told: string): void {
    const before = this.#results.get(executionId);
    // A resume makes an end of an earlier run one of the past.
    if (before !== undefined && before !== told && !this.wasStopped(executionId) && !/quarantined/i.test(before)) {
      throw new Violation("I1", `clients were told that ${executionId} ended in ${before} and in ${told}`);
    }
    this.#results.set(executionId, told);
  }

  /** I11: an acknowledged signal is in the history or on its way into it, as long as its execution goes on. */
  checkSent(monitor: Monitor): void {
    for (const { executionId, runId, id } of this.sent) {
      const row = monitor.row(executionId);
      // What a run had not read when it ended, the run of a resume does not get.
      if (row === undefined || row.run_id !== runId || monitor.outcome(executionId) !== undefined) continue;
      const read = monitor.histories.get(row.run_id)?.some(({ event }) => event.type === "SignalReceived" && event.signalId === id);
      if (read !== true && !(row.messages ?? "").includes(`"${id}`))
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
      if (now !== told && !this.wasStopped(executionId) && !/quarantined/.test(told)) {
        throw new Violation("I1", `clients were told that ${executionId} ended in ${told}; it is ${now ?? "not there"}`);
      }
    }
  }
}

/** Does what is asked of one client: from here on everything goes through the public interface. */
export class Client {
  readonly #pawl: Pawl;
  readonly #root: AnyWorkflow;
  readonly #log: ClientLog;
  readonly #monitor: Monitor;

  constructor(pawl: Pawl, root: AnyWorkflow, log: ClientLog, monitor: Monitor) {
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
  async send({ what, id }: Sending, executionId: string): Promise<void> {
    const handle = this.#pawl.handle(executionId);
    if (what === "update") return void (await this.#try(async () => handle.update("bump", 1, { updateId: id })));
    // Signals that one process sends arrive in order: the payload says in which they were sent.
    const order = this.#log.nextOrder();
    await this.#try(async () => {
      await handle.signal("go", order, { signalId: id });
      this.#log.sent.push({ executionId, runId: this.#monitor.row(executionId)?.run_id, id });
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
