import { describe, expect, test } from "vitest";
import { Closed } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import type { LeaseOptions, Store, WorkerRegistration } from "../store/store.ts";
import { Membership } from "./membership.ts";

const leaseMs = 10_000;

/** A membership in a database that notes who is alive, and a clock that stands still until a timer is fired. */
function setUp() {
  let now = 0;
  let ids = 0;
  const timers: { readonly ms: number; readonly onTime: () => void }[] = [];
  const runtime = {
    monotonicMs: () => now,
    newUuid: () => `worker ${++ids}`,
    identity: { host: "h", pid: 1, pidStarted: "p" },
    startTimer: (ms: number, onTime: () => void) => {
      timers.push({ ms, onTime });
      return { clear: () => {} };
    },
  } as unknown as Runtime;
  const alive = new Set<string>();
  const leases: LeaseOptions[] = [];
  const kept = new Set<string>();
  let beforeRegistration = Promise.resolve();
  const refusals: Error[] = [];
  const store = {
    registerWorker: async ({ workerId }: WorkerRegistration) => {
      await beforeRegistration;
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      alive.add(workerId);
    },
    keepLease: (lease: LeaseOptions) => {
      leases.push(lease);
      kept.add(lease.workerId);
      return { isValid: () => kept.has(lease.workerId), stop: async () => void kept.delete(lease.workerId) };
    },
    release: async () => 0,
    stopWorker: async (workerId: string) => void alive.delete(workerId),
  } as unknown as Store;
  const membership = new Membership(
    store,
    silentLogger,
    runtime,
    { namespace: "n", taskQueues: [], definitions: [], definitionQueues: [], concurrency: 1, leaseMs, hangMs: 1000, killOnHang: false },
    () => {},
    () => {},
  );
  return {
    membership,
    alive,
    kept,
    timers,
    refusals,
    pass: (ms: number) => void (now += ms),
    holdRegistrations: (until: Promise<void>) => void (beforeRegistration = until),
    /** The latest lease is lost. */
    lose: async (): Promise<void> => {
      const { workerId, onLost } = leases.at(-1)!;
      alive.delete(workerId);
      onLost();
      await turn();
    },
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("a worker that leaves", () => {
  test("while it registers anew is not alive afterwards, and keeps no lease", async () => {
    const { membership, alive, kept, pass, lose, holdRegistrations } = setUp();
    await membership.register();
    pass(leaseMs);
    let letGo!: () => void;
    holdRegistrations(new Promise((resolve) => (letGo = resolve)));
    await lose();
    const leaving = membership.leave();
    await turn();
    letGo();
    await leaving;
    await turn();
    expect([...alive]).toEqual([]);
    expect([...kept]).toEqual([]);
    expect(membership.leaseValid).toBe(false);
  });

  test("while it waits to register anew does not do so any more", async () => {
    const { membership, alive, kept, timers, lose } = setUp();
    await membership.register();
    await lose();
    expect(timers).toHaveLength(1);
    await membership.leave();
    expect([...alive, ...kept]).toEqual([]);
  });
});

describe("a lease that is lost", () => {
  test("is replaced at once", async () => {
    const { membership, alive, timers, pass, lose } = setUp();
    await membership.register();
    pass(leaseMs);
    await lose();
    expect([...alive]).toEqual(["worker 2"]);
    expect(timers).toEqual([]);
  });

  test("as soon as it is there is replaced ever later, until one holds", async () => {
    const { membership, alive, timers, pass, lose } = setUp();
    await membership.register();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      await lose();
      const { ms, onTime } = timers.pop()!;
      expect(alive.size).toBe(0);
      waits.push(ms);
      onTime();
      await turn();
      expect(alive.size).toBe(1);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    pass(leaseMs);
    await lose();
    expect(alive.size).toBe(1);
    await lose();
    expect(timers.map(({ ms }) => ms)).toEqual([100]);
  });

  test("is replaced in the end where the database refuses that for a while, and not once the store is closed", async () => {
    const { membership, alive, timers, refusals, pass, lose } = setUp();
    await membership.register();
    pass(leaseMs);
    refusals.push(new Error("permission denied"), new Error("permission denied"));
    await lose();
    const waits: number[] = [];
    while (timers.length > 0) {
      const { ms, onTime } = timers.pop()!;
      expect([...alive]).toEqual([]);
      waits.push(ms);
      onTime();
      await turn();
    }
    expect(waits).toEqual([100, 200]);
    expect([...alive]).toEqual(["worker 2"]);
    expect(membership.leaseValid).toBe(true);
    pass(leaseMs);
    refusals.push(new Closed("The store"));
    await lose();
    expect(timers).toEqual([]);
    expect([...alive]).toEqual([]);
  });
});
