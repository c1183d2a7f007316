import {
  PawlError,
  type Checkpoint,
  type ExecutionHandle,
  type PauseScope,
  type Pawl,
  type QueueOptions,
  type RetentionScope,
  type ScheduleHandle,
  type ScheduleOptions,
  type SqlClient,
} from "pawl";
import type { AnyWorkflow } from "pawl";
import { readPayload } from "pawl/internal";
import { rootOf, type ClientLog } from "./client-log.ts";
import type { BulkWatch } from "./bulk-watch.ts";
import type { DrawnBulk } from "./draw-bulks.ts";
import type { DrawnMerge } from "./draw-merges.ts";
import type { Request } from "./draw-requests.ts";
import type { Revert, Sending, UserTransaction } from "./draw-script.ts";
import type { Monitor } from "./monitor.ts";
import { copyExecution, queryBumps } from "./readings.ts";
import { Violation } from "./violation.ts";
import type { Program } from "./program.ts";

/** Does the work in a transaction of the user's own, and commits if it gives true. Gives whether it has heard how that ended. */
export type InTransaction = (work: (client: SqlClient) => Promise<boolean>) => Promise<boolean>;

/** Does what is asked of one client: from here on everything goes through the public interface. */
export class Client {
  readonly #process: string;
  readonly #pawl: Pawl;
  readonly #workflows: readonly AnyWorkflow[];
  readonly #log: ClientLog;
  readonly #monitor: Monitor;
  readonly #inTransaction: InTransaction;

  constructor(process: string, pawl: Pawl, workflows: readonly AnyWorkflow[], log: ClientLog, monitor: Monitor, inTransaction: InTransaction) {
    this.#process = process;
    this.#pawl = pawl;
    this.#workflows = workflows;
    this.#log = log;
    this.#monitor = monitor;
    this.#inTransaction = inTransaction;
  }

  async start(request: Request): Promise<void> {
    // Whether its time is over before its end depends on who was there to run it.
    if (request.timeoutMs > 0) this.#log.stop(request.executionId);
    const handle = await this.#try(async () =>
      this.#pawl.start(this.#workflows[0]!, request.program, {
        executionId: request.executionId,
        ...request.place,
        ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey }),
        ...(request.labels === undefined ? {} : { labels: request.labels }),
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

  /** Gives the id of the execution that it has become, or a part of. @param number its input, or what its batch gets of it */
  async startMerged({ workflow, options }: DrawnMerge, number: number): Promise<string | undefined> {
    const definition = this.#workflows.find(({ name }) => name === workflow)!;
    return (await this.#try(async () => this.#pawl.start(definition, workflow === "batched" ? [number] : number, options)))?.executionId;
  }

  async #watch(handle: ExecutionHandle): Promise<void> {
    try {
      this.#log.result(handle.executionId, `completed ${String(await handle.result())}`, this.#monitor);
    } catch (error) {
      if (error instanceof Violation) throw error;
      const told = endOf(error);
      if (told !== undefined) this.#log.result(handle.executionId, told, this.#monitor);
    }
  }

  /** Updates wait for their reply, as long as their execution goes on. */
  async send({ what, id, withStart = false }: Pick<Sending, "what" | "id"> & Partial<Pick<Sending, "withStart">>, executionId: string): Promise<void> {
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
        await this.#pawl.signalWithStart(this.#workflows[0]!, program, { executionId, signal } as never);
        this.#log.started.add(executionId);
      } else await handle.signal("go", order, { signalId: id });
      const now = this.#monitor.row(executionId);
      this.#log.sent.push({ executionId, runId: before ?? (now?.run_number === 1 ? now.run_id : undefined), id });
    });
  }

  /** The row that a transaction leaves says what else it did. Whether it was committed, who hears nothing does not know. */
  async transact({ what, id, program, commits }: UserTransaction, executionId: string): Promise<void> {
    const before = this.#monitor.row(executionId)?.run_id;
    const isHeardOf = await this.#try(async () =>
      this.#inTransaction(async (client) => {
        await client.query("INSERT INTO orders VALUES ($1, $2, $3)", [id, what, executionId]);
        if (what === "start") await this.#pawl.start(this.#workflows[0]!, program, { executionId, transaction: client });
        else await this.#pawl.handle(executionId).signal("go", this.#log.nextOrder(id), { signalId: id, transaction: client });
        return commits;
      }),
    );
    if (isHeardOf !== true || !commits) return;
    if (what === "start") this.#log.started.add(executionId);
    else this.#log.sent.push({ executionId, runId: before, id });
  }

  async cancel(executionId: string): Promise<void> {
    this.#log.stop(executionId);
    await this.#try(async () => this.#pawl.handle(executionId).cancel({ reason: "by the simulation" }));
  }

  async terminate(executionId: string): Promise<void> {
    this.#log.stop(executionId);
    await this.#try(async () => this.#pawl.handle(executionId).terminate({ reason: "by the simulation" }));
  }

  async pauseAll(what: "pause" | "resume", scope: PauseScope): Promise<void> {
    await this.#try(async () => void (await this.#pawl.pauses[what === "pause" ? "add" : "remove"](scope)));
  }

  async pause(executionId: string): Promise<void> {
    await this.#try(async () => this.#pawl.handle(executionId).pause({ reason: "by the simulation" }));
  }

  async revert({ by, checkpoint, id, edit }: Pick<Revert, "by" | "checkpoint" | "id"> & Partial<Pick<Revert, "edit">>, executionId: string): Promise<void> {
    if (by !== "fork") this.#log.revert(executionId);
    await this.#try(async () => {
      const handle = this.#pawl.handle(executionId);
      if (by === "retry") return void (await handle.retry());
      const choices = [1, ...(await handle.checkpoints())];
      const choice = choices[Math.floor(checkpoint * choices.length)]!;
      if (by === "rollback") await handle.rollback({ to: choice });
      else await this.#fork(handle, choice, { id: `${executionId}-${id}`, edit });
    });
  }

  /** With another result of one of the steps whose results are values, if there is one before the checkpoint. */
  async #fork(
    handle: ExecutionHandle,
    from: Checkpoint | number,
    { id: executionId, edit }: { readonly id: string; readonly edit: number | undefined },
  ): Promise<void> {
    const seq = typeof from === "number" ? from : from.seq;
    const history = edit === undefined ? [] : await handle.history();
    const steps = history.flatMap(({ seq: at, event }) => (event.type === "StepCompleted" && event.name === "step" && at <= seq ? [event] : []));
    const step = steps[Math.floor((edit ?? 0) * steps.length)];
    if (step === undefined) return void (await handle.fork({ from, executionId }));
    const change = 10_000;
    const value = (readPayload(step.result) as number) + change;
    // The reply may be lost with this process.
    this.#log.edits.set(executionId, change);
    await handle.fork({ from, executionId, results: { [step.position]: value } });
  }

  async copy(executionId: string, copyId: string): Promise<void> {
    await this.#try(async () => copyExecution(this.#pawl, this.#monitor, this.#log, { executionId, copyId }));
  }

  async query(executionId: string): Promise<void> {
    await this.#try(async () => queryBumps(this.#pawl, this.#monitor, executionId));
  }

  async resume(executionId: string): Promise<void> {
    await this.#try(async () => this.#pawl.handle(executionId).resume());
  }

  /** Gives whether it is there now. */
  async makeSchedule(options: ScheduleOptions & { readonly input: Program }): Promise<boolean> {
    return (await this.#try(async () => this.#pawl.schedules.create({ ...options, workflow: this.#workflows[0]! }))) !== undefined;
  }

  async onSchedule(scheduleId: string, what: "pause" | "resume" | "trigger"): Promise<void> {
    await this.#try(async () => void (await this.#pawl.schedules.get(scheduleId)[what]()));
  }

  /** Gives whether it was done. */
  async changeSchedule(scheduleId: string, change: (handle: ScheduleHandle) => Promise<void>): Promise<boolean> {
    const done = await this.#try(async () => {
      await change(this.#pawl.schedules.get(scheduleId));
      return true;
    });
    return done === true;
  }

  async bulk(bulk: DrawnBulk, watch: BulkWatch): Promise<void> {
    const { bulkId: executionId, operation, prefix, checkpoint } = bulk;
    if (changesResults.has(operation)) this.#log.stopAll(prefix);
    watch.asked(bulk);
    const progress = await this.#try(async () => {
      const handle = await this.#pawl.bulk({
        executionId,
        operation,
        // What schedules have started is counted.
        filter: `executionId.startsWith("${prefix}") && !executionId.contains(":")`,
        ...(operation === "rollback" ? { to: checkpoint } : {}),
        ...(operation === "fork" ? { from: checkpoint } : {}),
        ...(operation === "signal" ? { signal: { name: "go", payload: this.#log.nextOrder(executionId) } } : {}),
      });
      this.#log.started.add(executionId);
      return handle.result();
    });
    if (progress !== undefined) watch.completed(bulk);
  }

  /** Other limits of the queue, or none any more. */
  async limit(to: QueueOptions | undefined): Promise<void> {
    await this.#try(async () => (to === undefined ? void (await this.#pawl.queues.delete("default")) : this.#pawl.queues.set("default", to)));
  }

  /** Nothing that has ended, or only no run that continued as new, is kept any longer. */
  async forget(scope: RetentionScope = {}): Promise<void> {
    await this.#try(async () => this.#pawl.retention.set({ ...scope, keep: 0 }));
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

/** Bulk operations after which an execution may end in another way than its program says, or once more. */
const changesResults: ReadonlySet<DrawnBulk["operation"]> = new Set(["cancel", "terminate", "resume", "retry", "rollback"]);

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
