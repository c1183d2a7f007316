/** A worker as people run it: a process of its own, stopped in order by SIGTERM. Says twice a second how it is. */
import type { PawlOptions, WorkerOptions } from "pawl";
import { openPawl } from "pawl/internal";
import { options, report, serve } from "../../packages/pawl/test/support/programs/program.mjs";
import { effectsAt } from "./effects.ts";
import { honestNow } from "./honest-clock.ts";
import { makeWorkflows } from "./workflows.ts";

export interface WorkerProcessOptions {
  readonly pawl: PawlOptions;
  readonly worker: Omit<WorkerOptions, "workflows">;
  readonly effects: string;
  readonly blockMs: number;
  /** How long a SIGTERM lets steps finish. */
  readonly drainMs: number;
}

export interface Health {
  readonly workerId: string;
  readonly leaseValid: boolean;
  readonly active: number;
  readonly staleWritesRejected: number;
  /** How far this process's `Date` is from the true time. */
  readonly dateShiftMs: number;
  readonly rss: number;
}

const { pawl: pawlOptions, worker: workerOptions, effects, blockMs, drainMs } = options as WorkerProcessOptions;
const pawl = await openPawl({ ...pawlOptions, connectTimeout: "120s" });
const worker = await pawl.worker({ workflows: Object.values(makeWorkflows(effectsAt(effects), blockMs)), ...workerOptions });

function health(): Health {
  const { workerId, leaseValid, active, staleWritesRejected } = worker.health();
  return { workerId, leaseValid, active, staleWritesRejected, dateShiftMs: Math.round(Date.now() - honestNow()), rss: process.memoryUsage().rss };
}

const reporting = setInterval(() => report("health", { ...health() }), 500);

async function close(): Promise<void> {
  await pawl.close({ drain: drainMs });
  clearInterval(reporting);
  report("health", { ...health() });
  process.exit(0);
}

process.once("SIGTERM", () => void close());
serve({ close });
report("ready", { workerId: worker.workerId });
// The rig is gone.
process.stdin.on("end", () => process.exit(1));
