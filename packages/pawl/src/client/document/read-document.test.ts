import { expect, test } from "vitest";
import { documentFormat, documentVersion } from "./execution-document.ts";
import { readDocument } from "./read-document.ts";

test("an event is written with its payload last, in whatever order the document has its fields", () => {
  const document = {
    format: documentFormat,
    formatVersion: documentVersion,
    namespace: "default",
    executionId: "a",
    workflow: "w",
    taskQueue: "default",
    runs: [
      {
        runId: "01a1fcc1-0000-7000-8000-000000000001",
        version: "1",
        state: "terminated",
        startedAt: null,
        events: [
          { type: "ExecutionStarted", at: 1, epoch: 0, data: { input: 1, timeoutMs: 5 } },
          { type: "ExecutionTerminated", at: 2, epoch: 1, data: {} },
        ],
      },
    ],
    streams: {},
  };
  const read = readDocument(document, { namespace: "default", executionId: undefined, newUuid: () => "01a1fcc1-0000-7000-8000-000000000002" });
  expect(read.runs[0]!.events[0]!.data).toBe('{"timeoutMs":5,"input":1}');
});
