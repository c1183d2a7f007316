import { expect, test } from "vitest";
import { remoteStepLineage } from "./continuation.ts";

test.each([
  ["order.2", "order", "order.2"],
  ["order.r2.2", "order", "order.2"],
  ["order:3.r12.2", "order", "order:3.2"],
  ["order.r2.3.r4.5", "order.r2.3", "order.r2.3.5"],
  ["chosen.r2.3", "chosen.r2", "chosen.r2.3"],
  ["elsewhere.r2.3", "order", "elsewhere.r2.3"],
])("the keys of the step %s of %s are made of %s", (executionId, parent, expected) => {
  expect(remoteStepLineage(executionId, parent)).toBe(expected);
});
