import { describe, expect, test } from "vitest";
import type { Event } from "./event.ts";
import { seedsOf } from "./seed.ts";

const started: Event = { type: "ExecutionStarted", input: { value: 1 } };
const completed: Event = { type: "StepCompleted", position: 1, name: "s", attempt: 1, result: { value: 1 } };
const forked = (executionId: string, fromExecutionId: string, origin?: string): Event => ({
  type: "ExecutionForked",
  executionId,
  fromExecutionId,
  fromRunId: "r",
  fromSeq: 2,
  ...(origin === undefined ? {} : { origin }),
});
const history = (...events: Event[]) => events.map((event, index) => ({ seq: index + 1, event }));

describe("the seeds of a run", () => {
  test("are its own, unless it is a fork", () => {
    expect(seedsOf("n", "x", history(started, completed))).toEqual({ first: "n/x" });
  });

  test("of a fork are the original's, up to the delivery of the last event that was copied", () => {
    expect(seedsOf("n", "f", history(started, completed, forked("f", "x")))).toEqual({ first: "n/x", later: new Map([[2, "n/f"]]) });
  });

  test("of a fork from the start are its own", () => {
    expect(seedsOf("n", "f", history(started, forked("f", "x"), completed))).toEqual({ first: "n/f" });
  });

  test("of a fork of a fork are those of each part", () => {
    const twice = history(started, completed, forked("f", "x"), completed, forked("g", "f", "x"));
    expect(seedsOf("n", "g", twice)).toEqual({
      first: "n/x",
      later: new Map([
        [2, "n/f"],
        [4, "n/g"],
      ]),
    });
    // The second was forked from before what makes the first one a fork.
    expect(seedsOf("n", "g", history(started, completed, forked("g", "f", "x")))).toEqual({ first: "n/x", later: new Map([[2, "n/g"]]) });
  });
});
