import type { Runtime } from "../base/runtime.ts";
import type { LeaseKeeper, LeaseOptions } from "../store/store.ts";
import type { TransactionGateway } from "./gateway.ts";
import { heartbeat } from "./statements/heartbeat.ts";

/** Keeps a lease on the main loop, for the in-memory PostgreSQL that no thread can reach. Busy for a lease, it loses it. */
export function startInlineLeaseKeeper(gateway: TransactionGateway, runtime: Runtime, options: LeaseOptions): LeaseKeeper {
  const { workerId, leaseMs, onLost } = options;
  let lastBeat = options.heldSince;
  let stopped = false;
  let beating: Promise<void> = Promise.resolve();
  const beat = async (): Promise<void> => {
    const sentAt = runtime.monotonicMs();
    try {
      const rows = await gateway.run(heartbeat(workerId, leaseMs));
      if (stopped) return;
      if (rows.length > 0) lastBeat = sentAt;
      else {
        stopped = true;
        timer.clear();
        onLost();
      }
    } catch {
      // The store is closing; the lease runs out by itself.
    }
  };
  const timer = runtime.startInterval(Math.max(20, Math.floor(leaseMs / 3)), () => {
    beating = beat();
  });
  return {
    isValid: () => !stopped && runtime.monotonicMs() - lastBeat < leaseMs,
    stop: async () => {
      stopped = true;
      timer.clear();
      await beating;
    },
  };
}
