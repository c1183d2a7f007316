/** Histories that grow: code sees how long its own is, operators are warned, and at the limit the execution fails. */
import { randomUUID } from "node:crypto";
import { defineWorkflow, HistoryTooLong, OptionInvalid, type Logger } from "pawl";
import { expect, test } from "vitest";
import { causeOf, harness, quickly, soon } from "./harness.ts";

const h = harness();

const collecting = (): Logger & { readonly warnings: string[] } => {
  const warnings: string[] = [];
  return { warnings, info: () => {}, warn: (message) => void warnings.push(message), error: () => {} };
};

const looping = defineWorkflow({
  name: "looping",
  async run(ctx, { rounds, size }: { rounds: number; size: number }) {
    for (let round = 0; round < rounds; round++) await ctx.step("round", () => "x".repeat(size));
    return ctx.historyLength;
  },
});

test("an execution fails when its history has too many events, and says what to do", async () => {
  const { pawl, worker } = await h.run([looping], { historyLimit: { events: 20 } });
  const handle = await pawl.start(looping, { rounds: 1000, size: 1 });
  const cause = await causeOf(handle.result());
  expect(cause).toMatchObject({ name: HistoryTooLong.name, code: "HISTORY_TOO_LONG" });
  expect(cause.message).toMatch(/has 20 events .* the limit is 20 events .*ctx\.continueAsNew/);
  expect((await handle.status()).events).toBe(21);
  expect(worker.health().active).toBe(0);
});

test("so does one whose step is retried without a limit, and its code hears nothing of it", async () => {
  const heard: string[] = [];
  const retrying = defineWorkflow({
    name: "retrying",
    retry: quickly,
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        saga.compensate(async () => heard.push("undo"));
        const call = (): never => {
          throw new Error("the service is down");
        };
        await ctx.step("call", call).catch(() => heard.push("failed"));
      }),
  });
  const { pawl } = await h.run([retrying], { historyLimit: { events: 40 } });
  const handle = await pawl.start(retrying, undefined);
  expect(await causeOf(handle.result())).toMatchObject({ name: HistoryTooLong.name });
  expect((await handle.history()).filter(({ event }) => event.type === "StepAttemptFailed").length).toBeGreaterThan(30);
  expect(heard).toEqual([]);
});

test("and when they take too much room", async () => {
  const { pawl } = await h.run([looping], { historyLimit: { characters: 10_000 } });
  const handle = await pawl.start(looping, { rounds: 1000, size: 1000 });
  expect((await causeOf(handle.result())).message).toMatch(/the limit is 51200 events and 10000 characters/);
  expect((await handle.status()).events).toBe(12);
});

test("a warning is logged once, before that", async () => {
  const logger = collecting();
  const pawl = await h.open({ logger });
  await pawl.worker({ workflows: [looping], ...soon, historyLimit: { warnAt: 5 } });
  await pawl.execute(looping, { rounds: 20, size: 1 }, { executionId: "growing" });
  expect(logger.warnings).toEqual([
    expect.stringMatching(/^the history has 5 events; .*continue as new.* \(executionId=growing runId=\S+ workflow=looping\)$/),
  ]);
});

test("code that asks how long its history is continues in time", async () => {
  const careful = defineWorkflow({
    name: "careful",
    async run(ctx, done: number): Promise<number> {
      for (let round = done; round < 40; round++) {
        if (ctx.historyLength > 10) return ctx.continueAsNew(round);
        await ctx.step("round", () => {});
        if (round % 5 === 0) await ctx.sleep(1);
      }
      return done;
    },
  });
  const { pawl } = await h.run([careful], { historyLimit: { events: 15 } });
  const handle = await pawl.start(careful, 0);
  await handle.result();
  for (const { events } of await handle.runs()) expect(events).toBeLessThan(15);
  await expect(pawl.worker({ workflows: [careful], historyLimit: { events: 1 } })).rejects.toThrow(OptionInvalid);
});

/** A history of so many steps, as another database would have exported it. */
function exported(executionId: string, steps: number): object {
  const at = Date.now() - 1000;
  const events: object[] = [{ type: "ExecutionStarted", at, epoch: 0, data: { input: steps } }];
  for (let position = 1; position <= steps; position++)
    events.push({ type: "StepCompleted", at, epoch: 1, data: { position, name: "s", attempt: 1, result: 1 } });
  const run = { runId: randomUUID(), version: "1", state: "running", startedAt: at, events };
  return { format: "pawl.execution", formatVersion: 1, namespace: "default", executionId, workflow: "long", taskQueue: "default", runs: [run] };
}

test("four times as many events take about four times as long to replay, and the code is told when to continue", async () => {
  const suggestions: boolean[] = [];
  const long = defineWorkflow({
    name: "long",
    async run(ctx, steps: number) {
      let sum = 0;
      for (let step = 0; step < steps; step++) {
        sum += await ctx.step("s", () => 1);
        if (step === 3997 || step === 3998) suggestions.push(ctx.continueAsNewSuggested);
      }
      return [sum, await ctx.step("last", () => "live"), ctx.historyLength];
    },
  });
  const { pawl } = await h.run([long]);
  const replayed = async (steps: number): Promise<number> => {
    const handle = await pawl.importExecution(exported(`long-${steps}`, steps));
    const before = process.cpuUsage();
    await handle.resume();
    expect(await handle.result()).toEqual([steps, "live", steps + 3]);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  // The first replay compiles the code.
  await replayed(5000);
  const few = await replayed(10_000);
  const many = await replayed(40_000);
  // Of the process's own work, whatever else the machine does. Measured: 1.8, since some of it is the same for all; moving what is left for each event made it 7.
  expect(many / few).toBeLessThan(4);
  expect(suggestions).toEqual([false, true, false, true, false, true]);
});
