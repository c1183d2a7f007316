import { expect, test } from "vitest";
import type { WorkflowContext } from "../definition/context.ts";
import { defineWorkflow } from "../definition/workflow.ts";
import { retryPrefix, viewPrefix } from "./checkpoint.ts";
import type { Event, RecordedEvent } from "./event.ts";
import { SeededRandom } from "./random.ts";
import { Replay, type CodeOutcome } from "./replay.ts";
import { replayEvents } from "./replay-events.ts";

type Code = (ctx: WorkflowContext) => Promise<unknown>;

/** A program of steps that waits for them in all the ways there are. The same for the same seed. */
function program(seed: string): Code {
  const random = new SeededRandom(seed);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  let names = 0;
  const block = (): Code => {
    const name = `s${++names}`;
    const step = (ctx: WorkflowContext, suffix = ""): Promise<string> => ctx.step(name + suffix, () => "");
    const items = Array.from({ length: 2 + below(4) }, (_, index) => index);
    switch (below(7)) {
      case 0:
        return (ctx) => step(ctx);
      case 1:
        return (ctx) => step(ctx).catch(() => step(ctx, "-instead").catch(() => undefined));
      case 2: {
        const concurrency = 1 + below(4);
        return (ctx) => ctx.map(items, async (item) => [await step(ctx, `-${item}`), await step(ctx, `-${item}-then`)], { concurrency });
      }
      case 3:
        return async (ctx) => {
          const all = await Promise.allSettled(items.map((item) => step(ctx, `-${item}`)));
          if (all.some(({ status }) => status === "rejected")) throw new Error("some failed");
        };
      case 4:
        return async (ctx) => {
          const early = step(ctx, "-early");
          await step(ctx);
          await early;
        };
      case 5:
        return (ctx) =>
          ctx.saga(async (saga) => {
            await step(ctx);
            saga.compensate((undo) => undo.step(`${name}-undo`, () => ""));
            await Promise.all(items.map((item) => step(ctx, `-${item}`)));
          });
      default:
        return (ctx) =>
          Promise.all(items.map((item) => step(ctx, `-${item}`).catch((error: unknown) => (item === 0 ? undefined : Promise.reject(error as Error)))));
    }
  };
  const blocks: readonly Code[] = Array.from({ length: 1 + below(4) }, block);
  return async (ctx) => {
    for (const next of blocks) await next(ctx);
    return "done";
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs code on from a history, steps failing now and then, several outcomes to a commit. */
async function run(code: Code, history: RecordedEvent[], random: SeededRandom, failing: number): Promise<void> {
  const ended: CodeOutcome[] = [];
  const ignore = (): void => {};
  const host = {
    called: ignore,
    abandoned: ignore,
    orphaned: ignore,
    replied: ignore,
    patched: ignore,
    logged: ignore,
    unread: ignore,
    ended: (how: CodeOutcome) => void ended.push(how),
  };
  const replay = new Replay(defineWorkflow({ name: "w", run: code }), { executionId: "x", runId: "r" }, { first: "x" }, host);
  await replayEvents(replay, history, turn);
  const record = (event: Event): RecordedEvent => {
    const recorded = { seq: history.length + 1, at: history.length, epoch: 1, event };
    history.push(recorded);
    return recorded;
  };
  while (ended.length === 0) {
    const open = [...replay.open.values()];
    expect(open.length).toBeGreaterThan(0);
    const commit: RecordedEvent[] = [];
    for (let left = 1 + Math.floor(random.next() * 4); left > 0 && open.length > 0; left--) {
      const [call] = open.splice(Math.floor(random.next() * open.length), 1);
      if (call?.kind !== "step") throw new TypeError("not a step");
      const { position, name } = call;
      const about = { position, name, attempt: 1 };
      const failure = { name: "Error", message: "no" };
      if (random.next() < failing / 2) commit.push(record({ type: "StepAttemptFailed", ...about, failure, retryInMs: 1 }));
      if (random.next() < failing) commit.push(record({ type: "StepFailed", ...about, failure }));
      else commit.push(record({ type: "StepCompleted", ...about, result: { value: name } }));
    }
    for (const recorded of commit) if (replay.apply(recorded)) await turn();
  }
  const outcome = ended[0]!;
  if (outcome.outcome === "threw") {
    // Not the code's own, but of the replay: it went another way.
    if (outcome.error instanceof Error && !["no", "some failed"].includes(outcome.error.message) && !(outcome.error instanceof AggregateError))
      throw outcome.error;
    expect(outcome.cause).toBeDefined();
    record({ type: "ExecutionFailed", failure: { name: "Error", message: "no" }, causeSeq: outcome.cause!.seq, causeCalls: outcome.cause!.calls });
  } else record({ type: "ExecutionCompleted", result: { value: null } });
}

test("whatever code does with calls that fail, a retry replays what it keeps, and goes on as if what failed had not begun", { timeout: 60_000 }, async () => {
  let retried = 0;
  for (let seed = 0; seed < 300; seed++) {
    const code = program(`program ${seed}`);
    const random = new SeededRandom(`run ${seed}`);
    let history: RecordedEvent[] = [{ seq: 1, at: 0, epoch: 1, event: { type: "ExecutionStarted", input: { value: null } } }];
    await run(code, history, random, 0.3);
    for (let failing = 0.2; history.at(-1)!.event.type === "ExecutionFailed"; failing -= 0.1) {
      const end = history.at(-1)!.event;
      const { causeSeq, causeCalls } = end as { readonly causeSeq: number; readonly causeCalls: number };
      const { events } = viewPrefix(history, retryPrefix(history));
      const kept = new Set(events.map((recorded) => recorded.seq));
      for (const { seq, event } of history) {
        if (event.type === "StepCompleted") expect([seed, seq, kept.has(seq)]).toEqual([seed, seq, seq < causeSeq || event.position <= causeCalls]);
        if (event.type === "StepFailed" && seq >= causeSeq) expect([seed, seq, kept.has(seq)]).toEqual([seed, seq, false]);
      }
      const resumed: Event = { type: "ExecutionResumed", fromRunId: "r", fromState: "failed", operation: "retry", runNumber: 2 };
      history = [...events, { seq: 0, at: 0, epoch: 2, event: resumed }].map((recorded, index) => ({ ...recorded, seq: index + 1 }));
      const begun = history.length;
      await run(code, history, random, Math.max(failing, 0));
      const again = history.slice(begun).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.position] : []));
      const before = history.slice(0, begun).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.position] : []));
      expect(again.filter((position) => before.includes(position))).toEqual([]);
      retried++;
    }
  }
  expect(retried).toBeGreaterThan(100);
});
