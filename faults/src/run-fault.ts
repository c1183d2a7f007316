/** One fault from beginning to verdict: load, inject, heal, settle, stop, check. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lostClaims, reclaimTimes } from "./audit.ts";
import { checkRun } from "./check-run.ts";
import type { DatabaseServer } from "./database-server.ts";
import type { Fault, Requirement } from "./fault.ts";
import { Rig, usualOptions, type RigOptions } from "./rig.ts";

export type VerdictWord = "ok" | "VIOLATED" | "inconclusive" | "skipped";

export interface FaultOutcome {
  readonly id: string;
  readonly title: string;
  readonly seed: number;
  readonly verdict: VerdictWord;
  readonly seconds: number;
  readonly operations: number;
  /** Share of operations that did what was asked, of those that were not refused, 0 to 1. */
  readonly succeeded: number;
  readonly executions: number;
  readonly injected: Readonly<Record<string, number>>;
  readonly staleWritesRejected: number;
  readonly takenOver: number;
  readonly reclaimMs: { readonly p50: number; readonly p99: number } | undefined;
  /** Of 10,000 attempts, how many were begun again. */
  readonly duplicatesPer10000: number;
  readonly requirements: readonly Requirement[];
  /** Why it is violated, inconclusive or skipped. */
  readonly reasons: readonly string[];
}

/** With less, a run has shown only that nothing worked. */
const leastSucceeded = 0.9;

const mostRounds = 3;

export interface RunSettings {
  readonly folder: string;
  readonly seed: number;
  readonly seconds: number;
  readonly races: number | undefined;
}

export async function runFault(fault: Fault, shared: DatabaseServer, settings: RunSettings): Promise<FaultOutcome> {
  const skipped = await fault.skip?.();
  if (skipped !== undefined) return unmeasured(fault, settings, "skipped", [skipped]);
  const folder = join(settings.folder, fault.id);
  await mkdir(folder, { recursive: true });
  const own = await fault.openServer?.();
  try {
    return await measure(fault, own?.server ?? shared, { ...usualOptions, ...settings, ...fault.options, folder });
  } catch (error) {
    // What breaks the rig may be what breaks users: it is no success, and no proof either.
    return unmeasured(fault, settings, "VIOLATED", [`the run broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`]);
  } finally {
    await own?.close();
  }
}

async function measure(fault: Fault, server: DatabaseServer, options: RigOptions): Promise<FaultOutcome> {
  const began = performance.now();
  const rig = await Rig.open(options, server);
  const violations: string[] = [];
  try {
    if (fault.ownLoad !== true) {
      await rig.ask("load", { perSecond: options.perSecond });
      await delay(1000);
    }
    await injectUntilItBites(fault, rig);
    violations.push(...(await rig.settle()));
    violations.push(...((await fault.check?.(rig)) ?? []), ...rig.fleet.unexplained);
  } finally {
    await rig.stop();
  }
  const verdict = await checkRun(rig.url, [rig.log], [rig.effects.path]);
  violations.push(...verdict.violations);
  const wanted = verdict.operations - verdict.refused;
  const succeeded = wanted === 0 ? 0 : verdict.succeeded / wanted;
  const requirements = [
    { what: "percent of operations that succeeded", count: Math.floor(succeeded * 100), least: leastSucceeded * 100 },
    ...(await fault.requirements(rig)),
  ];
  const missing = requirements.filter(({ count, least }) => count < least).map(({ what, count, least }) => `${what}: ${count}, at least ${least} wanted`);
  const reclaims = (await reclaimTimes(rig.url, rig.fleet.deaths)).toSorted((a, b) => a - b);
  const outcome: FaultOutcome = {
    id: fault.id,
    title: fault.title,
    seed: options.seed,
    verdict: violations.length > 0 ? "VIOLATED" : missing.length > 0 ? "inconclusive" : "ok",
    seconds: Math.round((performance.now() - began) / 1000),
    operations: verdict.operations,
    succeeded,
    executions: verdict.executions,
    injected: Object.fromEntries(rig.counts),
    staleWritesRejected: rig.fleet.staleWritesRejected,
    takenOver: await lostClaims(rig.url),
    reclaimMs: reclaims.length === 0 ? undefined : { p50: percentile(reclaims, 0.5), p99: percentile(reclaims, 0.99) },
    duplicatesPer10000: verdict.attempts === 0 ? 0 : (verdict.duplicates / verdict.attempts) * 10_000,
    requirements,
    reasons: [...violations, ...missing],
  };
  // What went wrong is looked into with the database still there, in the data directory of the run.
  if (outcome.verdict === "ok") await server.dropDatabase(rig.url);
  return outcome;
}

/** On a busy machine less happens in the same time, and chance has its part in what meets what. */
async function injectUntilItBites(fault: Fault, rig: Rig): Promise<void> {
  for (let round = 1; round <= mostRounds; round++) {
    await fault.inject(rig);
    // The workers report twice a second.
    await delay(1000);
    const missing = (await fault.requirements(rig)).some(({ count, least }) => count < least);
    if (!missing) return;
  }
}

function unmeasured(fault: Fault, { seed }: RunSettings, verdict: VerdictWord, reasons: readonly string[]): FaultOutcome {
  const nothing = { seconds: 0, operations: 0, succeeded: 0, executions: 0, injected: {}, staleWritesRejected: 0, takenOver: 0, duplicatesPer10000: 0 };
  return { id: fault.id, title: fault.title, seed, verdict, ...nothing, reclaimMs: undefined, requirements: [], reasons };
}

function percentile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
