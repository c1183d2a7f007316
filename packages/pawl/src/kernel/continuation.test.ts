import { expect, test } from "vitest";
import { keyLineage } from "./continuation.ts";
import type { ExecutionStarted } from "./event.ts";

const startedBy = (parent: string): ExecutionStarted => ({
  type: "ExecutionStarted",
  parent: { executionId: parent, runId: "r", position: 1 },
  input: { text: "1" },
});

test.each([
  ["order.2", "order", "order.2"],
  ["order.r2.2", "order", "order.2"],
  ["order:3.r12.2", "order", "order:3.2"],
  ["order.r2.3.r4.5", "order.r2.3", "order.r2.3.5"],
  ["chosen.r2.3", "chosen.r2", "chosen.r2.3"],
  ["elsewhere.r2.3", "order", "elsewhere.r2.3"],
])("the keys of the step %s of %s are made of %s", (executionId, parent, expected) => {
  expect(keyLineage({ executionId, workflow: "step:ship" }, startedBy(parent))).toBe(expected);
});

test("the keys of a child are made of its own id, and of the run that it goes on from as new", () => {
  expect(keyLineage({ executionId: "order.r2.2", workflow: "child" }, startedBy("order"))).toBe("order.r2.2");
  const started = { ...startedBy("order"), continuedFrom: { runId: "before", count: 1 } };
  expect(keyLineage({ executionId: "order.2", workflow: "child" }, started)).toBe("order.2/before");
});
