/** An execution that has not ended is exported in every state that it can be in, deleted, imported again and resumed: it goes on from where it was. */
import { expect, test } from "vitest";
import { eventually, harness, soon } from "./harness.ts";
import { inSituation, situations, stateIn, subject, type Situation } from "./situations.ts";

const h = harness();

/** Where each of them goes when it is resumed: the state, and what its history ends with. */
const goesOn: Partial<Record<Situation, readonly [state: string, last: string]>> = {
  // Nobody takes from its queue.
  pending: ["running", "ExecutionResumed"],
  delayed: ["completed", "ExecutionCompleted"],
  gathering: ["completed", "ExecutionCompleted"],
  running: ["running", "StepStarted"],
  "asked to pause": ["running", "StepStarted"],
  waiting: ["completed", "ExecutionCompleted"],
  "in its second run": ["completed", "ExecutionCompleted"],
  "being cancelled": ["running", "StepStarted"],
  paused: ["completed", "ExecutionCompleted"],
  "paused before it began": ["completed", "ExecutionCompleted"],
  // Its code has not been mended.
  quarantined: ["quarantined", "ExecutionQuarantined"],
  // Nobody takes from its queue.
  poisoned: ["running", "ExecutionResumed"],
};

const waitsForSignal: ReadonlySet<string> = new Set<Situation>(["waiting", "in its second run", "paused", "paused before it began"]);

test.each(Object.entries(goesOn))("%s", async (situation, [state, last]) => {
  const pawl = await h.open({ namespace: situation.replaceAll(" ", "-") });
  await pawl.worker({ workflows: [subject], ...soon, retentionInterval: "1h" });
  const handle = await inSituation(pawl, situation as Situation);
  const document = JSON.parse(JSON.stringify(await pawl.exportExecution(handle.executionId))) as unknown;
  await handle.terminate();
  await pawl.retention.set({ keep: 0 });
  await eventually(async () => {
    await pawl.retention.run();
    expect((await pawl.count()).count).toBe(0);
  });
  const imported = await pawl.importExecution(document);
  expect((await imported.status()).state).toBe("quarantined");
  await imported.resume();
  if (waitsForSignal.has(situation)) await imported.signal("go", 1);
  const runNumber = situation === "in its second run" ? 3 : 2;
  await eventually(async () => {
    expect(await imported.status()).toMatchObject({ state, runNumber });
    expect((await imported.history()).at(-1)!.event.type).toBe(last);
  });
});

test("these are all that have not ended", () => {
  const open = situations.filter((situation) => !["completed", "failed", "cancelled", "terminated", "timed_out"].includes(stateIn(situation)));
  expect(Object.keys(goesOn)).toEqual(open);
});
