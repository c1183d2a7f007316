import type { Event, HistoryEvent } from "pawl";
import { describe, expect, test } from "vitest";
import { ingestionProgress } from "./ingestion-progress.ts";

const history = (...events: Event[]): HistoryEvent[] => events.map((event, index) => ({ seq: index + 1, at: new Date(index), event }));
const compared: Event = { type: "StepCompleted", position: 2, name: "compare", attempt: 1, result: { value: { toIngest: ["a", "b", "c"], unchanged: 1 } } };
const done = (position: number): Event => ({ type: "ChildCompleted", position, result: { value: {} } });
const failed = (position: number): Event => ({ type: "ChildFailed", position, state: "failed", failure: { name: "PdfBroken", message: "broken" } });

describe("the progress of an ingestion", () => {
  test("is unknown until the plan is made", () => {
    expect(ingestionProgress(history({ type: "ExecutionStarted", input: { value: {} } }))).toBeUndefined();
  });

  test("counts the children that ended, and those that failed", () => {
    expect(ingestionProgress(history(compared))).toEqual({ done: 0, total: 3, failed: 0 });
    expect(ingestionProgress(history(compared, done(3), failed(4)))).toEqual({ done: 2, total: 3, failed: 1 });
  });
});
