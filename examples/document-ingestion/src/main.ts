import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseCommand, usage, UsageError, type Command, type CommandOptions } from "./command-line.ts";
import { folderPath } from "./discover.ts";
import { chooseEmbedder } from "./embed.ts";
import { formatHits } from "./format-hits.ts";
import { allFailed, formatResult } from "./format-result.ts";
import { openDatabase, type Database } from "./open-database.ts";
import { ProgressBar } from "./progress.ts";
import { runIngestion } from "./run-ingestion.ts";
import { searchDocuments } from "./search.ts";

const demoFolder = fileURLToPath(new URL("../../../docs", import.meta.url));
const demoQuestion = "What happens when a worker crashes?";
const whereToLookNext = `Where to look next:
  npm run search -- "your question"     ask something else
  npm run ingest -- <folder>            ingest your own documents; again, and only what changed is done
  src/ingest-folder.workflow.ts         the two workflows: a folder,
  src/ingest-file.workflow.ts           and a file in it
  EMBEDDING_BASE_URL, EMBEDDING_MODEL   embed with a real model (README.md)`;

try {
  process.exitCode = await run(parseCommand(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof UsageError) console.error(`\n${usage}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(command: Command): Promise<number> {
  switch (command.name) {
    case "help":
      console.log(usage);
      return 0;
    case "ingest":
      // npm runs scripts in the package's folder; INIT_CWD is where the user stood when typing a relative path.
      return withDatabase(command.options, (database) => ingest(database, resolve(process.env["INIT_CWD"] ?? "", command.folder), command.options));
    case "search":
      return withDatabase(command.options, (database) => search(database, command.question, command.options));
    case "demo":
      return withDatabase(command.options, (database) => demo(database, command.options));
  }
}

async function withDatabase(options: CommandOptions, work: (database: Database) => Promise<number>): Promise<number> {
  const database = await openDatabase(options.directory);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function demo(database: Database, options: CommandOptions): Promise<number> {
  const code = await ingest(database, demoFolder, options);
  if (code !== 0) return code;
  console.log(`\nSearching for: ${demoQuestion}\n`);
  await search(database, demoQuestion, options);
  console.log(`\n${whereToLookNext}`);
  return 0;
}

async function ingest({ store, openPawl }: Database, path: string, { concurrency }: CommandOptions): Promise<number> {
  const folder = await folderPath(path);
  const embedder = chooseEmbedder(process.env);
  const bar = new ProgressBar("Ingesting");
  const pawl = await openPawl();
  const interrupt = (): void => {
    bar.stop();
    console.error("Interrupted. What is done is kept; the same command goes on from there.");
    void pawl.close({ drain: "2 seconds" }).finally(() => process.exit(130));
  };
  process.once("SIGINT", interrupt);
  try {
    const result = await runIngestion({
      pawl,
      services: { store, embedder },
      folder,
      concurrency,
      onStart: ({ executionId, resumed }) => console.error(`${resumed ? "Going on with" : "Started"} ${executionId} on ${folder}`),
      onProgress: (state) => bar.update(state),
    });
    bar.stop();
    console.log(formatResult(result));
    return allFailed(result) ? 1 : 0;
  } finally {
    bar.stop();
    process.off("SIGINT", interrupt);
    await pawl.close();
  }
}

async function search({ store }: Database, question: string, { top }: CommandOptions): Promise<number> {
  const hits = await searchDocuments({ store, embedder: chooseEmbedder(process.env) }, question, top);
  console.log(formatHits(hits, question));
  return 0;
}
