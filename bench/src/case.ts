import type { Audit, Engine, EngineOptions, System } from "./engine.ts";
import type { Usage } from "./measure.ts";
import type { Values } from "./messages.ts";
import type { RawLimits } from "./raw-limit.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/** One figure of a case. */
export interface Metric {
  /** Under which the case's `run` gives it. */
  readonly key: string;
  /** What stands after the case's title; empty for the main figure. */
  readonly label: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** The same figure of a bare loop over `pg` on this machine, where that means something. */
  readonly rawLimit?: (raw: RawLimits) => number;
}

export interface Case {
  readonly id: string;
  readonly title: string;
  readonly systems: readonly System[];
  /** Also report CPU, WAL and memory, per one of these. */
  readonly resourcesPer?: "workflow" | "step";
  readonly metrics: readonly Metric[];
  /** @throws if anything shows that the work was not done. */
  run(context: CaseContext): Promise<Values>;
}

/** How long and how much: `--quick` only shows that everything works. */
export interface Scale {
  readonly warmUpMs: number;
  readonly timedMs: number;
  readonly minimumSamples: number;
  readonly drains: number;
}

export const fullScale: Scale = { warmUpMs: 2500, timedMs: 5000, minimumSamples: 300, drains: 3 };
export const quickScale: Scale = { warmUpMs: 500, timedMs: 1500, minimumSamples: 100, drains: 1 };

export interface Timed {
  readonly units: number;
  readonly perSecond: number;
  readonly usage: Usage;
  /** CPU, WAL and memory, keyed as `resourceMetrics` has them. */
  readonly resources: Values;
}

export interface CaseContext {
  readonly scale: Scale;
  readonly open: (role: EngineOptions["role"], options?: Partial<EngineOptions>) => Promise<Engine>;
  readonly spawnWorker: (identity: string, options?: Partial<EngineOptions> & { readonly hold?: boolean }) => Promise<WorkerHandle>;
  /** Times work that gives how many units (workflows, steps) it did. */
  readonly timed: (work: () => Promise<number>) => Promise<Timed>;
  readonly audit: () => Promise<Audit>;
  /** Looks until no execution is unfinished. */
  readonly untilFinished: () => Promise<void>;
}

/** The rows that `resourcesPer` adds. */
export function resourceMetrics(per: string): readonly Metric[] {
  return [
    { key: "nodeCpu", label: "node CPU", unit: `ms/${per}`, better: "lower" },
    { key: "postgresCpu", label: "PostgreSQL CPU", unit: `ms/${per}`, better: "lower" },
    { key: "wal", label: "WAL", unit: `bytes/${per}`, better: "lower" },
    { key: "peakMemory", label: "peak memory of one process", unit: "MB", better: "lower" },
  ];
}

export function metricsOf(definition: Case): readonly Metric[] {
  return definition.resourcesPer === undefined ? definition.metrics : [...definition.metrics, ...resourceMetrics(definition.resourcesPer)];
}
