import { simulate, type Outcome } from "./simulate.ts";
import { SimDatabase } from "./sim-database.ts";

/** What a process that runs seeds is told. */
export interface SeedsTask {
  readonly seeds: readonly number[];
  readonly stopAtViolation: boolean;
}

/** What it prints of each, a line of JSON. */
export type SeedReport = Omit<Outcome, "timeline" | "faults">;

// A process of its own: nothing that an earlier simulation left in memory can hide or make a failure, and two use both cores.
const { seeds, stopAtViolation } = JSON.parse(process.argv[2] ?? "{}") as SeedsTask;
const database = await SimDatabase.create();
for (const seed of seeds) {
  const { timeline: _, faults: __, ...report } = await simulate(database, seed);
  process.stdout.write(`${JSON.stringify(report satisfies SeedReport)}\n`);
  if (stopAtViolation && report.violation !== undefined) break;
}
await database.close();
