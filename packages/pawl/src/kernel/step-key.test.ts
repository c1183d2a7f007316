import { expect, test } from "vitest";
import type { ExecutionStarted } from "./event.ts";
import { stepKey } from "./step-key.ts";

const started: ExecutionStarted = { type: "ExecutionStarted", input: { text: "1" } };
const startedBy = (parent: string, shielded?: true): ExecutionStarted => ({
  ...started,
  parent: { executionId: parent, runId: "r", position: 1, ...(shielded === undefined ? {} : { shielded }) },
});
const ship = { name: "ship", position: 1, shielded: false };

test("the key of a step is made of the id of its execution, its name and its position, and of whether it is shielded", () => {
  const order = { executionId: "order", workflow: "order" };
  expect(stepKey(order, started, { name: "charge", position: 3, shielded: false })).toBe("order/charge/3");
  expect(stepKey(order, started, { name: "refund", position: 3, shielded: false })).toBe("order/refund/3");
  expect(stepKey(order, started, { name: "refund", position: 3, shielded: true })).toBe("order/shielded:refund/3");
  expect(stepKey(order, started, { name: "shielded:refund", position: 3, shielded: false })).toBe("order/shielded%3Arefund/3");
});

test("a key holds nothing that an HTTP header does not take, whatever the name of the step", () => {
  const key = stepKey({ executionId: "order", workflow: "order" }, started, { name: "prüfe a/b \ud800", position: 1, shielded: false });
  expect(key).toBe("order/pr%C3%BCfe%20a%2Fb%20%EF%BF%BD/1");
});

test.each([
  ["order.2", "order", "order.2"],
  ["order.r2.2", "order", "order.2"],
  ["order:3.r12.2", "order", "order:3.2"],
  ["order.r2.3.r4.5", "order.r2.3", "order.r2.3.5"],
  ["chosen.r2.3", "chosen.r2", "chosen.r2.3"],
  ["elsewhere.r2.3", "order", "elsewhere.r2.3"],
])("the key of the step on another queue %s of %s is made of %s", (executionId, parent, expected) => {
  const step = { executionId, workflow: "step:ship" };
  expect(stepKey(step, startedBy(parent), ship)).toBe(`${expected}/ship/1`);
  expect(stepKey(step, startedBy(parent, true), ship)).toBe(`${expected}/shielded:ship/1`);
});

test("the keys of a child are made of its own id, and of the run that it goes on from as new", () => {
  expect(stepKey({ executionId: "order.r2.2", workflow: "child" }, startedBy("order"), ship)).toBe("order.r2.2/ship/1");
  const continued = { ...startedBy("order"), continuedFrom: { runId: "before", count: 1 } };
  expect(stepKey({ executionId: "order.2", workflow: "child" }, continued, ship)).toBe("order.2/before/ship/1");
});

test("a long name is cut, and told from others that begin like it", () => {
  const key = (name: string): string => stepKey({ executionId: "order", workflow: "order" }, started, { name, position: 3, shielded: false });
  const long = "請求書を作成して送信する".repeat(16);
  expect(key(long)).toMatch(/^order\/[\w%]{63}~[0-9a-f-]{36}\/3$/);
  expect(key(`${long}!`)).not.toBe(key(long));
  expect(key("x".repeat(100))).toBe(`order/${"x".repeat(100)}/3`);
});
