import { expect, test } from "vitest";
import type { RecordedEvent } from "./event.ts";
import { Patches } from "./patches.ts";

const recorded = (event: RecordedEvent["event"], seq: number): RecordedEvent => ({ seq, at: 0, epoch: 1, event });
const started = recorded({ type: "ExecutionStarted", input: { value: null } }, 1);
const fired = recorded({ type: "TimerFired", position: 1 }, 2);
const marked = recorded({ type: "PatchMarked", patchId: "a" }, 3);

test("a fresh run goes the new way, and that is to be recorded once", () => {
  const patches = new Patches();
  patches.read([started]);
  expect(patches.isPatched("a")).toBe("now");
  expect(patches.isPatched("a")).toBe("yes");
});

test("replay goes the new way only where the mark says so, and goes on as it began", () => {
  const patches = new Patches();
  patches.read([started, fired, marked]);
  expect(patches.isPatched("a")).toBe("yes");
  expect(patches.isPatched("b")).toBe("not");
  patches.applied();
  patches.applied();
  expect(patches.isPatched("b")).toBe("not");
  expect(patches.isPatched("c")).toBe("now");
});

test("what is recorded after replay has ended changes nothing", () => {
  const patches = new Patches();
  patches.read([started, fired]);
  for (let event = 0; event < 3; event++) patches.applied();
  expect(patches.isPatched("a")).toBe("now");
});

test("a death, or a message that nobody has answered, is not the old way", () => {
  const patches = new Patches();
  patches.read([started, fired, recorded({ type: "WorkerLost", workerId: "w", claims: 1 }, 3), recorded({ type: "CancelRequested" }, 4)]);
  patches.applied();
  expect(patches.isPatched("a")).toBe("now");
});

test("starts that were merged into it, a pause and a fork from its start lead to no old way", () => {
  for (const event of [
    { type: "StartMerged", startId: "s", input: { value: null } },
    { type: "ExecutionPaused" },
    { type: "ExecutionUnpaused" },
    { type: "ExecutionForked", executionId: "copy", fromExecutionId: "original", fromRunId: "r", fromSeq: 1 },
  ] satisfies RecordedEvent["event"][]) {
    const patches = new Patches();
    patches.read([started, recorded(event, 2)]);
    expect(patches.isPatched("a"), event.type).toBe("now");
  }
});
