import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { huntMutants, readCorpus } from "./hunt-mutants.ts";
import { printFailure, printTimeline, Totals } from "./report.ts";
import { runSeedsInParallel } from "./run-seeds.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";
import { SimDatabase } from "./sim-database.ts";

const usage = `npm run sim -- [options]

  --seeds <n>       run so many fresh seeds, and those of the corpus (1000)
  --from <seed>     the first of them (drawn)
  --seed <seed>     run one seed, shrink it if it fails, and print its timeline
  --mutants [text]  break the library on purpose, one way after the other, and say in how many seeds (of at most --seeds)
                    that is found
  --hunts <n>       look for each mutant so many times, for a median (3)
  --record          put the first seed that finds each mutant into the corpus
  --jobs <n>        processes at the same time (one per core)`;

const program = fileURLToPath(new URL("seeds-process.js", import.meta.url));
const timelineEntries = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string" },
    seed: { type: "string" },
    mutants: { type: "boolean", default: false },
    hunts: { type: "string", default: "3" },
    record: { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});
const jobs = wholeNumber(values.jobs, "--jobs");

if (values.help) console.log(usage);
else if (values.mutants) {
  process.exitCode = await huntMutants(positionals[0], wholeNumber(values.seeds, "--seeds"), wholeNumber(values.hunts, "--hunts"), jobs, values.record);
} else if (values.seed === undefined) process.exitCode = await runMany();
else process.exitCode = await runOne(wholeNumber(values.seed, "--seed"));

async function runMany(): Promise<number> {
  const count = wholeNumber(values.seeds, "--seeds");
  const from = values.from === undefined ? randomInt(2 ** 40) : wholeNumber(values.from, "--from");
  const corpus = [...new Set(readCorpus().map(({ seed }) => seed))];
  console.log(`${corpus.length} seeds of the corpus and ${count} from ${from}, ${jobs} at a time`);
  const totals = new Totals();
  const startedAt = performance.now();
  const seeds = [...corpus, ...Array.from({ length: count }, (_, index) => from + index)];
  await runSeedsInParallel(program, seeds, jobs, (report) => {
    totals.add(report);
    if (report.violation !== undefined) console.log(`seed ${report.seed}: ${report.violation.message}`);
    if (totals.seeds % 500 === 0) console.log(`${totals.seeds} of ${seeds.length}`);
  });
  totals.print((performance.now() - startedAt) / 1000);
  const [first] = totals.violations;
  if (first === undefined) return 0;
  await runOne(first.seed);
  return 1;
}

async function runOne(seed: number): Promise<number> {
  const database = await SimDatabase.create();
  const outcome = await simulate(database, seed);
  if (outcome.violation === undefined) {
    printTimeline(outcome, timelineEntries);
    console.log(`seed ${seed} runs clean; fingerprint ${outcome.fingerprint}`);
  } else {
    if (!/^I\d/.test(outcome.violation.invariant)) console.log(outcome.violation.stack);
    printFailure(await shrink(database, outcome), timelineEntries);
  }
  await database.close();
  return outcome.violation === undefined ? 0 : 1;
}

function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    console.error(`${name} takes a whole number, not ${text}\n\n${usage}`);
    process.exit(2);
  }
  return value;
}
