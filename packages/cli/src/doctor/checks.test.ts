import type { WorkerSummary } from "pawl";
import type { DatabaseFacts } from "pawl/internal";
import { expect, test } from "vitest";
import { backlogChecks, clockCheck, nodeCheck, quarantineCheck, serverChecks, takeoverCheck, wakeCheck, workerCheck, type Check } from "./checks.ts";

const facts: DatabaseFacts = { version: "18.4", now: 0, readOnly: false, fsync: true, fullPageWrites: true, synchronousCommit: "on" };
const worker: WorkerSummary = {
  workerId: "w",
  state: "live",
  host: "h",
  pid: 1,
  taskQueues: ["default"],
  definitionQueues: [],
  definitions: ["greet@1"],
  concurrency: 1,
  startedAt: 0,
  leaseUntil: 0,
  claimed: 0,
};

function bad(checks: readonly Check[]): string[] {
  return checks.filter(({ status }) => status !== "ok").map(({ name, status }) => `${status} ${name}`);
}

test("a server that keeps its promises passes every check", () => {
  expect(bad(serverChecks(facts, 1))).toEqual([]);
});

test.each<[Partial<DatabaseFacts>, string]>([
  [{ fsync: false }, "warn fsync"],
  [{ fullPageWrites: false }, "warn full_page_writes"],
  [{ synchronousCommit: "off" }, "warn synchronous_commit"],
  [{ readOnly: true }, "fail writable"],
])("a server with %j is told: %s", (setting, problem) => {
  const checks = serverChecks({ ...facts, ...setting }, 1);
  expect(bad(checks)).toEqual([problem]);
  expect(checks.every(({ status, next }) => (status === "ok") === (next === null))).toBe(true);
});

test("Node older than 20.19 fails", () => {
  expect(["18.20.0", "20.18.9", "20.19.0", "24.1.0"].map((version) => nodeCheck(version).status)).toEqual(["fail", "fail", "ok", "ok"]);
});

test("clocks may differ by two seconds, and by what the answer took", () => {
  expect([0, 1900, -1900, 2500, -2500].map((skew) => clockCheck(skew, 0).status)).toEqual(["ok", "ok", "ok", "warn", "warn"]);
  expect(clockCheck(2500, 2000).status).toBe("ok");
});

test("no live worker is a warning", () => {
  expect(bad([workerCheck([{ ...worker, state: "dead" }])])).toEqual(["warn workers"]);
  expect(workerCheck([worker, { ...worker, state: "dead" }]).detail).toBe("1 live (greet@1), 1 died within a day");
});

test("work that has been due for a minute is a warning that says whether anybody could do it", () => {
  const row = { taskQueue: "default", definition: "greet@1", tasks: 2, oldestDueAt: 0 };
  expect(bad(backlogChecks([row], [worker], 59_000))).toEqual([]);
  expect(backlogChecks([row], [worker], 90_000)).toMatchObject([{ status: "warn", next: "Start more workers, or raise --concurrency." }]);
  expect(backlogChecks([{ ...row, definition: "greet@2" }], [worker], 90_000)).toMatchObject([
    { status: "warn", next: expect.stringContaining("No live worker has it") as string },
  ]);
});

test("stranded executions fail, quarantined ones and takeovers under way warn", () => {
  expect(bad([wakeCheck([]), quarantineCheck(0, false), takeoverCheck([])])).toEqual([]);
  expect(bad([wakeCheck([{ executionId: "a", namespace: "default" }]), quarantineCheck(1000, true), takeoverCheck(["w"])])).toEqual([
    "fail wakes",
    "warn quarantined",
    "warn takeover",
  ]);
});
