import { expect, test } from "vitest";
import { nodeRuntime } from "../base/node-runtime.ts";
import { silentLogger } from "../base/logger.ts";
import type { Outcome, Store } from "../store/store.ts";
import { ResultHub } from "./result-hub.ts";

test("an end is heard of behind any number of others that are waited for, and the store is asked about 1,000 at most at once", async () => {
  const ended = new Set<string>();
  const asked: number[] = [];
  const outcomes: Store["outcomes"] = async (_namespace, executionIds) => {
    asked.push(executionIds.length);
    return new Map(
      executionIds.map((executionId): [string, Outcome] => {
        const event = { type: "ExecutionCompleted", result: { text: "1" } } as const;
        const last = ended.has(executionId) ? { seq: 2, at: 0, epoch: 1, event } : undefined;
        return [
          executionId,
          {
            runId: executionId,
            workflow: "w",
            hasBegun: true,
            state: last === undefined ? "running" : "completed",
            parentRunId: null,
            parentPosition: null,
            last,
          },
        ];
      }),
    );
  };
  const hub = new ResultHub({ outcomes, onHint: () => () => {} } as unknown as Store, "default", silentLogger, nodeRuntime);
  const wait = (executionId: string): Promise<unknown> =>
    hub.wait(
      executionId,
      () => false,
      () => new Error(`no ${executionId}`),
    ).ending;
  const others = Array.from({ length: 2500 }, (_, n) => wait(`other-${n}`).catch(() => "closed"));
  ended.add("behind");
  expect(await wait("behind")).toMatchObject({ runId: "behind" });
  ended.add("other-2499");
  expect(await others[2499]).toMatchObject({ runId: "other-2499" });
  expect(Math.max(...asked)).toBe(1000);
  hub.close(new Error("closed"));
  expect(new Set(await Promise.all(others.slice(0, 2499)))).toEqual(new Set(["closed"]));
});
