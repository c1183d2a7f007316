import { Ambushes, type Ambush } from "./ambush.ts";
import {
  drawForgetting,
  drawHolds,
  drawReadings,
  drawReverts,
  drawSendings,
  drawStrikes,
  drawUserTransactions,
  pauseScopes,
  type Reading,
  type Revert,
  type Sending,
  type UserTransaction,
} from "./draw-script.ts";
import type { DrawnBulk } from "./draw-bulks.ts";
import type { DrawnMerge } from "./draw-merges.ts";
import { timingOf, type DrawnSchedule } from "./draw-schedules.ts";
import type { DrawnQueue } from "./draw-queues.ts";
import type { Request } from "./draw-requests.ts";
import { isCounted, isTerminal } from "./execution-rows.ts";
import type { Client } from "./client.ts";
import type { Processes } from "./processes.ts";
import type { Chance } from "./random.ts";
import { troubleMs, type Scene } from "./scene.ts";

/** All that the clients of a simulation do while there is trouble, as the seed has drawn it. */
export class Script {
  readonly #scene: Scene;
  readonly #processes: Processes;
  /** To which execution each message was sent. */
  readonly #receivers = new Map<string, string>();
  readonly #ambushes: Ambushes;

  constructor(scene: Scene, processes: Processes) {
    this.#scene = scene;
    this.#processes = processes;
    this.#ambushes = new Ambushes(scene.chance.fork("ambushes"), scene.watch.monitor);
  }

  /** @param clients so many client processes there are: client-1 and on */
  schedule(clients: number): void {
    const { chance, requests, schedules, merges, bulks } = this.#scene;
    const script = chance.fork("script");
    for (const request of requests) this.#scheduleRequest(request, script, clients);
    for (const schedule of schedules) this.#scheduleSchedule(schedule);
    for (const merge of merges) this.#scheduleMerged(merge, script, clients);
    for (const bulk of bulks) this.#scheduleBulk(bulk, chance.fork("who asks for bulks"), clients);
    for (const { at, by, victim } of drawStrikes(chance.fork("strikes"), troubleMs)) this.#at(at, `someone may ${by}`, () => this.#strike(by, victim));
    for (const { at, victim, resumeAfter } of drawHolds(chance.fork("holds"), troubleMs))
      this.#at(at, "someone may pause", () => this.#hold(victim, resumeAfter));
    for (const revert of drawReverts(chance.fork("reverts"), troubleMs)) this.#at(revert.at, `someone may ${revert.by}`, () => this.#revert(revert));
    for (const reading of drawReadings(chance.fork("readings"), troubleMs)) this.#at(reading.at, `client-1 may ${reading.what}`, () => this.#read(reading));
    for (const transaction of drawUserTransactions(chance.fork("user transactions"), troubleMs))
      this.#at(transaction.at, `client-1 may ${transaction.what} in a transaction`, () => this.#transact(transaction));
    for (const at of drawForgetting(chance.fork("earlier runs"), troubleMs))
      this.#at(at, "client-1 deletes earlier runs", () => this.#processes.letClient("client-1", (client) => client.forget({ state: "continued_as_new" })));
    this.#schedulePause(chance.fork("queues"));
    this.#scheduleSendings(chance.fork("sendings"), clients);
  }

  scheduleLimits({ changes }: DrawnQueue): void {
    for (const { at, to } of changes) this.#at(at, "client-1 changes the limits", () => this.#processes.letClient("client-1", (client) => client.limit(to)));
  }

  #at(inMs: number, label: string, action: () => void): void {
    this.#scene.world.schedule(inMs, "script", undefined, label, action);
  }

  #scheduleRequest(request: Request, chance: Chance, clients: number): void {
    const byAnyone = (inMs: number, label: string, action: (client: Client) => Promise<void>): void => {
      const name = `client-${chance.whole(1, clients)}`;
      this.#at(inMs, `${name} ${label} ${request.executionId}`, () => this.#processes.letClient(name, action));
    };
    for (let copy = 0; copy < request.copies; copy++) {
      byAnyone(request.startAt + (copy === 0 ? 0 : chance.pick([0, 1, 5, 900])), "starts", (client) => client.start(request));
    }
    for (const [index, inMs] of request.updates.entries()) {
      byAnyone(request.startAt + inMs, "updates", (client) => client.send({ what: "update", id: `u${index}` }, request.executionId));
    }
    for (const [index, inMs] of request.signals.entries()) {
      byAnyone(request.startAt + inMs, "signals", (client) => client.send({ what: "signal", id: `s${index}` }, request.executionId));
    }
    const { stop } = request;
    if (stop === undefined) return;
    byAnyone(stop.at, stop.by, (client) => client[stop.by](request.executionId));
    if (stop.resumeAt !== undefined) byAnyone(stop.resumeAt, "resumes", (client) => client.resume(request.executionId));
  }

  #scheduleSchedule(drawn: DrawnSchedule): void {
    const { scheduleId, program: input, jitterMs, overlap, catchUpMs, maximumRuns, createAt, pause, triggerAt, update, deleteAt, backfill } = drawn;
    const byClient = (inMs: number, label: string, action: (client: Client) => Promise<void>): void =>
      this.#at(inMs, `client-1 ${label} schedule ${scheduleId}`, () => this.#processes.letClient("client-1", action));
    const options = { scheduleId, input, ...timingOf(drawn), jitter: jitterMs, overlap, catchUpWindow: catchUpMs, maximumRuns };
    byClient(createAt, "makes", async (client) => {
      if (await client.makeSchedule(options)) this.#scene.watch.schedules?.made.add(scheduleId);
    });
    if (triggerAt !== undefined) byClient(triggerAt, "triggers", (client) => client.onSchedule(scheduleId, "trigger"));
    const { watch, world } = this.#scene;
    if (update !== undefined)
      byClient(update.at, "updates", async (client) => {
        await client.changeSchedule(scheduleId, (handle) => handle.update(timingOf({ ...drawn, everyMs: update.everyMs })));
      });
    if (backfill !== undefined)
      byClient(backfill.at, "backfills", async (client) => {
        const to = world.databaseNow;
        const range = { from: to - backfill.beforeMs, to };
        const instants = { from: new Date(range.from), to: new Date(range.to), overlap: backfill.overlap };
        if (await client.changeSchedule(scheduleId, (handle) => handle.backfill(instants))) watch.schedules?.backfilled(scheduleId, range);
      });
    if (deleteAt !== undefined)
      byClient(deleteAt, "deletes", async (client) => {
        const wasMade = watch.schedules?.made.has(scheduleId) === true;
        watch.schedules?.mayBeDeleted.add(scheduleId);
        if ((await client.changeSchedule(scheduleId, (handle) => handle.delete())) && wasMade) watch.schedules?.deleted(scheduleId);
      });
    if (pause === undefined) return;
    byClient(pause.at, "pauses", (client) => client.onSchedule(scheduleId, "pause"));
    byClient(pause.resumeAt, "resumes", (client) => client.onSchedule(scheduleId, "resume"));
  }

  #scheduleMerged(merge: DrawnMerge, chance: Chance, clients: number): void {
    const { world, watch } = this.#scene;
    for (const [number, at] of merge.starts.entries()) {
      const name = `client-${chance.whole(1, clients)}`;
      const start = async (client: Client): Promise<void> => {
        const sentAt = world.databaseNow;
        const executionId = await client.startMerged(merge, number);
        if (executionId !== undefined) watch.merges.acknowledged({ workflow: merge.workflow, number, executionId }, sentAt);
      };
      this.#at(at, `${name} starts ${merge.workflow} ${number}`, () => this.#processes.letClient(name, start));
    }
  }

  #scheduleBulk(bulk: DrawnBulk, chance: Chance, clients: number): void {
    const { bulkId, operation, prefix, at, copies } = bulk;
    for (let copy = 0; copy < copies; copy++) {
      const name = `client-${chance.whole(1, clients)}`;
      const ask = (): boolean => this.#processes.letClient(name, (client) => client.bulk(bulk, this.#scene.watch.bulks));
      this.#at(at + copy * chance.pick([0, 1, 900]), `${name} asks for ${bulkId}: ${operation} ${prefix}...`, ask);
    }
  }

  #transact(transaction: UserTransaction): void {
    const executionId = transaction.what === "start" ? transaction.id : this.#oneOf(transaction.to, (row) => !isTerminal(row.state));
    if (executionId === undefined) return;
    const note = `${transaction.what}s ${executionId} in a transaction that is ${transaction.commits ? "committed" : "rolled back"}`;
    this.#processes.letClient("client-1", (client) => client.transact(transaction, executionId), note);
  }

  #schedulePause(chance: Chance): void {
    if (!chance.hits(0.2)) return;
    // Who waits in a queue with limits is to be passed over by nobody.
    const scope = this.#scene.watch.queue === undefined ? chance.fork("scope").pick(pauseScopes) : pauseScopes[0];
    const at = chance.whole(0, troubleMs);
    for (const [inMs, what] of [
      [at, "pause"],
      [at + chance.whole(100, 4000), "resume"],
    ] as const)
      this.#at(inMs, `client-1 ${what}s ${JSON.stringify(scope)}`, () => this.#processes.letClient("client-1", (client) => client.pauseAll(what, scope)));
  }

  #scheduleSendings(chance: Chance, clients: number): void {
    for (const sending of drawSendings(chance, troubleMs)) {
      for (let copy = 0; copy < sending.copies; copy++) {
        const client = `client-${chance.whole(1, clients)}`;
        this.#at(sending.at + copy * chance.pick([0, 1, 400]), `${client} may send ${sending.id}`, () => this.#send(client, sending));
      }
    }
  }

  #strike(by: "cancel" | "terminate", victim: number): void {
    const executionId = this.#oneOf(victim, (row) => !isTerminal(row.state));
    if (executionId !== undefined) this.#processes.letClient("client-1", (client) => client[by](executionId), `${by}s ${executionId}`);
  }

  #revert(revert: Revert): void {
    const executionId = this.#oneOf(revert.victim, (row) => !isCounted(row.execution_id) && (revert.by !== "retry" || row.state === "failed"));
    if (executionId !== undefined) this.#processes.letClient("client-1", (client) => client.revert(revert, executionId), `${revert.by}s ${executionId}`);
  }

  #read({ what, of, id }: Reading): void {
    const executionId = this.#oneOf(of, (row) => !isCounted(row.execution_id) && isTerminal(row.state) === (what === "copy"));
    if (executionId === undefined) return;
    const act = (client: Client): Promise<void> => (what === "copy" ? client.copy(executionId, id) : client.query(executionId));
    this.#processes.letClient("client-1", act, what === "copy" ? `copies ${executionId} to ${id}` : `asks ${executionId}`);
  }

  #hold(victim: number, resumeAfter: number): void {
    // A resume that comes too late would start another run of what is counted.
    const executionId = this.#oneOf(victim, (row) => !isTerminal(row.state) && !isCounted(row.execution_id));
    if (executionId !== undefined) this.#pause(executionId, resumeAfter);
  }

  /** After every transaction. */
  layAmbushes(): void {
    const { transport, world } = this.#scene;
    if (!transport.faultsOn || world.now >= troubleMs) return;
    for (const ambush of this.#ambushes.next()) this.#at(ambush.afterMs, `someone may ${ambush.by} ${ambush.executionId}`, () => this.#spring(ambush));
  }

  #spring({ by, executionId, checkpoint, resumeAfter, id }: Ambush): void {
    if (isTerminal(this.#scene.watch.monitor.row(executionId)?.state ?? "terminated")) return;
    if (by === "pause") return this.#pause(executionId, resumeAfter);
    const act = async (client: Client): Promise<void> => {
      if (by === "rollback") await client.revert({ by, checkpoint, id }, executionId);
      else if (by === "signal" || by === "update") await client.send({ what: by, id }, executionId);
      else await client[by === "terminate" ? by : "cancel"](executionId);
    };
    this.#processes.letClient("client-1", act, `does ${by} ${executionId}`);
    if (by === "cancel and resume") this.#resume(executionId, resumeAfter);
  }

  #pause(executionId: string, resumeAfter: number): void {
    if (this.#processes.letClient("client-1", (client) => client.pause(executionId), `pauses ${executionId}`))
      this.#resume(executionId, resumeAfter, "cancelled");
  }

  /** @param unless in which state it is left alone */
  #resume(executionId: string, inMs: number, unless?: string): void {
    this.#at(inMs, `client-1 resumes ${executionId}`, () => {
      if (this.#scene.watch.monitor.row(executionId)?.state !== unless) this.#processes.letClient("client-1", (client) => client.resume(executionId));
    });
  }

  /** The copies of one message go to one execution. */
  #send(clientName: string, sending: Sending): void {
    const executionId = this.#receivers.get(sending.id) ?? this.#oneOf(sending.to, (row) => !isTerminal(row.state));
    if (executionId === undefined) return;
    const note = `sends ${sending.what} ${sending.id} to ${executionId}`;
    if (this.#processes.letClient(clientName, (client) => client.send(sending, executionId), note)) this.#receivers.set(sending.id, executionId);
  }

  /** @param which in [0, 1) */
  #oneOf(which: number, filter: (row: { readonly execution_id: string; readonly state: string }) => boolean): string | undefined {
    const ids = [...this.#scene.watch.monitor.executions.values()].filter(filter).map((row) => row.execution_id);
    return ids.toSorted()[Math.floor(which * ids.length)];
  }
}
