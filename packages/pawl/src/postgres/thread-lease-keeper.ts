import { Worker } from "node:worker_threads";
import type { LeaseKeeper, LeaseOptions } from "../store/store.ts";

export interface LeaseThreadData {
  readonly url: string;
  readonly schema: string;
  readonly workerId: string;
  readonly leaseMs: number;
  readonly hangMs: number;
  readonly killOnHang: boolean;
  readonly shared: SharedArrayBuffer;
}

/** Layout of the memory shared with the thread: two 32-bit slots, then the time of the last good beat (64 bits, ms). */
export const leaseSlots = { turns: 0, state: 1, beatOffset: 8, beating: 0, hung: 1, lost: 2 } as const;

const turnMs = 100;

/** Keeps a lease from a thread (see lease-thread.ts); the main loop only counts its turns and reads the result. */
export function startThreadLeaseKeeper(url: string, schema: string, options: LeaseOptions): LeaseKeeper {
  const { workerId, leaseMs, heldSince, hangMs, killOnHang } = options;
  const shared = new SharedArrayBuffer(16);
  const slots = new Int32Array(shared);
  const lastBeat = new BigInt64Array(shared, leaseSlots.beatOffset, 1);
  Atomics.store(lastBeat, 0, BigInt(Math.floor(performance.timeOrigin + heldSince)));
  const workerPath = import.meta.url.endsWith(".ts") ? "./lease-thread.ts" : "./lease-thread.js";
  const thread = new Worker(new URL(workerPath, import.meta.url), {
    workerData: { url, schema, workerId, leaseMs, hangMs, killOnHang, shared } satisfies LeaseThreadData,
    name: "pawl lease",
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  thread.unref();
  let lost = false;
  const lose = (): void => {
    if (lost) return;
    lost = true;
    clearInterval(turns);
    options.onLost();
  };
  // Asked before every step, so it must cost next to nothing: the time is brought over once a turn. After a long block it
  // has run out until the next turn, which errs on the safe side.
  let validUntil = heldSince + leaseMs;
  const turns = setInterval(() => {
    Atomics.add(slots, leaseSlots.turns, 1);
    validUntil = Number(Atomics.load(lastBeat, 0)) - performance.timeOrigin + leaseMs;
    if (Atomics.load(slots, leaseSlots.state) === leaseSlots.lost) lose();
  }, turnMs);
  turns.unref();
  // Without its thread the lease runs out; better to know at once.
  thread.on("error", lose);
  return {
    isValid: () => !lost && performance.now() < validUntil,
    stop: async () => {
      lost = true;
      clearInterval(turns);
      thread.removeAllListeners("error");
      await thread.terminate();
    },
  };
}
