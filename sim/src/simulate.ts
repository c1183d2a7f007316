import { terminalStates, type Worker } from "pawl";
import { Pawl, PostgresStore, startInlineLeaseKeeper, TransactionGateway, type Logger } from "pawl/internal";
import {
  Client,
  ClientLog,
  drawHolds,
  drawRequests,
  drawReverts,
  drawSendings,
  drawStrikes,
  type Request,
  type Revert,
  type Sending,
} from "./client-script.ts";
import { drawSchedules, type DrawnSchedule } from "./draw-schedules.ts";
import { drawQueue, type DrawnQueue } from "./draw-queues.ts";
import { QueueWatch } from "./queue-watch.ts";
import { DrawnFaults, PlannedFaults, type Fault } from "./faults.ts";
import { Monitor } from "./monitor.ts";
import { Violation } from "./violation.ts";
import { Chance } from "./random.ts";
import { ScheduleWatch } from "./schedule-watch.ts";
import { databaseTime, type SimDatabase } from "./sim-database.ts";
import { ProcessTable, SimProcess } from "./sim-process.ts";
import { StreamWatch } from "./stream-watch.ts";
import { TransactionWatch } from "./transaction-watch.ts";
import { Transport, type FaultCounts } from "./transport.ts";
import { Claims } from "./watched-store.ts";
import { expectedOf, makeWorkflows } from "./workflows.ts";
import { World, type TimelineEntry } from "./world.ts";

const leaseMs = 3000;
const pollMs = 900;
/** Faults and requests happen within this time; after it, everything must come to an end. */
const troubleMs = 8000;
/** Leases, polls, the longest back-off and sleep, several times over. */
const settleMs = 240_000;
/** In peace, a task is found within so long by a worker that has nothing else to do. */
const idleLimitMs = 3 * pollMs;
const idleCheckMs = 500;
/** So long after the last end, workers have heard of it, and the latest request has been answered. */
const afterwardsMs = 20_000;
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

/** A worker process, or a client's, from its start to its end. */
interface Running {
  readonly process: SimProcess;
  readonly pawl: Pawl;
  readonly client: Client;
  worker: Worker | undefined;
}

class Simulation {
  readonly #database: SimDatabase;
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #world: World;
  readonly #table = new ProcessTable();
  readonly #monitor: Monitor;
  readonly #faults: DrawnFaults | PlannedFaults;
  readonly #transport: Transport;
  readonly #log = new ClientLog();
  readonly #requests: readonly Request[];
  readonly #schedules: readonly DrawnSchedule[];
  readonly #scheduleWatch: ScheduleWatch | undefined;
  readonly #streamWatch: StreamWatch;
  readonly #transactionWatch: TransactionWatch;
  readonly #queue: DrawnQueue | undefined;
  readonly #queueWatch: QueueWatch | undefined;
  readonly #running = new Map<string, Running>();
  readonly #claims: Claims;
  /** To which execution each message was sent. */
  readonly #receivers = new Map<string, string>();
  readonly #workers: Worker[] = [];
  /** How often each step has begun. */
  readonly #begun = new Map<string, number>();
  readonly #generations = new Map<string, number>();
  /** Where processes live: all on one host, each on its own, or on a new one at every start. */
  readonly #hosts: "one" | "own" | "new";
  #failure: unknown;
  #quarantined = 0;
  #executions = 0;

  constructor(database: SimDatabase, seed: number, options: SimulationOptions) {
    this.#database = database;
    this.#seed = seed;
    this.#chance = new Chance(`pawl simulation ${seed}`);
    this.#world = new World(this.#chance.fork("order"), epochMs);
    this.#monitor = new Monitor(database, this.#world);
    this.#transactionWatch = new TransactionWatch(database, this.#monitor);
    this.#streamWatch = new StreamWatch(this.#monitor);
    this.#claims = new Claims(this.#monitor);
    this.#faults = options.faults === undefined ? new DrawnFaults(this.#chance.fork("faults"), leaseMs) : new PlannedFaults(options.faults);
    this.#transport = new Transport({
      world: this.#world,
      faults: this.#faults,
      chance: this.#chance.fork("latency"),
      observe: async (name, result) => {
        await this.#monitor.observe(name, result);
        await this.#scheduleWatch?.observe(name);
        this.#streamWatch.observe(name);
        await this.#transactionWatch.observe(name);
        await this.#queueWatch?.observe(name);
      },
    });
    this.#hosts = this.#chance.pick(["one", "own", "new"]);
    this.#queue = drawQueue(this.#chance.fork("queues"), troubleMs);
    if (this.#queue !== undefined) this.#queueWatch = new QueueWatch(database, this.#monitor, this.#world);
    this.#requests = drawRequests(
      this.#chance.fork("requests"),
      troubleMs * 0.6,
      this.#chance.fork("attributes"),
      this.#chance.fork("writes"),
      this.#chance.fork("continuations"),
      this.#queue === undefined ? undefined : this.#chance.fork("places"),
    );
    this.#schedules = drawSchedules(this.#chance.fork("schedules"), troubleMs * 0.6);
    if (this.#schedules.length > 0) this.#scheduleWatch = new ScheduleWatch(database, this.#monitor, this.#world, this.#schedules);
    databaseTime.now = () => this.#world.databaseNow;
  }

  async run(): Promise<Outcome> {
    const onRejection = (error: unknown): void => this.#fail(error);
    process.on("unhandledRejection", onRejection);
    try {
      await this.#trouble();
      await this.#settle();
      await this.#checkAtEnd();
      this.#executions = this.#monitor.executions.size;
      // What schedules have started is counted in the end.
      if (this.#schedules.length === 0 && this.#chance.fork("retention").hits(0.3)) await this.#forget();
    } catch (error) {
      this.#fail(error);
    } finally {
      process.off("unhandledRejection", onRejection);
    }
    return this.#outcome();
  }

  async #trouble(): Promise<void> {
    if (this.#queue !== undefined) await this.#scriptQueue(this.#queue);
    const plan = this.#chance.fork("processes");
    const workers = plan.whole(1, 3);
    for (let index = 1; index <= workers; index++) this.#keepRunning(`worker-${index}`, plan.fork(`worker-${index}`), plan.whole(1, 5));
    const clients = plan.whole(1, 2);
    // A client's process may run a worker too: then starts are claimed at once.
    for (let index = 1; index <= clients; index++) this.#keepRunning(`client-${index}`, plan.fork(`client-${index}`), plan.hits(0.4) ? plan.whole(1, 5) : 0);
    const script = this.#chance.fork("script");
    for (const request of this.#requests) this.#script(request, script, clients);
    for (const schedule of this.#schedules) this.#scriptSchedule(schedule);
    for (const { at, by, victim } of drawStrikes(this.#chance.fork("strikes"), troubleMs))
      this.#world.schedule(at, "script", undefined, `someone may ${by}`, () => this.#strike(by, victim));
    for (const { at, victim, resumeAfter } of drawHolds(this.#chance.fork("holds"), troubleMs))
      this.#world.schedule(at, "script", undefined, "someone may pause", () => this.#hold(victim, resumeAfter));
    for (const revert of drawReverts(this.#chance.fork("reverts"), troubleMs))
      this.#world.schedule(revert.at, "script", undefined, `someone may ${revert.by}`, () => this.#revert(revert));
    const queues = this.#chance.fork("queues");
    if (queues.hits(0.2)) {
      const at = queues.whole(0, troubleMs);
      for (const [inMs, what] of [
        [at, "pause"],
        [at + queues.whole(100, 4000), "resume"],
      ] as const)
        this.#world.schedule(inMs, "script", undefined, `client-1 ${what}s the queue`, () => this.#onQueue("client-1", what));
    }
    const sendings = this.#chance.fork("sendings");
    for (const sending of drawSendings(sendings, troubleMs)) {
      for (let copy = 0; copy < sending.copies; copy++) {
        const client = `client-${sendings.whole(1, clients)}`;
        this.#world.schedule(sending.at + copy * sendings.pick([0, 1, 400]), "script", undefined, `${client} may send ${sending.id}`, () =>
          this.#send(client, sending),
        );
      }
    }
    await this.#world.run(() => this.#failure !== undefined, troubleMs);
  }

  #script(request: Request, chance: Chance, clients: number): void {
    const byAnyone = (inMs: number, label: string, action: (client: Client) => Promise<void>): void => {
      const name = `client-${chance.whole(1, clients)}`;
      this.#world.schedule(inMs, "script", undefined, `${name} ${label} ${request.executionId}`, () => {
        const running = this.#running.get(name);
        if (running?.process.alive === true) action(running.client).catch((error: unknown) => this.#fail(error));
      });
    };
    for (let copy = 0; copy < request.copies; copy++) {
      byAnyone(request.startAt + (copy === 0 ? 0 : chance.pick([0, 1, 5, 900])), "starts", (client) => client.start(request));
    }
    const { stop } = request;
    if (stop === undefined) return;
    byAnyone(stop.at, stop.by, (client) => client[stop.by](request.executionId));
    if (stop.resumeAt !== undefined) byAnyone(stop.resumeAt, "resumes", (client) => client.resume(request.executionId));
  }

  async #scriptQueue({ first, changes }: DrawnQueue): Promise<void> {
    await this.#queueWatch!.begin(first);
    for (const { at, to } of changes) {
      this.#world.schedule(at, "script", undefined, "client-1 changes the limits", () => {
        const running = this.#running.get("client-1");
        if (running?.process.alive === true) running.client.limit(to).catch((error: unknown) => this.#fail(error));
      });
    }
  }

  #scriptSchedule(drawn: DrawnSchedule): void {
    const { scheduleId, program: input, everyMs, jitterMs, overlap, catchUpMs, maximumRuns, createAt, pause, triggerAt } = drawn;
    const byClient = (inMs: number, label: string, action: (client: Client) => Promise<void>): void => {
      this.#world.schedule(inMs, "script", undefined, `client-1 ${label} schedule ${scheduleId}`, () => {
        const running = this.#running.get("client-1");
        if (running?.process.alive === true) action(running.client).catch((error: unknown) => this.#fail(error));
      });
    };
    const options = { scheduleId, input, interval: everyMs, jitter: jitterMs, overlap, catchUpWindow: catchUpMs, maximumRuns };
    byClient(createAt, "makes", async (client) => {
      if (await client.makeSchedule(options)) this.#scheduleWatch?.made.add(scheduleId);
    });
    if (triggerAt !== undefined) byClient(triggerAt, "triggers", (client) => client.onSchedule(scheduleId, "trigger"));
    if (pause === undefined) return;
    byClient(pause.at, "pauses", (client) => client.onSchedule(scheduleId, "pause"));
    byClient(pause.resumeAt, "resumes", (client) => client.onSchedule(scheduleId, "resume"));
  }

  /** One of those that have not ended. @param which in [0, 1) */
  #anyOpen(which: number): string | undefined {
    const open = [...this.#monitor.executions.values()].filter((row) => !isTerminal(row.state)).map((row) => row.execution_id);
    return open.toSorted()[Math.floor(which * open.length)];
  }

  #strike(by: "cancel" | "terminate", victim: number): void {
    const executionId = this.#anyOpen(victim);
    const running = this.#running.get("client-1");
    if (executionId === undefined || running?.process.alive !== true) return;
    this.#world.note("client-1", `${by}s ${executionId}`);
    running.client[by](executionId).catch((error: unknown) => this.#fail(error));
  }

  #onQueue(name: string, what: "pause" | "resume"): void {
    const running = this.#running.get(name);
    if (running?.process.alive === true) running.client.onQueue(what).catch((error: unknown) => this.#fail(error));
  }

  #revert(revert: Revert): void {
    // What schedules have started is counted.
    const all = [...this.#monitor.executions.values()]
      .filter((row) => !row.execution_id.includes(":") && (revert.by !== "retry" || row.state === "failed"))
      .map((row) => row.execution_id);
    const executionId = all.toSorted()[Math.floor(revert.victim * all.length)];
    const running = this.#running.get("client-1");
    if (executionId === undefined || running?.process.alive !== true) return;
    this.#world.note("client-1", `${revert.by}s ${executionId}`);
    running.client.revert(revert, executionId).catch((error: unknown) => this.#fail(error));
  }

  #hold(victim: number, resumeAfter: number): void {
    const open = [...this.#monitor.executions.values()]
      // A resume that comes too late would start another run of what a schedule has started, and that is counted.
      .filter((row) => !isTerminal(row.state) && !row.execution_id.includes(":"))
      .map((row) => row.execution_id)
      .toSorted();
    const executionId = open[Math.floor(victim * open.length)];
    const running = this.#running.get("client-1");
    if (executionId === undefined || running?.process.alive !== true) return;
    this.#world.note("client-1", `pauses ${executionId}`);
    running.client.pause(executionId).catch((error: unknown) => this.#fail(error));
    this.#world.schedule(resumeAfter, "script", undefined, `client-1 resumes ${executionId}`, () => {
      const client = this.#running.get("client-1");
      if (client?.process.alive === true && this.#monitor.row(executionId)?.state !== "cancelled")
        client.client.resume(executionId).catch((error: unknown) => this.#fail(error));
    });
  }

  /** The copies of one message go to one execution. */
  #send(client: string, sending: Sending): void {
    const executionId = this.#receivers.get(sending.id) ?? this.#anyOpen(sending.to);
    const running = this.#running.get(client);
    if (executionId === undefined || running?.process.alive !== true) return;
    this.#receivers.set(sending.id, executionId);
    this.#world.note(client, `sends ${sending.what} ${sending.id} to ${executionId}`);
    running.client.send(sending, executionId).catch((error: unknown) => this.#fail(error));
  }

  /** Starts a process of that name, and another one some time after it has died. */
  #keepRunning(name: string, chance: Chance, concurrency: number): void {
    const generation = (this.#generations.get(name) ?? 0) + 1;
    this.#generations.set(name, generation);
    const host = { one: "host", own: `host of ${name}`, new: `host of ${name}.${generation}` }[this.#hosts];
    const process = new SimProcess(this.#world, this.#table, `${name}.${generation}`, host, chance.fork(`process ${generation}`));
    void this.#start(process, name, concurrency).catch((error: unknown) => {
      if (process.alive) this.#fail(error);
    });
    const watch = (): void => {
      if (process.alive) this.#world.schedule(250, "script", undefined, "", watch);
      else this.#world.schedule(chance.pick([1, 500, 4000]), "script", undefined, `${name} starts again`, () => this.#keepRunning(name, chance, concurrency));
    };
    watch();
    // Some are stopped in order, and started again.
    if (concurrency > 0 && chance.hits(0.3))
      this.#world.schedule(chance.whole(500, troubleMs), "script", undefined, `${name} is told to stop`, () => this.#stop(name, process));
  }

  async #start(process: SimProcess, name: string, concurrency: number): Promise<void> {
    const around = this.#transport.around(process);
    const logger = this.#logger(process);
    const gateway = new TransactionGateway(this.#database, { logger, runtime: process, around });
    const unwatched = new PostgresStore({
      gateway,
      runtime: process,
      queries: this.#database.queries,
      hints: this.#transport.hints(process),
      sessions: this.#database.sessions,
      schema: "pawl",
      // So small that all of it happens: kept, added to, given up for another and for itself.
      historyCache: { fromEvents: 3, characters: 2000 },
      startLeaseKeeper: (lease) => startInlineLeaseKeeper(gateway, process, lease),
      disconnect: () => Promise.resolve(),
    });
    const store = this.#claims.watch(process, unwatched, (violation) => this.#fail(violation));
    const pawl = new Pawl({ store, namespace: "default", logger, runtime: process, onClose: () => Promise.resolve() });
    const { workflows, steps } = makeWorkflows(process, { begin: (which, step) => this.#begin(which, step.idempotencyKey) });
    const running: Running = { process, pawl, client: new Client(process.name, pawl, workflows[0]!, this.#log, this.#monitor), worker: undefined };
    this.#running.set(name, running);
    if (concurrency === 0) return;
    running.worker = await pawl.worker({
      workflows,
      steps,
      concurrency,
      lease: leaseMs,
      pollInterval: pollMs,
      schedules: this.#schedules.length > 0,
      retentionInterval: "1h",
    });
    this.#workers.push(running.worker);
  }

  /** A step's function begins. Gives how often it has begun before. */
  #begin(process: SimProcess, key: string): number {
    const before = this.#begun.get(key) ?? 0;
    this.#begun.set(key, before + 1);
    if (!process.alive) return before;
    this.#guard(() => {
      const { run_id: runId } = this.#monitor.began(process, key, this.#claims.workerIn(process));
      if (this.#claims.isFenced(process, runId)) throw new Violation("I4", `${process.name} begins step ${key} although its claim was rejected`);
    });
    return before;
  }

  #stop(name: string, process: SimProcess): void {
    const running = this.#running.get(name);
    if (running?.process !== process || !process.alive) return;
    const drain = this.#chance.pick([0, 300, 5000]);
    running.pawl.close({ drain }).then(
      () => process.crash(),
      (error: unknown) => this.#fail(error),
    );
  }

  /** No more faults: whatever is alive goes on, and everything that was started must end. */
  async #settle(): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#transport.faultsOn = false;
    for (const { process } of this.#running.values()) process.pausedUntil = 0;
    this.#world.note("world", "is at peace");
    const chance = this.#chance.fork("healer");
    this.#keepRunning("healer", chance, 3);
    const tend = (): void => {
      this.#onQueue("healer", "resume");
      for (const row of this.#monitor.executions.values()) this.#tend(row.execution_id, row.state);
      this.#guard(() => this.#log.checkSent(this.#monitor));
      for (const id of this.#scheduleWatch?.paused ?? [])
        this.#running
          .get("healer")
          ?.client.onSchedule(id, "resume")
          .catch((error: unknown) => this.#fail(error));
      this.#world.schedule(2000, "script", undefined, "tend", tend);
    };
    this.#world.schedule(100, "script", undefined, "tend", tend);
    const untilMs = this.#world.now + settleMs;
    const done = (): boolean => this.#failure !== undefined || this.#isOver();
    this.#watchForIdling();
    // Who stood still when all seemed over may begin something only then.
    while (await this.#world.run(done, untilMs)) {
      await this.#checkNothingHeld();
      if (this.#failure !== undefined || this.#isOver()) return;
    }
    const open = [...this.#monitor.executions.values()].filter((row) => !isTerminal(row.state)).map((row) => `${row.execution_id} (${row.state})`);
    throw new Violation("I18", `after ${settleMs} ms without faults these have not ended: ${open.join(", ")}`);
  }

  /** I18: in peace no task is due for long while a worker has had nothing to do all that time. */
  #watchForIdling(): void {
    const idleSince = new Map<Worker, number>();
    const dueSince = new Map<string, number>();
    const watch = (): void => {
      this.#world.schedule(idleCheckMs, "script", undefined, "", watch);
      const workers = [...this.#running.values()].flatMap(({ process, worker }) => (process.alive && worker !== undefined ? [worker] : []));
      for (const { process, worker } of this.#running.values()) {
        if (worker === undefined) continue;
        const { leaseValid, slots, state } = worker.health();
        const isBusy = !leaseValid || slots.used > 0 || state !== "running" || this.#claims.isBusySince(process, this.#world.now - idleCheckMs);
        if (isBusy) idleSince.delete(worker);
        else if (!idleSince.has(worker)) idleSince.set(worker, this.#world.now);
      }
      const longest = Math.max(0, ...workers.map((worker) => this.#world.now - (idleSince.get(worker) ?? this.#world.now)));
      for (const row of this.#monitor.executions.values()) {
        const isDue = row.visible_at !== null && Math.max(row.visible_at, row.not_before ?? 0) <= this.#world.databaseNow;
        if (!isDue || this.#queueWatch?.mayBeClaimed(row.run_id) === false) dueSince.delete(row.run_id);
        else if (!dueSince.has(row.run_id)) dueSince.set(row.run_id, this.#world.now);
        const dueFor = this.#world.now - (dueSince.get(row.run_id) ?? this.#world.now);
        if (Math.min(dueFor, longest) > idleLimitMs)
          this.#fail(new Violation("I18", `${row.execution_id} has been due for ${dueFor} ms while a worker had nothing to do`));
      }
    };
    watch();
  }

  /** I16: when everything has ended, no worker holds on to anything. */
  async #checkNothingHeld(): Promise<void> {
    const holders = (): string[] =>
      [...this.#running.values()].flatMap(({ process, worker }) => {
        const health = process.alive ? worker?.health() : undefined;
        return health === undefined || health.slots.used + health.active === 0
          ? []
          : [`${process.name} (${health.slots.used} slots, ${health.active} executions)`];
      });
    await this.#world.run(() => this.#failure !== undefined || holders().length === 0, this.#world.now + afterwardsMs);
    if (holders().length > 0) throw new Violation("I16", `everything has ended, and these hold on to something: ${holders().join(", ")}`);
  }

  /** What a person would do: resume what is held, and end what waits for ever. */
  #tend(executionId: string, state: string): void {
    const client = this.#running.get("healer")?.client;
    if (client === undefined) return;
    if (state === "quarantined") {
      this.#quarantined++;
      this.#log.stop(executionId);
      const what = this.#chance.pick(["resume", "resume", "cancel", "terminate"] as const);
      client[what](executionId).catch((error: unknown) => this.#fail(error));
    } else if (state === "paused") client.resume(executionId).catch((error: unknown) => this.#fail(error));
    else if (state === "running" && this.#waitsForEver(executionId)) client.cancel(executionId).catch((error: unknown) => this.#fail(error));
  }

  /** It was made to wait for ever; or its parent was and has ended: terminated, which leaves children alone, or before the child was rolled back. */
  #waitsForEver(given: string): boolean {
    // Forks, and children that a rolled-back run has started.
    const executionId = given.replaceAll(/-fork\d+|\.r\d+/g, "");
    const waits = (id: string): boolean => this.#requests.some((request) => request.executionId === id && request.program.do === "wait to be cancelled");
    const parent = executionId.slice(0, Math.max(0, executionId.lastIndexOf(".")));
    return waits(executionId) || (waits(parent) && isTerminal(this.#monitor.row(parent)?.state ?? "terminated"));
  }

  #isOver(): boolean {
    const { executions } = this.#monitor;
    for (const row of executions.values()) if (!isTerminal(row.state)) return false;
    return this.#scheduleWatch === undefined || (this.#scheduleWatch.isOver && this.#scheduleWatch.paused.length === 0);
  }

  async #checkAtEnd(): Promise<void> {
    if (this.#failure !== undefined) return;
    await this.#monitor.observe("the end", undefined);
    this.#log.check(this.#monitor);
    this.#log.checkOrder(this.#monitor);
    this.#scheduleWatch?.checkAtEnd();
    for (const { executionId, program } of this.#requests) {
      const outcome = this.#monitor.outcome(executionId);
      if (outcome === undefined || this.#log.wasStopped(executionId)) continue;
      const expected = expectedOf(program);
      if (expected === "either") continue;
      const right = expected === "fails" ? outcome.state === "failed" : outcome.state === "completed" && outcome.value === expected.value;
      if (!right) throw new Violation("result", `${executionId} ended ${outcome.state} with ${String(outcome.value)}, not ${JSON.stringify(expected)}`);
    }
  }

  /** I24: when no policy keeps anything, everything goes, whole, whatever goes wrong meanwhile; nothing is left over. */
  async #forget(): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#monitor.mayForget = true;
    this.#transport.faultsOn = true;
    const ask = (): void => {
      for (const { process, client } of this.#running.values()) if (process.alive) client.forget().catch((error: unknown) => this.#fail(error));
    };
    ask();
    this.#world.schedule(3000, "script", undefined, "faults end", () => {
      this.#transport.faultsOn = false;
      for (const { process } of this.#running.values()) process.pausedUntil = 0;
    });
    // Again and again: who stood still when everything had ended may start something only now.
    const askAgain = (): void => {
      ask();
      this.#world.schedule(3000, "script", undefined, "forget", askAgain);
    };
    this.#world.schedule(3001, "script", undefined, "forget", askAgain);
    // The database's clock may have been set back, and then nothing has ended yet; nor has what is started only now.
    const done = (): boolean => this.#failure !== undefined || this.#monitor.executions.size === 0;
    await this.#world.run(done, this.#world.now + settleMs + this.#world.steppedBackMs);
    if (this.#failure !== undefined) return;
    const left = await this.#database.read<{ readonly what: string }>(
      "SELECT 'execution ' || execution_id AS what FROM executions UNION ALL SELECT 'run ' || run_id FROM past_runs UNION ALL SELECT 'event of ' || run_id FROM history UNION ALL SELECT 'chunk of ' || execution_id FROM stream_chunks",
    );
    const first = left[0];
    if (first !== undefined && this.#world.steppedBackMs === 0)
      throw new Violation("I24", `${left.length} rows are left of what nobody keeps, such as ${first.what}`);
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  #logger(process: SimProcess): Logger {
    const write =
      (level: string) =>
      (message: string): void => {
        if (process.alive) this.#world.note(process.name, `${level}: ${message}`);
      };
    return { info: write("info"), warn: write("warning"), error: write("error") };
  }

  #outcome(): Outcome {
    const error = this.#failure;
    const asError = error instanceof Error ? error : error === undefined ? undefined : new Error(JSON.stringify(error));
    const rows = [...this.#monitor.executions.values()].map((row) => `${row.execution_id} ${row.state} ${row.last_seq} ${row.epoch}`).toSorted();
    this.#world.note("world", `ends: ${rows.join(", ")}`);
    return {
      seed: this.#seed,
      violation:
        asError === undefined
          ? undefined
          : { invariant: error instanceof Violation ? error.invariant : asError.name, message: asError.message, stack: asError.stack },
      fingerprint: this.#world.fingerprint.toString(16).padStart(8, "0"),
      faults: this.#faults instanceof DrawnFaults ? this.#faults.drawn : [],
      counts: this.#transport.counts,
      virtualMs: this.#world.now,
      transactions: this.#transport.transactions,
      executions: Math.max(this.#executions, this.#monitor.executions.size),
      staleWritesRejected: this.#workers.reduce((sum, worker) => sum + worker.health().staleWritesRejected, 0),
      quarantined: this.#quarantined,
      timeline: this.#world.timeline,
    };
  }
}

function isTerminal(state: string): boolean {
  return (terminalStates as readonly string[]).includes(state);
}
