/** Which versions of workflows are in use, and that workers claim only those they have. */
import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, soon } from "./harness.ts";

const h = harness();
const versionOf = (version: string) => defineWorkflow({ name: "order", version, signals: { go: z.null() }, run: (ctx) => ctx.signal("go") });
const [first, second] = [versionOf("1"), versionOf("2")];

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
    { workflow: "order", version: "1", open: { running: 1 }, oldest: expect.any(Date) as Date, schedules: 1, workers: [worker.workerId], removable: false },
    { workflow: "order", version: "2", open: { pending: 2 }, oldest: expect.any(Date) as Date, schedules: 0, workers: [], removable: false },
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
