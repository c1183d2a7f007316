/**
 * The base load: starts executions at a steady pace, starts some twice, stops some, sends messages to some, waits for all, and
 * reads meanwhile. A schedule starts one more every second.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { AnyWorkflow } from "pawl";
import { Random } from "./random.ts";
import type { Answer, Recorder } from "./recorder.ts";
import { baseLoad, type Input, type makeWorkflows } from "./workflows.ts";

export const loadScheduleId = "every-second";
/** Starts whose answer has not come: with more of them, the load waits. */
const mostOpen = 400;

export class Load {
  readonly #writer: Recorder;
  readonly #reader: Recorder;
  readonly #workflows: ReturnType<typeof makeWorkflows>;
  readonly #random: Random;
  readonly #open = new Set<Promise<unknown>>();
  readonly #started: string[] = [];
  readonly #enqueued: string[] = [];
  #count = 0;
  #running = false;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(writer: Recorder, reader: Recorder, workflows: ReturnType<typeof makeWorkflows>, seed: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#workflows = workflows;
    this.#random = new Random(seed);
  }

  run(perSecond: number): void {
    this.#running = true;
    this.#loops = Promise.all([this.#starting(1000 / perSecond), this.#reading(), this.#scheduling()]);
  }

  /** Starts nothing more and waits for every answer. */
  async settle(): Promise<void> {
    this.#running = false;
    await this.#loops;
    // Nobody waited for them while there were no workers.
    for (const executionId of this.#enqueued.splice(0)) this.#track(this.#writer.result(executionId));
    await Promise.all(this.#open);
  }

  /** So many small executions, as fast as they are taken. */
  async enqueue(count: number): Promise<void> {
    for (let from = 0; from < count; from += 500) {
      const batch = Array.from({ length: Math.min(500, count - from) }, (_, n) =>
        this.#writer.start(this.#workflows.chain, { n: from + n, ms: 1 }, { executionId: `herd-${from + n}` }),
      );
      for (const answer of await Promise.all(batch)) if (answer !== undefined && "value" in answer) this.#enqueued.push(answer.value.executionId);
    }
  }

  async #scheduling(): Promise<void> {
    const { schedules } = this.#writer.pawl;
    const schedule = await schedules.create({
      scheduleId: loadScheduleId,
      workflow: this.#workflows.chain,
      input: { n: 1, ms: 10 },
      interval: "1s",
      overlap: "allow_all",
      catchUpWindow: "1 hour",
      ifExists: "keep",
    });
    while (this.#running) await delay(100);
    await schedule.pause();
  }

  async #starting(everyMs: number): Promise<void> {
    while (this.#running) {
      if (this.#open.size < mostOpen) this.#track(this.#one(this.#count++));
      await delay(everyMs);
    }
  }

  #track(work: Promise<unknown>): void {
    this.#open.add(work);
    void work.finally(() => this.#open.delete(work));
  }

  async #one(n: number): Promise<void> {
    const random = this.#random;
    const workflow: AnyWorkflow = this.#workflows[random.pick(baseLoad)];
    const input: Input = { n, ms: random.whole(5, 250) };
    const executionId = `load-${n}`;
    const options = { executionId, ...(random.chance(0.3) ? { idempotencyKey: `key-${n}` } : {}) };
    const again = random.next();
    const stop = random.next();
    const stopAfterMs = random.whole(0, 1500);
    const readTwice = random.chance(0.2);
    const starts = [this.#writer.start(workflow, input, options)];
    if (again < 0.05) starts.push(this.#reader.start(workflow, input, options));
    // The same key under another id: there is still only one execution, whichever id it got.
    else if (again < 0.1 && "idempotencyKey" in options) starts.push(this.#reader.start(workflow, input, { ...options, executionId: `${executionId}-again` }));
    const answers = await Promise.all(starts);
    const first = answers.find((answer) => answer !== undefined && "value" in answer);
    if (first === undefined || !("value" in first)) return;
    const id = first.value.executionId;
    this.#started.push(id);
    if (workflow === this.#workflows.mailed) this.#track(this.#mail(id));
    if (stop < 0.1) {
      await delay(stopAfterMs);
      await (stop < 0.08 ? this.#writer.cancel(id) : this.#writer.terminate(id));
    }
    const answer = await this.#writer.result(id);
    // What waits for a child that is held has none, however often it is asked.
    if (readTwice && answer !== undefined) await Promise.all([this.#reader.result(id), this.#reader.status(id)]);
  }

  /** The signals in their order, and meanwhile the updates; some of both are sent again by the other client. */
  async #mail(executionId: string): Promise<void> {
    const signal = async (payload: number): Promise<void> => {
      await this.#untilAnswered(executionId, () => this.#writer.signal(executionId, "part", payload, `part-${payload}`));
      if (this.#random.chance(0.3)) await this.#reader.signal(executionId, "part", payload, `part-${payload}`);
    };
    const add = async (id: string): Promise<void> => {
      const writes = [this.#untilAnswered(executionId, () => this.#writer.update(executionId, "add", 10, id))];
      if (this.#random.chance(0.3)) writes.push(this.#untilAnswered(executionId, () => this.#reader.update(executionId, "add", 10, id)));
      await Promise.all(writes);
    };
    await Promise.all([signal(1).then(() => signal(3)), add("one"), add("other")]);
  }

  /** What is sent with an id may be sent again until it is known to be there. What is held or has ended answers nobody. */
  async #untilAnswered(executionId: string, send: () => Promise<Answer<unknown>>): Promise<void> {
    for (let tries = 1; (await send()) === undefined && tries < 5; tries++) {
      const status = await this.#reader.status(executionId);
      if (status !== undefined && "value" in status && status.value !== "pending" && status.value !== "running") return;
    }
  }

  async #reading(): Promise<void> {
    for (let turn = 0; this.#running; turn++) {
      await delay(100);
      if (this.#started.length === 0) continue;
      const executionId = this.#random.pick(this.#started.slice(-200));
      if (turn % 10 === 0) await this.#reader.list();
      else await (turn % 2 === 0 ? this.#reader.status(executionId) : this.#reader.history(executionId));
    }
  }
}
