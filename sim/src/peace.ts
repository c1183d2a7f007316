import type { Worker } from "pawl";
import { isTerminal } from "./execution-rows.ts";
import type { Processes } from "./processes.ts";
import { pauseScopes } from "./draw-script.ts";
import { healer, pollMs, settleMs, type Scene } from "./scene.ts";
import { Violation } from "./violation.ts";

/** In peace, a task is found within so long by a worker that has nothing else to do. */
const idleLimitMs = 3 * pollMs;
const idleCheckMs = 500;
/** So long after the last end, workers have heard of it, and the latest request has been answered. */
const afterwardsMs = 20_000;

/** After the trouble: no more faults, whatever is alive goes on, and everything that was started must end. */
export class Peace {
  readonly #scene: Scene;
  readonly #processes: Processes;
  /** Executions that were quarantined, and then resumed or stopped. */
  quarantined = 0;

  constructor(scene: Scene, processes: Processes) {
    this.#scene = scene;
    this.#processes = processes;
  }

  async settle(): Promise<void> {
    const { transport, world, chance, failure, watch } = this.#scene;
    if (failure.first !== undefined) return;
    transport.faultsOn = false;
    this.#processes.wakeAll();
    world.note("world", "is at peace");
    this.#processes.keepRunning(healer, chance.fork(healer), 3);
    this.#tendAgain(100);
    const longestMs = settleMs + this.#backfillsMs;
    const untilMs = world.now + longestMs;
    const done = (): boolean => failure.first !== undefined || this.#isOver();
    this.#watchForIdling();
    // Who stood still when all seemed over may begin something only then.
    while (await world.run(done, untilMs)) {
      await this.#checkNothingHeld();
      if (done()) return;
    }
    const open = [...watch.monitor.executions.values()].filter((row) => !isTerminal(row.state)).map((row) => `${row.execution_id} (${row.state})`);
    throw new Violation("I18", `after ${longestMs} ms without faults these have not ended: ${open.join(", ")}`);
  }

  /** One after the other, the executions of a backfill and those that come behind them may take that long in the slowest program. */
  get #backfillsMs(): number {
    const longestProgramMs = 15_000;
    return this.#scene.schedules.reduce((sum, { backfill, everyMs, maximumRuns }) => {
      if (backfill?.overlap !== "buffer_all") return sum;
      return sum + (backfill.beforeMs / everyMs + maximumRuns) * longestProgramMs;
    }, 0);
  }

  #isOver(): boolean {
    const { monitor, schedules } = this.#scene.watch;
    for (const row of monitor.executions.values()) if (!isTerminal(row.state)) return false;
    return schedules === undefined || (schedules.isOver && schedules.paused.length === 0);
  }

  /** What a person would do, every two seconds. */
  #tendAgain(inMs: number): void {
    const { world, failure, log, watch } = this.#scene;
    world.schedule(inMs, "script", undefined, "tend", () => {
      this.#processes.letClient(healer, async (client) => {
        for (const scope of pauseScopes) await client.pauseAll("resume", scope);
      });
      for (const row of watch.monitor.executions.values()) this.#tend(row.execution_id, row.state);
      failure.guard(() => log.checkSent(watch.monitor));
      for (const id of watch.schedules?.paused ?? []) this.#processes.letClient(healer, (client) => client.onSchedule(id, "resume"));
      this.#tendAgain(2000);
    });
  }

  /** Resumes what is held, and ends what waits for ever. */
  #tend(executionId: string, state: string): void {
    if (state === "quarantined") {
      this.#processes.letClient(healer, async (client) => {
        this.quarantined++;
        this.#scene.log.stop(executionId);
        const what = this.#scene.chance.pick(["resume", "resume", "cancel", "terminate"] as const);
        await client[what](executionId);
      });
    } else if (state === "paused") this.#processes.letClient(healer, (client) => client.resume(executionId));
    else if (state === "running" && this.#waitsForEver(executionId)) this.#processes.letClient(healer, (client) => client.cancel(executionId));
  }

  /** It was made to wait for ever; or its parent was and has ended: terminated, which leaves children alone, or before the child was rolled back. */
  #waitsForEver(given: string): boolean {
    const { requests, watch } = this.#scene;
    // Forks, and children that a rolled-back run has started.
    const executionId = given.replaceAll(/-fork\d+|\.bulk\d+|\.r\d+/g, "");
    const waits = (id: string): boolean => requests.some((request) => request.executionId === id && request.program.do === "wait to be cancelled");
    const parent = executionId.slice(0, Math.max(0, executionId.lastIndexOf(".")));
    return waits(executionId) || (waits(parent) && isTerminal(watch.monitor.row(parent)?.state ?? "terminated"));
  }

  /** I18: in peace no task is due for long while a worker has had nothing to do all that time. */
  #watchForIdling(): void {
    const { world, database, watch, failure } = this.#scene;
    const idleSince = new Map<Worker, number>();
    const dueSince = new Map<string, number>();
    const check = async (): Promise<void> => {
      world.schedule(idleCheckMs, "script", undefined, "", check);
      const { working } = this.#processes;
      for (const { process, worker } of working) {
        const { leaseValid, slots, state } = worker.health();
        const isBusy = !leaseValid || slots.used > 0 || state !== "running" || watch.claims.isBusySince(process, world.now - idleCheckMs);
        if (isBusy) idleSince.delete(worker);
        else if (!idleSince.has(worker)) idleSince.set(worker, world.now);
      }
      const longestOf = (version: string): number =>
        Math.max(0, ...working.map(({ versions, worker }) => (versions.includes(version) ? world.now - (idleSince.get(worker) ?? world.now) : 0)));
      const isPaused = (await database.readText("SELECT count(*)::text FROM pauses")) !== "0";
      for (const row of watch.monitor.executions.values()) {
        const isDue = row.visible_at !== null && Math.max(row.visible_at, row.not_before ?? 0) <= world.databaseNow;
        if (!isDue || isPaused || watch.queue?.mayBeClaimed(row.run_id) === false) dueSince.delete(row.run_id);
        else if (!dueSince.has(row.run_id)) dueSince.set(row.run_id, world.now);
        const dueFor = world.now - (dueSince.get(row.run_id) ?? world.now);
        if (Math.min(dueFor, longestOf(row.version)) > idleLimitMs)
          failure.add(new Violation("I18", `${row.execution_id} has been due for ${dueFor} ms while a worker had nothing to do`));
      }
    };
    world.schedule(0, "script", undefined, "", check);
  }

  /** I16: when everything has ended, no worker holds on to anything, unless something begins only now. */
  async #checkNothingHeld(): Promise<void> {
    const { world, failure } = this.#scene;
    const holders = (): string[] =>
      this.#processes.working.flatMap(({ process, worker }) => {
        const { slots, active } = worker.health();
        return slots.used + active === 0 ? [] : [`${process.name} (${slots.used} slots, ${active} executions)`];
      });
    await world.run(() => failure.first !== undefined || holders().length === 0 || !this.#isOver(), world.now + afterwardsMs);
    if (holders().length > 0 && this.#isOver()) throw new Violation("I16", `everything has ended, and these hold on to something: ${holders().join(", ")}`);
  }
}
