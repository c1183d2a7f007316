import { expect, test } from "vitest";
import { newUuid } from "../../base/ids.ts";
import type { AppendOperation, StartOperation } from "../../store/operations.ts";
import { prepareCommit } from "./commit.ts";
import { prepareOne } from "./commit-one.ts";

const start: StartOperation = {
  runId: newUuid(),
  namespace: "n",
  executionId: "e",
  workflow: "w",
  version: "1",
  taskQueue: "q",
  idempotencyKey: null,
  parentRunId: null,
  parentPosition: null,
  delayMs: 0,
  claimBy: newUuid(),
  started: "{}",
};
const append: AppendOperation = {
  runId: newUuid(),
  epoch: 1,
  expectedSeq: 1,
  events: [{ type: "StepCompleted", data: "{}" }],
  progress: true,
  after: { kind: "keep" },
  starts: [],
  messages: [],
  consumed: [],
};

test("a batch without labels and attributes has none of their columns in its statement, and one with them has another statement", () => {
  const plain = prepareCommit({ starts: [start], appends: [append] }, "1").transaction;
  expect(plain.text).not.toMatch(/labels|attributes/);
  for (const more of [
    { starts: [{ ...start, labels: "{}" }], appends: [append] },
    { starts: [start], appends: [{ ...append, attributes: "{}" }] },
  ]) {
    const searchable = prepareCommit(more, "1").transaction;
    expect(searchable.text).toMatch(/attributes/);
    expect(searchable.shape).not.toBe(plain.shape);
    expect(searchable.parameters.length).toBeGreaterThan(plain.parameters.length);
  }
});

test("a lone start or event with attributes is left to the general statement", () => {
  expect(prepareOne({ starts: [start], appends: [] }, "1")?.transaction.text).not.toMatch(/labels|attributes/);
  expect(prepareOne({ starts: [{ ...start, attributes: "{}" }], appends: [] }, "1")).toBeUndefined();
  expect(prepareOne({ starts: [], appends: [{ ...append, attributes: "{}" }] }, "1")).toBeUndefined();
});
