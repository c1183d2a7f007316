import { defineWorkflow, step } from "pawl";
import { TestPawl } from "pawl/testing";
import { afterEach, beforeEach, expect, test } from "vitest";

let pawl: TestPawl;

beforeEach(async () => {
  pawl = await TestPawl.open();
});

afterEach(() => pawl.close());

test("a rate lets the next begin in skipped time", async () => {
  const mail = defineWorkflow({ name: "mail", taskQueue: "mails", run: async (ctx) => ctx.step("at", () => 1) });
  await pawl.queues.set("mails", { rate: { limit: 1, per: "1 day" } });
  await pawl.worker({ workflows: [mail] });
  const handles = [];
  for (let index = 0; index < 3; index++) handles.push(await pawl.start(mail, undefined));
  await Promise.all(handles.map((handle) => handle.result()));
  const begun = [];
  for (const handle of handles) begun.push((await handle.status()).startedAt!.getTime());
  begun.sort((a, b) => a - b);
  expect(begun[1]! - begun[0]!).toBeGreaterThanOrEqual(86_400_000);
  expect(begun[2]! - begun[1]!).toBeGreaterThanOrEqual(86_400_000);
});

test("a step on another queue is mocked like any other, and its scheduleToStart passes in skipped time", async () => {
  const embed = step("embed", async (text: string) => text.length, { taskQueue: "gpu", scheduleToStart: "2 days" });
  const ingest = defineWorkflow({ name: "ingest", run: async () => embed("a text").catch((error: unknown) => (error as { code: string }).code) });
  await pawl.worker({ workflows: [ingest] });
  expect(await pawl.execute(ingest, undefined)).toBe("STEP_NOT_STARTED");
  await pawl.worker({ steps: [embed] });
  expect(await pawl.execute(ingest, undefined)).toBe(6);
  const mock = pawl.mocks.step(embed, async (text) => text.length * 100);
  expect(await pawl.execute(ingest, undefined)).toBe(600);
  expect(mock.calls.map(({ args }) => args)).toEqual([["a text"]]);
});
