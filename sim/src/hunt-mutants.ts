import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeMutant } from "./mutate.ts";
import { mutants, type Mutant } from "./mutants.ts";
import { runSeeds } from "./run-seeds.ts";

/** A seed that `npm test` runs again and again, and the fault it finds. */
export interface CorpusEntry {
  readonly seed: number;
  readonly finds: string;
}

const corpusFile = new URL("../corpus.json", import.meta.url);

export function readCorpus(): readonly CorpusEntry[] {
  return JSON.parse(readFileSync(corpusFile, "utf8")) as CorpusEntry[];
}

/** A seed means something else after a change of what simulations draw: then the hunt finds the corpus anew. */
function recordCorpus(found: CorpusEntry): void {
  const order = mutants.map(({ name }) => name);
  const kept = readCorpus().filter(({ finds }) => finds !== found.finds && order.includes(finds));
  const entries = [...kept, found].toSorted((a, b) => order.indexOf(a.finds) - order.indexOf(b.finds));
  writeFileSync(corpusFile, `[\n${entries.map((entry) => `  { "seed": ${entry.seed}, "finds": ${JSON.stringify(entry.finds)} }`).join(",\n")}\n]\n`);
}

interface Hunt {
  readonly mutant: Mutant;
  /** Seeds until it was found; undefined where it was not. */
  readonly found: readonly (number | undefined)[];
  readonly by: ReadonlySet<string>;
  /** The first that did. */
  readonly seed: number | undefined;
}

/**
 * Lets the simulator look for every mutant whose name holds the text; prints in how many seeds each was found. Gives the exit code.
 *
 * @param mostSeeds a mutant that so many seeds do not find counts as not caught
 * @param hunts so many independent hunts make up a median
 * @param record whether the first seed that finds each goes into the corpus
 */
export async function huntMutants(text: string | undefined, mostSeeds: number, hunts: number, jobs: number, record: boolean): Promise<number> {
  const chosen = mutants.filter(({ name }) => text === undefined || name.includes(text));
  const cache = fileURLToPath(new URL("../../node_modules/.cache/pawl-mutants", import.meta.url));
  const results: Hunt[] = [];
  const waiting = [...chosen];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const result = await hunt(mutant, join(cache, String(mutants.indexOf(mutant))), mostSeeds, hunts);
      results.push(result);
      console.log(line(result, mostSeeds));
      // At once: a hunt takes long, and may be broken off.
      if (record && result.seed !== undefined) recordCorpus({ seed: result.seed, finds: mutant.name });
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const caught = results.filter(({ found }) => found.some((seeds) => seeds !== undefined));
  console.log(
    `${caught.length} of ${results.length} mutants caught, in ${median(caught.map(({ found }) => median(found.map((seeds) => seeds ?? mostSeeds))))} seeds (median)`,
  );
  return caught.length === results.length ? 0 : 1;
}

async function hunt(mutant: Mutant, directory: string, mostSeeds: number, hunts: number): Promise<Hunt> {
  const program = makeMutant(mutant, directory);
  const found: (number | undefined)[] = [];
  const by = new Set<string>();
  let seed: number | undefined;
  for (let number = 0; number < hunts; number++) {
    const first = 1_000_000 * (number + 1);
    let seeds: number | undefined;
    let run = 0;
    await runSeeds(program, { seeds: Array.from({ length: mostSeeds }, (_, index) => first + index), stopAtViolation: true }, ({ seed: ran, violation }) => {
      run++;
      if (violation === undefined) return;
      seeds = run;
      seed ??= ran;
      by.add(violation.invariant);
    });
    found.push(seeds);
    // One that was not found in so many seeds is not worth as many again.
    if (seeds === undefined) break;
  }
  return { mutant, found, by, seed };
}

function line({ mutant, found, by }: Hunt, mostSeeds: number): string {
  const seeds = found.map((count) => count ?? `not in ${mostSeeds}`).join(", ");
  return `${found.includes(undefined) ? "NOT CAUGHT" : "caught    "}  ${mutant.name.padEnd(62)} ${seeds} (${[...by].join(", ")})`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
