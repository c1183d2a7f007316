import { BulkWatch } from "./bulk-watch.ts";
import { checkAtEnd } from "./check-at-end.ts";
import { ClientLog } from "./client-log.ts";
import { drawBulks } from "./draw-bulks.ts";
import { drawMerges } from "./draw-merges.ts";
import { drawQueue, type DrawnQueue } from "./draw-queues.ts";
import { drawSchedules } from "./draw-schedules.ts";
import { drawRequests } from "./draw-requests.ts";
import { DrawnFaults, PlannedFaults, type Fault } from "./faults.ts";
import { MergeWatch } from "./merge-watch.ts";
import { Monitor } from "./monitor.ts";
import { Peace } from "./peace.ts";
import { leaseMs, Processes } from "./processes.ts";
import { QueueWatch } from "./queue-watch.ts";
import { Chance } from "./random.ts";
import { forgetAll } from "./retention.ts";
import { Failure, troubleMs, type Scene, type Watch } from "./scene.ts";
import { ScheduleWatch } from "./schedule-watch.ts";
import { Script } from "./script.ts";
import { databaseTime, type SimDatabase } from "./sim-database.ts";
import { StreamWatch } from "./stream-watch.ts";
import { TransactionWatch } from "./transaction-watch.ts";
import { Transport, type FaultCounts } from "./transport.ts";
import { Violation } from "./violation.ts";
import { Claims } from "./watched-store.ts";
import { World, type TimelineEntry } from "./world.ts";

/** Some time in 2030. */
const epochMs = 1_900_000_000_000;

export interface Outcome {
  readonly seed: number;
  readonly violation: { readonly invariant: string; readonly message: string; readonly stack: string | undefined } | undefined;
  readonly fingerprint: string;
  readonly faults: readonly Fault[];
  readonly counts: FaultCounts;
  readonly virtualMs: number;
  readonly transactions: number;
  readonly executions: number;
  readonly staleWritesRejected: number;
  readonly quarantined: number;
  readonly timeline: readonly TimelineEntry[];
}

export interface SimulationOptions {
  /** These instead of what the seed would draw. */
  readonly faults?: readonly Fault[];
}

/** One seed from start to end: real kernel, worker, client and statements, in a world whose every chance the seed decides. */
export async function simulate(database: SimDatabase, seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  await database.reset();
  return new Simulation(database, seed, options).run();
}

class Simulation {
  readonly #seed: number;
  readonly #scene: Scene;
  readonly #faults: DrawnFaults | PlannedFaults;
  readonly #queue: DrawnQueue | undefined;
  readonly #processes: Processes;
  readonly #peace: Peace;
  readonly #script: Script;
  #executions = 0;

  constructor(database: SimDatabase, seed: number, options: SimulationOptions) {
    this.#seed = seed;
    const chance = new Chance(`pawl simulation ${seed}`);
    const world = new World(chance.fork("order"), epochMs);
    databaseTime.now = () => world.databaseNow;
    const parksMeetRetries = chance.fork("retries").hits(0.1);
    this.#faults = options.faults === undefined ? new DrawnFaults(chance.fork("faults"), leaseMs, parksMeetRetries) : new PlannedFaults(options.faults);
    this.#queue = drawQueue(chance.fork("queues"), troubleMs);
    const requests = drawRequests(
      chance.fork("requests"),
      troubleMs * 0.6,
      chance.fork("attributes"),
      chance.fork("writes"),
      chance.fork("continuations"),
      this.#queue === undefined ? undefined : chance.fork("places"),
      parksMeetRetries,
    );
    const schedules = drawSchedules(chance.fork("schedules"), troubleMs * 0.6);
    const merges = drawMerges(chance.fork("merges"), troubleMs * 0.6);
    const bulks = drawBulks(chance.fork("bulks"), troubleMs);
    const monitor = new Monitor(database, world);
    const watch: Watch = {
      monitor,
      claims: new Claims(monitor),
      streams: new StreamWatch(monitor),
      transactions: new TransactionWatch(database, monitor),
      schedules: schedules.length === 0 ? undefined : new ScheduleWatch(database, monitor, world, schedules),
      merges: new MergeWatch(monitor, world, merges),
      bulks: new BulkWatch(monitor, world, bulks),
      queue: this.#queue === undefined ? undefined : new QueueWatch(database, monitor, world),
    };
    const transport = new Transport({
      world,
      faults: this.#faults,
      chance: chance.fork("latency"),
      observe: async (name, result) => {
        await monitor.observe(name, result);
        await watch.schedules?.observe(name);
        watch.streams.observe(name);
        await watch.transactions.observe(name);
        await watch.queue?.observe(name);
        watch.merges.observe();
        this.#script.layAmbushes();
      },
    });
    this.#scene = { database, chance, world, transport, log: new ClientLog(), requests, schedules, merges, bulks, watch, failure: new Failure() };
    this.#processes = new Processes(this.#scene);
    this.#script = new Script(this.#scene, this.#processes);
    this.#peace = new Peace(this.#scene, this.#processes);
  }

  async run(): Promise<Outcome> {
    const { failure, watch, schedules, chance } = this.#scene;
    const onRejection = (error: unknown): void => failure.add(error);
    process.on("unhandledRejection", onRejection);
    try {
      await this.#trouble();
      await this.#peace.settle();
      if (failure.first === undefined) await checkAtEnd(this.#scene);
      this.#executions = watch.monitor.executions.size;
      // What schedules have started is counted in the end.
      if (schedules.length === 0 && chance.fork("retention").hits(0.3)) await forgetAll(this.#scene, this.#processes);
    } catch (error) {
      failure.add(error);
    } finally {
      process.off("unhandledRejection", onRejection);
    }
    return this.#outcome();
  }

  async #trouble(): Promise<void> {
    const { chance, world, watch, failure } = this.#scene;
    if (this.#queue !== undefined) {
      await watch.queue!.begin(this.#queue.first);
      this.#script.scheduleLimits(this.#queue);
    }
    const plan = chance.fork("processes");
    const workers = plan.whole(1, 3);
    for (let index = 1; index <= workers; index++) this.#processes.keepRunning(`worker-${index}`, plan.fork(`worker-${index}`), plan.whole(1, 5));
    const clients = plan.whole(1, 2);
    // A client's process may run a worker too: then starts are claimed at once.
    for (let index = 1; index <= clients; index++)
      this.#processes.keepRunning(`client-${index}`, plan.fork(`client-${index}`), plan.hits(0.4) ? plan.whole(1, 5) : 0);
    this.#script.schedule(clients);
    await world.run(() => failure.first !== undefined, troubleMs);
  }

  #outcome(): Outcome {
    const { failure, watch, world, transport } = this.#scene;
    const error = failure.first;
    const asError = error instanceof Error ? error : error === undefined ? undefined : new Error(JSON.stringify(error));
    const rows = [...watch.monitor.executions.values()].map((row) => `${row.execution_id} ${row.state} ${row.last_seq} ${row.epoch}`).toSorted();
    world.note("world", `ends: ${rows.join(", ")}`);
    return {
      seed: this.#seed,
      violation:
        asError === undefined
          ? undefined
          : { invariant: error instanceof Violation ? error.invariant : asError.name, message: asError.message, stack: asError.stack },
      fingerprint: world.fingerprint.toString(16).padStart(8, "0"),
      faults: this.#faults instanceof DrawnFaults ? this.#faults.drawn : [],
      counts: transport.counts,
      virtualMs: world.now,
      transactions: transport.transactions,
      executions: Math.max(this.#executions, watch.monitor.executions.size),
      staleWritesRejected: this.#processes.staleWritesRejected,
      quarantined: this.#peace.quarantined,
      timeline: world.timeline,
    };
  }
}
