import { expect, test } from "vitest";
import type { Runtime } from "../base/runtime.ts";
import type { StepContext } from "../definition/context.ts";
import type { TransactionCall } from "../kernel/call.ts";
import type { TransactionStore } from "../store/transact.ts";
import type { StepAttempt } from "./step-attempt.ts";
import { runTransaction, type Turn } from "./transaction-runner.ts";

test("the user's code is not called while the lease may have ended, however long its connection took", async () => {
  const leaseHolds = [false, false, true];
  const waits: number[] = [];
  let calls = 0;
  let opened = 0;
  const attempt = { call: { position: 1, name: "write" }, attempt: 1, isOver: false, seal: () => {}, unseal: () => {} } as unknown as StepAttempt;
  const turn: Turn = {
    append: (event) => ({ runId: "run", epoch: 1, expectedSeq: 1, events: [{ type: event.type, data: "" }] }) as unknown as ReturnType<Turn["append"]>,
    settle: (_, written) => written(),
    giveBack: () => {},
  };
  const transactions = {
    isExclusive: false,
    run: async (request: Parameters<TransactionStore["run"]>[0]) => {
      opened++;
      const append = await request.work({} as never);
      return append === undefined ? { outcome: "rolled-back", error: undefined, again: false } : { outcome: "accepted", at: 0, parked: false, conflicts: [] };
    },
  } as unknown as TransactionStore;
  const startTimer = (ms: number, onTime: () => void): { clear: () => void } => {
    waits.push(ms);
    onTime();
    return { clear: () => {} };
  };
  const owner = {
    transactions,
    runtime: { startTimer, random: () => 0.5 } as unknown as Runtime,
    holdsLease: () => leaseHolds[opened - 1]!,
    takeTurn: async () => turn,
  };
  const call = { isolation: "read committed", run: async () => ++calls } as unknown as TransactionCall;
  const context = { signal: new AbortController().signal } as StepContext;
  expect(await runTransaction(attempt, call, context, owner, () => {})).toBe(1);
  expect([calls, opened]).toEqual([1, 3]);
  expect(waits).toEqual([500, 500]);
});
