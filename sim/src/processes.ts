import { Closed, type StepContext, type Worker } from "pawl";
import { Pawl, PostgresStore, readPayload, startInlineLeaseKeeper, TransactionGateway, type Logger } from "pawl/internal";
import { Client } from "./client.ts";
import type { Chance } from "./random.ts";
import { healer, pollMs, troubleMs, type Scene } from "./scene.ts";
import { ProcessTable, SimProcess } from "./sim-process.ts";
import { NetworkError } from "./transport.ts";
import { Violation } from "./violation.ts";
import { isTransaction, makeWorkflows, type Effects } from "./workflows.ts";

export const leaseMs = 3000;

/** The steps that begin when their execution is cancelled. */
const cleanUps: ReadonlySet<string> = new Set(["undo", "clean up"]);

/** A worker process, or a client's, from its start to its end. */
interface Running {
  readonly process: SimProcess;
  /** Of the workflows whose code it has. */
  readonly versions: readonly string[];
  readonly pawl: Pawl;
  readonly client: Client;
  worker: Worker | undefined;
}

/** The processes of a simulation: each is started again some time after it has died. */
export class Processes {
  readonly #scene: Scene;
  readonly #table = new ProcessTable();
  readonly #running = new Map<string, Running>();
  readonly #workers: Worker[] = [];
  /** How often each step has begun. */
  readonly #begun = new Map<string, number>();
  readonly #generations = new Map<string, number>();
  /** Where processes live: all on one host, each on its own, or on a new one at every start. */
  readonly #hosts: "one" | "own" | "new";
  /** Whether there is more than one version of the code. */
  readonly #versions: Chance | undefined;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#hosts = scene.chance.pick(["one", "own", "new"]);
    const versions = scene.chance.fork("versions");
    // Who waits in a queue with limits is to be passed over by nobody.
    this.#versions = versions.hits(0.12) && scene.watch.queue === undefined ? versions : undefined;
  }

  get staleWritesRejected(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.health().staleWritesRejected, 0);
  }

  /** Those that live and run a worker. */
  get working(): readonly { readonly process: SimProcess; readonly versions: readonly string[]; readonly worker: Worker }[] {
    return [...this.#running.values()].flatMap(({ process, versions, worker }) =>
      process.alive && worker !== undefined ? [{ process, versions, worker }] : [],
    );
  }

  /** Those of the living. */
  get clients(): readonly Client[] {
    return [...this.#running.values()].flatMap(({ process, client }) => (process.alive ? [client] : []));
  }

  /** Lets the client of a process do something, where that process lives; gives whether it does. @param note for the timeline */
  letClient(name: string, action: (client: Client) => Promise<void>, note?: string): boolean {
    const running = this.#running.get(name);
    if (running?.process.alive !== true) return false;
    if (note !== undefined) this.#scene.world.note(name, note);
    action(running.client).catch((error: unknown) => this.#scene.failure.add(error));
    return true;
  }

  /** Whoever stands still goes on. */
  wakeAll(): void {
    for (const { process } of this.#running.values()) process.pausedUntil = 0;
  }

  /**
   * Starts a process of that name, and another one some time after it has died.
   *
   * @param concurrency of its worker; 0: it runs none
   */
  keepRunning(name: string, chance: Chance, concurrency: number): void {
    const { world } = this.#scene;
    const generation = (this.#generations.get(name) ?? 0) + 1;
    this.#generations.set(name, generation);
    const host = { one: "host", own: `host of ${name}`, new: `host of ${name}.${generation}` }[this.#hosts];
    const process = new SimProcess(world, this.#table, `${name}.${generation}`, host, chance.fork(`process ${generation}`));
    void this.#start(process, name, concurrency).catch((error: unknown) => {
      if (process.alive) this.#scene.failure.add(error);
    });
    const watch = (): void => {
      if (process.alive) world.schedule(250, "script", undefined, "", watch);
      else world.schedule(chance.pick([1, 500, 4000]), "script", undefined, `${name} starts again`, () => this.keepRunning(name, chance, concurrency));
    };
    watch();
    // Some are stopped in order, and started again.
    if (concurrency > 0 && chance.hits(0.3))
      world.schedule(chance.whole(500, troubleMs), "script", undefined, `${name} is told to stop`, () => this.#stop(name, process));
  }

  async #start(process: SimProcess, name: string, concurrency: number): Promise<void> {
    const { database, transport, log, schedules, watch, failure } = this.#scene;
    const around = transport.around(process);
    const logger = this.#logger(process);
    const gateway = new TransactionGateway(database, { logger, runtime: process, around });
    const unwatched = new PostgresStore({
      gateway,
      runtime: process,
      queries: database.queries,
      hints: transport.hints(process),
      sessions: database.sessions,
      schema: "pawl",
      // So small that all of it happens: kept, added to, given up for another and for itself.
      historyCache: { fromEvents: 3, characters: 2000 },
      startLeaseKeeper: (lease) => startInlineLeaseKeeper(gateway, process, lease),
      disconnect: () => Promise.resolve(),
    });
    const store = watch.claims.watch(process, unwatched, (violation) => failure.add(violation));
    const pawl = new Pawl({ store, namespace: "default", logger, runtime: process, onClose: () => Promise.resolve() });
    const versions = this.#versionsOf(name);
    const effects: Effects = {
      begin: (which, step) => this.#begin(which, versions, step),
      beats: (which, step) => this.#beats(which, step),
      tooLate: (step) =>
        failure.guard(() => {
          throw new Violation("I1", `${name} begins step ${step.idempotencyKey}, which was asked for after the run had continued as new`);
        }),
    };
    const made = versions.map((version) => makeWorkflows(process, version, effects));
    const workflows = made.flatMap((of) => of.workflows);
    const client = new Client(process.name, pawl, workflows, log, watch.monitor, async (work) =>
      around("user-transaction", async () => {
        await database.sessions.transact("read committed", work);
        return true;
      }).catch(notHeard),
    );
    const running: Running = { process, versions, pawl, client, worker: undefined };
    this.#running.set(name, running);
    if (concurrency === 0) return;
    running.worker = await pawl
      .worker({
        workflows,
        steps: made[0]!.steps,
        concurrency,
        lease: leaseMs,
        pollInterval: pollMs,
        schedules: schedules.length > 0,
        retentionInterval: "1h",
      })
      .catch(unlessClosed);
    if (running.worker !== undefined) this.#workers.push(running.worker);
  }

  /** As after deployments, one process after the other; a client uses its first. */
  #versionsOf(name: string): readonly string[] {
    if (this.#versions === undefined) return ["1"];
    return name === healer ? ["2", "1"] : this.#versions.pick([["1"], ["2"], ["1", "2"], ["2", "1"]] as const);
  }

  /** A step's function begins. Gives how often it has begun before. */
  #begin(process: SimProcess, versions: readonly string[], step: StepContext): number {
    const { idempotencyKey: key } = step;
    const before = this.#begun.get(key) ?? 0;
    this.#begun.set(key, before + 1);
    if (!process.alive) return before;
    const { monitor, claims } = this.#scene.watch;
    this.#scene.failure.guard(() => {
      const began = monitor.began(process, step, claims.workerIn(process));
      if (began === undefined) return;
      const { run_id: runId, task_queue: taskQueue, workflow, version } = began;
      if (claims.hasHeardOfCancel(process, runId) && !cleanUps.has(step.step))
        throw new Violation("I20", `${process.name} begins step ${key}, and knows that its execution is to be cancelled`);
      const isPaused = !isTransaction(step.step) && claims.knowsOfPause(process, taskQueue, workflow);
      if (isPaused && !claims.hasHeardOfCancel(process, runId) && !cleanUps.has(step.step))
        throw new Violation("pause", `${process.name} begins step ${key}, and knows that ${taskQueue} or ${workflow} is paused`);
      if (!versions.includes(version) && isVersioned(workflow))
        throw new Violation("versions", `${process.name} begins step ${key} of version ${version}; it has ${versions.join(" and ")}`);
      if (claims.isFenced(process, runId)) throw new Violation("I4", `${process.name} begins step ${key} although its claim was rejected`);
    });
    return before;
  }

  /** I6: an attempt is told the last details that are recorded, of whichever attempt. Who owns the execution no more may know less. */
  #beats(process: SimProcess, step: StepContext): void {
    if (!process.alive) return;
    const { monitor, claims } = this.#scene.watch;
    this.#scene.failure.guard(() => {
      const owned = monitor.ownedStep(step, claims.workerIn(process));
      if (owned === undefined) return;
      const { idempotencyKey: key, lastHeartbeat: told } = step;
      const recorded = owned.events.flatMap((event) => ("heartbeat" in event ? (event.heartbeat ?? []) : [])).at(-1);
      const last = recorded === undefined ? undefined : readPayload(recorded);
      if (last !== told) throw new Violation("I6", `${process.name} begins step ${key} with the heartbeat ${String(told)}; ${String(last)} is recorded`);
    });
  }

  #stop(name: string, process: SimProcess): void {
    const running = this.#running.get(name);
    if (running?.process !== process || !process.alive) return;
    const drain = this.#scene.chance.pick([0, 300, 5000]);
    running.pawl.close({ drain }).then(
      () => process.crash(),
      (error: unknown) => this.#scene.failure.add(error),
    );
  }

  #logger(process: SimProcess): Logger {
    const write =
      (level: string) =>
      (message: string): void => {
        if (process.alive) this.#scene.world.note(process.name, `${level}: ${message}`);
      };
    return { info: write("info"), warn: write("warning"), error: write("error") };
  }
}

/** Steps that run on their own have no version. */
function isVersioned(workflow: string): boolean {
  return workflow === "root" || workflow === "child";
}

/** It was told to stop while it started. */
function unlessClosed(error: unknown): undefined {
  if (!(error instanceof Closed)) throw error;
}

/** Users' own statements are not sent again. */
function notHeard(error: unknown): false {
  if (error instanceof NetworkError) return false;
  throw error;
}
