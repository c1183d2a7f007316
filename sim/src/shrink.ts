import type { Fault } from "./faults.ts";
import { simulate, type Outcome } from "./simulate.ts";
import type { SimDatabase } from "./sim-database.ts";

export interface Shrunk {
  readonly outcome: Outcome;
  readonly faults: readonly Fault[];
}

/** Runs that a shrink may take: each is a whole simulation. */
const mostRuns = 200;

/**
 * Looks for fewer faults that break the same invariant: halves first, then one after the other. What remains is rarely the
 * least there is, but nothing in it can be left out on its own.
 */
export async function shrink(database: SimDatabase, failed: Outcome): Promise<Shrunk> {
  let faults = failed.faults;
  let outcome = failed;
  let runs = 0;
  const stillFails = async (fewer: readonly Fault[]): Promise<boolean> => {
    if (++runs > mostRuns) return false;
    const again = await simulate(database, failed.seed, { faults: fewer });
    if (again.violation?.invariant !== failed.violation?.invariant) return false;
    faults = fewer;
    outcome = again;
    return true;
  };
  for (let size = Math.ceil(faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < faults.length;) if (!(await stillFails([...faults.slice(0, at), ...faults.slice(at + size)]))) at += size;
  }
  return { outcome, faults };
}
