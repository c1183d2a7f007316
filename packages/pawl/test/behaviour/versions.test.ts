/** Which versions of workflows are in use, and that workers claim only those they have. */
import { defineWorkflow, InputInvalid, type ExecutionHandle } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();
const versionOf = (version: string) => defineWorkflow({ name: "order", version, signals: { go: z.null() }, run: (ctx) => ctx.signal("go") });
const [first, second] = [versionOf("1"), versionOf("2")];

describe("a start by name", () => {
  const named = (version: string) =>
    defineWorkflow({ name: "named", version, input: z.string(), timeout: "1 hour", taskQueue: `queue-${version}`, run: async () => version });

  test("without a version takes the highest that a live worker has, in whichever order it has them", async () => {
    const taskQueues = ["queue-9", "queue-10", "queue-1.9"];
    const { pawl, worker } = await h.run([named("9"), named("10"), named("1.9")], { taskQueues });
    const client = await h.open();
    expect(await client.execute("named", "x")).toBe("10");
    const highest = await client.start("named", "x");
    expect(await highest.status()).toMatchObject({ version: "10", taskQueue: "queue-10" });
    expect(await highest.result()).toBe("10");
    expect(await client.execute("named", "x", { version: "9" })).toBe("9");
    const schedule = await client.schedules.create({ scheduleId: "named", workflow: "named", input: "x", cron: "@yearly" });
    expect(await schedule.describe()).toMatchObject({ version: "10", taskQueue: "queue-10" });
    await schedule.delete();
    // Another worker brings a higher one, and takes it away again.
    const newer = await pawl.worker({ workflows: [named("11")], taskQueues: ["queue-11"], ...soon });
    expect(await client.execute("named", "x")).toBe("11");
    await newer.stop();
    expect(await client.execute("named", "x")).toBe("10");
    await worker.stop();
  });

  test("has the timeout and the schema of the definition where a worker of this process has it", async () => {
    const { pawl, worker } = await h.run([named("1")], { taskQueues: ["queue-1"] });
    const timeoutOf = async (handle: Pick<ExecutionHandle, "history" | "result">) => {
      await handle.result();
      const [started] = await handle.history();
      return started!.event.type === "ExecutionStarted" ? started!.event.timeoutMs : undefined;
    };
    expect(await timeoutOf(await pawl.start("named", "x"))).toBe(3_600_000);
    expect(await timeoutOf(await pawl.start("named", "x", { timeout: "1 minute" }))).toBe(60_000);
    expect((await refusalOf(pawl.start("named", 7), InputInvalid)).message).toContain("named");
    const client = await h.open();
    expect(await timeoutOf(await client.start("named", "x"))).toBeUndefined();
    await worker.stop();
  });
});

test("the report says what needs which version, until nothing does", async () => {
  const { pawl, worker } = await h.run([first]);
  const old = await pawl.start(first, undefined);
  const waiting = await pawl.start(second, undefined);
  await pawl.start(second, undefined, { delay: "1 hour", executionId: "later" });
  await eventually(async () => expect((await old.status()).waitingFor).not.toBeNull());
  // Nobody has its code, so nobody has claimed it.
  expect(await waiting.status()).toMatchObject({ state: "pending", version: "2" });
  const schedule = await pawl.schedules.create({ scheduleId: "yearly", workflow: first, input: undefined, cron: "0 0 1 1 *" });
  expect(await pawl.workflows.versions({ workflow: "order" })).toEqual([
    {
      workflow: "order",
      version: "1",
      open: { running: 1 },
      oldest: expect.any(Date) as Date,
      ended: {},
      schedules: 1,
      workers: [worker.workerId],
      removable: false,
    },
    { workflow: "order", version: "2", open: { pending: 2 }, oldest: expect.any(Date) as Date, ended: {}, schedules: 0, workers: [], removable: false },
  ]);
  const other = await pawl.worker({ workflows: [second], ...soon });
  for (const { executionId } of [old, waiting]) await pawl.handle(executionId).signal("go", null);
  await Promise.all([old.result(), waiting.result()]);
  await schedule.delete();
  await pawl.handle("later").terminate();
  const versions = await pawl.workflows.versions();
  expect(versions.map(({ version, workers, removable }) => [version, workers, removable])).toEqual([
    ["1", [worker.workerId], true],
    ["2", [other.workerId], true],
  ]);
  await worker.stop();
  expect((await pawl.workflows.versions()).map(({ version }) => version)).toEqual(["2"]);
  expect(await pawl.workflows.versions({ workflow: "other" })).toEqual([]);
});

test("the report counts what has ended and could go on, of versions that are in it", async () => {
  const failing = defineWorkflow({
    name: "fails",
    run: async () => {
      throw new Error("no");
    },
  });
  const pawl = await h.open({ namespace: "ended" });
  const worker = await pawl.worker({ workflows: [failing, first], ...soon });
  const failed = await pawl.start(failing, undefined);
  await eventually(async () => expect((await failed.status()).state).toBe("failed"));
  const cancelled = await pawl.start(first, undefined);
  await cancelled.cancel();
  await eventually(async () => expect((await cancelled.status()).state).toBe("cancelled"));
  const slow = await pawl.start(first, undefined, { delay: "1 hour", timeout: 1 });
  await slow.terminate();
  const versions = await pawl.workflows.versions();
  expect(versions.map(({ workflow, open, oldest, ended, removable }) => [workflow, open, oldest, ended, removable])).toEqual([
    ["fails", {}, null, { failed: 1 }, true],
    ["order", {}, null, { cancelled: 1 }, true],
  ]);
  await worker.stop();
  expect(await pawl.workflows.versions()).toEqual([]);
});
