import { expect, test } from "vitest";
import type { ClaimOutcome, ClaimRequest, Store } from "../store/store.ts";
import { QueueClaims } from "./queue-claims.ts";

const nothing: ClaimOutcome = { executions: [], now: undefined, repeated: false };

test("a queue whose limits are gone is claimed from as any other at once, whatever the list says later", async () => {
  const asked: Pick<ClaimRequest, "taskQueues" | "limited">[] = [];
  const store = {
    queues: { list: async () => Promise.resolve([{ name: "a" }, { name: "b" }]) },
    claim: async ({ taskQueues, limited }: ClaimRequest) => {
      asked.push({ taskQueues, ...(limited === undefined ? {} : { limited }) });
      return Promise.resolve(limited === true ? { ...nothing, unlimited: ["a"] } : nothing);
    },
    nextDue: async () => Promise.resolve(undefined),
  } as unknown as Store;
  const claims = new QueueClaims(store, { random: () => 0 }, "default", ["a", "b"], 1000);
  const claim = async (): Promise<number> =>
    claims.claim({ namespace: "default", definitions: ["w"], limit: 1, workerId: "w", suspects: true, openQueues: (names) => names }, async () =>
      Promise.resolve(),
    );
  await claims.refresh(0);

  await claim();
  expect(asked.map(({ limited }) => limited)).toEqual([true]);
  expect(claims.comeAgain().more).toBe(true);
  expect(claims.has("a")).toBe(false);
  expect(claims.has("b")).toBe(true);

  await claim();
  expect(asked.slice(1)).toContainEqual({ taskQueues: ["a"] });
  expect(asked.slice(1)).toContainEqual({ taskQueues: ["b"], limited: true });
});
