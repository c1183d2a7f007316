import { PawlError, type ExecutionHandle, type Pawl } from "pawl";
import type { AnyWorkflow } from "pawl";
import { drawProgram, withAttributes } from "./draw-program.ts";
import type { Monitor } from "./monitor.ts";
import { Violation } from "./monitor.ts";
import type { Chance } from "./random.ts";
import type { Program } from "./workflows.ts";

/** One execution that the clients of a simulation ask for, and what they do with it. */
export interface Request {
  readonly executionId: string;
  readonly program: Program;
  readonly idempotencyKey: string | undefined;
  readonly startAt: number;
  readonly delayMs: number;
  /** How often it is started, by whichever client. */
  readonly copies: number;
  readonly attributes: Readonly<Record<string, number>> | undefined;
  readonly stop: { readonly at: number; readonly by: "cancel" | "terminate"; readonly resumeAt: number | undefined } | undefined;
}

/** Whoever runs at that time is stopped: children too, which no request names. */
export interface Strike {
  readonly at: number;
  readonly by: "cancel" | "terminate";
  /** Which of those that run then, in [0, 1). */
  readonly victim: number;
}

export function drawStrikes(chance: Chance, spanMs: number): readonly Strike[] {
  const most = chance.pick([0, 0, 2, 5]);
  return Array.from({ length: most }, () => ({ at: chance.whole(50, spanMs), by: chance.pick(["cancel", "terminate"] as const), victim: chance.next() }));
}

/** @param attributes decides whether there are any, apart from everything else that is drawn */
export function drawRequests(chance: Chance, spanMs: number, attributes: Chance): readonly Request[] {
  const hasAttributes = attributes.hits(0.3);
  return Array.from({ length: chance.whole(2, 7) }, (_, index) => {
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
      copies: chance.pick([1, 1, 1, 2, 3]),
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

  constructor(pawl: Pawl, root: AnyWorkflow, log: ClientLog) {
    this.#pawl = pawl;
    this.#root = root;
    this.#log = log;
  }

  async start(request: Request): Promise<void> {
    const handle = await this.#try(async () =>
      this.#pawl.start(this.#root, request.program, {
        executionId: request.executionId,
        ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey }),
        ...(request.attributes === undefined ? {} : { attributes: request.attributes }),
        ...(request.delayMs === 0 ? {} : { delay: request.delayMs }),
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
    case "ExecutionQuarantined":
      return "quarantined";
    default:
      return undefined;
  }
}
