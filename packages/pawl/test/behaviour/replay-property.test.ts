import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { ExecutionFailed, fold, type ExecutionHandle, type HistoryEvent, type Pawl, type Worker, type Workflow } from "pawl";
import { openInMemory } from "pawl/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeCall } from "../../src/kernel/call.ts";
import { readPayload } from "../../src/kernel/payload.ts";
import { Replay, type CodeOutcome } from "../../src/kernel/replay.ts";
import { replayEvents } from "../../src/kernel/replay-events.ts";
import { execute, query } from "../support/database.ts";
import { eventually, harness, soon } from "./harness.ts";
import { programs, programWorkflow, type Program, type Trace } from "./random-programs.ts";

/** What the code did when it was replayed against some events. */
interface Replayed {
  readonly trace: Trace;
  /** Durable calls in the order in which they were made. */
  readonly calls: readonly string[];
  readonly outcome: CodeOutcome | undefined;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs the program's code against recorded events, as a worker would, and starts nothing. */
async function replay(executionId: string, events: readonly HistoryEvent[]): Promise<Replayed> {
  const trace: Trace = [];
  const calls: string[] = [];
  let outcome: CodeOutcome | undefined;
  // The library's sources and its build declare the same types twice.
  const workflow = programWorkflow(() => trace) as unknown as ConstructorParameters<typeof Replay>[0];
  const code = new Replay(
    workflow,
    { executionId, runId: "run" },
    { first: "seed" },
    {
      called: (call) => void calls.push(`${call.position}: ${describeCall(call)}`),
      abandoned: () => {},
      orphaned: () => {},
      replied: () => {},
      patched: () => {},
      logged: () => {},
      unread: () => {},
      ended: (ended) => void (outcome ??= ended),
    },
  );
  await replayEvents(
    code,
    events.map(({ seq, at, event }) => ({ seq, at: at.getTime(), epoch: 1, event })),
    turn,
  );
  return { trace, calls, outcome };
}

const isPrefix = (part: readonly string[], whole: readonly string[]): boolean =>
  part.length <= whole.length && part.every((line, index) => line === whole[index]);

/** Random numbers follow the seed, which only the worker knows. */
const withoutRandom = (trace: Trace): Trace => trace.map((line) => (line.startsWith("random") ? "random" : line));

/** Fails with both sides where `part` is not how `whole` begins. */
function expectPrefix(part: readonly string[], whole: readonly string[], what: string): void {
  if (!isPrefix(part, whole)) expect(part, what).toEqual(whole.slice(0, part.length));
}

/** Every replay of what is recorded makes the same calls in the same order, sees the same outcomes and ends the same way. */
async function checkReplays(handle: ExecutionHandle, live: readonly Trace[]): Promise<void> {
  const { executionId } = handle;
  const history = await handle.history();
  const end = history.at(-1)!.event;
  const full = await replay(executionId, history);
  for (const trace of live) expectPrefix(withoutRandom(trace), withoutRandom(full.trace), `live run of ${executionId}`);
  const longest = [...live].toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const trace of live) expectPrefix(trace, longest, `runs of ${executionId}`);
  if (end.type === "ExecutionCompleted") expect(full.outcome).toEqual({ outcome: "returned", value: readPayload(end.result) });
  else if (end.type === "ExecutionFailed")
    expect(full.outcome).toMatchObject({ outcome: "threw", error: { name: end.failure.name, message: end.failure.message } });
  // The loser of a race is asked to cancel when its parent ends.
  else if (end.type !== "ExecutionCancelled") throw new Error(`${executionId} ended with ${end.type}: ${JSON.stringify(end)}`);
  // Each step has one result, however often its worker went away.
  const results = history.flatMap(({ event }) =>
    event.type === "StepCompleted" || event.type === "StepFailed" || event.type === "TimerFired" ? [event.position] : [],
  );
  expect(new Set(results).size).toBe(results.length);
  const stride = Math.max(1, Math.floor(history.length / 25));
  for (let length = 1; length <= history.length; length += stride) {
    const part = await replay(executionId, history.slice(0, length));
    expectPrefix(part.trace, full.trace, `first ${length} events of ${executionId}`);
    expectPrefix(part.calls, full.calls, `calls of the first ${length} events of ${executionId}`);
    if (part.outcome !== undefined) expect(part.outcome).toEqual(full.outcome);
  }
}

class Traces {
  readonly #traces = new Map<string, Trace[]>();

  readonly add = (executionId: string): Trace => {
    const trace: Trace = [];
    const all = this.#traces.get(executionId);
    if (all === undefined) this.#traces.set(executionId, [trace]);
    else all.push(trace);
    return trace;
  };

  get entries(): readonly (readonly [string, readonly Trace[]])[] {
    return [...this.#traces];
  }
}

/** For how long a property begins new runs (and shrinks); a run that has begun is always judged. */
function timeFor(ms: number): () => boolean {
  const until = performance.now() + ms;
  return () => performance.now() < until;
}

/** Pauses between restarts, in turns of the event loop: some within a commit, some after several. */
const restarts = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 5 });
const settled = (handle: ExecutionHandle): Promise<unknown> =>
  handle.result({ timeout: "2 minutes" }).catch((error: unknown) => {
    if (!(error instanceof ExecutionFailed)) throw error;
  });

async function runWithRestarts(
  pawl: Pawl,
  workflow: Workflow<Program, unknown>,
  list: readonly Program[],
  pauses: readonly number[],
  takeOver: (old: Worker) => Promise<Worker>,
  first: Worker,
): Promise<Worker> {
  let worker = first;
  const handles = await Promise.all(list.map((program) => pawl.start(workflow, program, { executionId: randomUUID() })));
  const results = Promise.all(handles.map(settled));
  for (const pause of pauses) {
    for (let turns = 0; turns < pause; turns++) await turn();
    worker = await takeOver(worker);
  }
  await results;
  return worker;
}

describe("a random program", () => {
  let memory: Pawl;
  beforeAll(async () => {
    memory = await openInMemory();
  });
  afterAll(() => memory.close({ drain: 0 }));

  test("replays from every prefix of its history as it ran, in one process with workers that stop at any moment", async () => {
    const timeLeft = timeFor(20_000);
    await fc.assert(
      fc.asyncProperty(fc.array(programs, { minLength: 3, maxLength: 6 }), restarts, async (list, pauses) => {
        if (!timeLeft()) return;
        const traces = new Traces();
        const workflow = programWorkflow(traces.add);
        const start = () => memory.worker({ workflows: [workflow], ...soon });
        const worker = await runWithRestarts(memory, workflow, list, pauses, async (old) => (await old.stop({ drain: 0 }), start()), await start());
        await worker.stop({ drain: 0 });
        for (const [executionId, live] of traces.entries) {
          const handle = memory.handle(executionId);
          // A loser of a race may leave children behind that nobody waits for.
          if ((await handle.status()).finishedAt === null) await handle.terminate();
          else await checkReplays(handle, live);
        }
        expect(await memory.store.stranded()).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("on PostgreSQL", () => {
  const h = harness();

  test("a random program goes on in another instance whenever its own is closed, and replays as it ran", async () => {
    const timeLeft = timeFor(10_000);
    await fc.assert(
      fc.asyncProperty(fc.array(programs, { minLength: 6, maxLength: 10 }), restarts, async (list, pauses) => {
        if (!timeLeft()) return;
        const traces = new Traces();
        const workflow = programWorkflow(traces.add);
        const client = await h.open();
        const instances = new Map<Worker, Pawl>();
        const start = async (): Promise<Worker> => {
          const instance = await h.open({ poolSize: 2 });
          const worker = await instance.worker({ workflows: [workflow], ...soon });
          instances.set(worker, instance);
          return worker;
        };
        // The next one is there before the old one goes, as in a rolling deployment.
        const takeOver = async (old: Worker): Promise<Worker> => {
          const next = await start();
          await instances.get(old)!.close({ drain: 0 });
          return next;
        };
        const worker = await runWithRestarts(client, workflow, list, pauses, takeOver, await start());
        await instances.get(worker)!.close({ drain: 0 });
        for (const [executionId, live] of traces.entries) {
          const handle = client.handle(executionId);
          if ((await handle.status()).finishedAt === null) await handle.terminate();
          else await checkReplays(handle, live);
        }
        await client.close();
      }),
      { numRuns: 6 },
    );
  });

  test("a random program continues from any prefix of its history, without repeating what is in it", async () => {
    const pawl = await h.open();
    const timeLeft = timeFor(10_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(programs, { minLength: 5, maxLength: 8 }),
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 3, maxLength: 3 }),
        async (list, cuts) => {
          if (!timeLeft()) return;
          const traces = new Traces();
          const workflow = programWorkflow(traces.add);
          const worker = await pawl.worker({ workflows: [workflow], ...soon });
          const originals = await Promise.all(list.map((program) => pawl.start(workflow, program, { executionId: randomUUID() })));
          await Promise.all(originals.map(settled));
          // Losers of races may have left children behind; the copies shall find them ended.
          await eventually(async () => expect((await pawl.list({ workflow: "program", state: ["pending", "running"] })).executions).toEqual([]));
          const copies: { readonly handle: ExecutionHandle; readonly prefix: readonly HistoryEvent[] }[] = [];
          for (const original of originals) {
            const history = await original.history();
            for (const cut of cuts) copies.push(await copyPrefix(h.url, pawl, original, history.slice(0, 1 + Math.floor(cut * (history.length - 1)))));
          }
          await Promise.all(copies.map(({ handle }) => settled(handle)));
          await worker.stop({ drain: 0 });
          for (const { handle, prefix } of copies) {
            const history = await handle.history();
            expect(history.slice(0, prefix.length).map(({ event }) => event)).toEqual(prefix.map(({ event }) => event));
            const live = traces.entries.find(([executionId]) => executionId === handle.executionId)![1];
            await checkReplays(handle, live);
          }
          for (const { executionId } of (await pawl.list({ state: ["pending", "running"], limit: 1000 })).executions)
            await pawl.handle(executionId).terminate();
        },
      ),
      { numRuns: 6 },
    );
  });
});

/** A new execution whose history is a prefix of another's: what a crash at that point would have left, children included. */
async function copyPrefix(url: string, pawl: Pawl, original: ExecutionHandle, prefix: readonly HistoryEvent[]) {
  const runId = randomUUID();
  const executionId = `copy-${runId}`;
  const { runId: from } = await original.status();
  const last = prefix.length;
  const { labels, attributes } = fold(prefix);
  const column = (values: object): string => `nullif('${JSON.stringify(values)}'::jsonb, '{}')`;
  // Marked as resumed, so that it asks how the children ended that its original had.
  await execute(
    url,
    `BEGIN;
     INSERT INTO pawl.history (run_id, seq, epoch, at, type, data) SELECT '${runId}', seq, epoch, at, type, data FROM pawl.history WHERE run_id = '${from}' AND seq <= ${last};
     INSERT INTO pawl.history (run_id, seq, epoch, at, type, data) VALUES ('${runId}', ${last + 1}, 100, pawl.current_time_of_pawl(), 'ExecutionResumed', '{"fromRunId":"${from}","fromState":"cancelled"}');
     INSERT INTO pawl.executions (run_id, namespace, execution_id, workflow, version, task_queue, epoch, last_seq, state, created_at, started_at, labels, attributes)
      SELECT '${runId}', namespace, '${executionId}', workflow, version, task_queue, 100, ${last + 1}, 'running', created_at, started_at, ${column(labels)}, ${column(attributes)} FROM pawl.executions WHERE run_id = '${from}';
     INSERT INTO pawl.tasks (run_id, visible_at, namespace, task_queue, definition) VALUES ('${runId}', pawl.current_time_of_pawl(), 'default', 'default', 'program@1');
     COMMIT`,
  );
  expect(await query(url, "SELECT 1 FROM pawl.executions WHERE run_id = $1", [runId])).toHaveLength(1);
  return { handle: pawl.handle(executionId), prefix };
}
