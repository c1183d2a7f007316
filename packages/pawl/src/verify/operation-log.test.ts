import { expect, test } from "vitest";
import { readEffectLedger } from "./effect-ledger.ts";
import { observedOperations, readOperationLog } from "./operation-log.ts";

const invoke = { process: "p", n: 1, at: 1, phase: "invoke", operation: "start", executionId: "a", workflow: "w" } as const;
const lines = (...records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join("");

test("reads records, and drops a last line that is cut off", () => {
  const ok = { ...invoke, phase: "ok", at: 2, runId: "r" };
  expect(readOperationLog(`${lines(invoke, ok)}{"process":"p","n":2,`, "log")).toEqual([invoke, ok]);
  expect(readOperationLog(lines(invoke).trimEnd(), "log")).toEqual([invoke]);
  expect(readOperationLog("", "log")).toEqual([]);
});

test.each([
  ["{", /^client\.log line 2: is not JSON$/],
  ["[]", /^client\.log line 2: is not an object$/],
  [JSON.stringify({ ...invoke, extra: 1 }), /^client\.log line 2: has the unknown field "extra"$/],
  [JSON.stringify({ ...invoke, n: "1" }), /^client\.log line 2: "n" must be a number$/],
  [JSON.stringify({ ...invoke, executionId: "" }), /^client\.log line 2: "executionId" must be a text that is not empty$/],
  [JSON.stringify({ ...invoke, process: undefined }), /^client\.log line 2: "process" is missing$/],
  [JSON.stringify({ ...invoke, phase: "done" }), /^client\.log line 2: "phase" must be one of invoke, ok, fail, unknown, not "done"$/],
  [JSON.stringify({ ...invoke, operation: undefined }), /^client\.log line 2: "operation" must be one of start, .*, not undefined$/],
])("refuses the line %j", (line, message) => {
  expect(() => readOperationLog(`${lines(invoke)}${line}\n`, "client.log")).toThrow(message);
});

test("reads effects", () => {
  const effect = { key: "a/1", executionId: "a", attempt: 1, pid: 7, phase: "begin", at: 3 };
  expect(readEffectLedger(lines(effect, { ...effect, position: 1 }), "effects")).toEqual([effect, { ...effect, position: 1 }]);
  expect(() => readEffectLedger(lines({ ...effect, phase: "ok" }), "effects")).toThrow(/^effects line 1: "phase" must be one of begin, end, not "ok"$/);
});

test("an operation without a completion is unknown, as one that was answered so", () => {
  const ok = { ...invoke, phase: "ok", at: 4, runId: "r" } as const;
  expect(observedOperations([invoke, ok])).toMatchObject([{ outcome: "ok", invokedAt: 1, endedAt: 4, executionId: "a", runId: "r" }]);
  expect(observedOperations([invoke])).toMatchObject([{ outcome: "unknown", endedAt: Infinity }]);
  expect(observedOperations([invoke, { ...invoke, phase: "unknown", at: 9 }])).toMatchObject([{ outcome: "unknown", endedAt: Infinity }]);
});

test("completions that fit no invocation are refused", () => {
  const ok = { ...invoke, phase: "ok" } as const;
  expect(() => observedOperations([ok])).toThrow(/completion of p\/1 before its invocation/);
  expect(() => observedOperations([invoke, invoke])).toThrow(/p\/1 twice/);
  expect(() => observedOperations([invoke, ok, ok])).toThrow(/p\/1 completed twice/);
  expect(() => observedOperations([invoke, { ...ok, operation: "cancel" }])).toThrow(/p\/1 as start and as cancel/);
});
