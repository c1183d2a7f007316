import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseCommand, usage, UsageError, type Command, type CommandOptions } from "./command-line.ts";
import { folderPath } from "./discover.ts";
import { chooseEmbedder } from "./embed.ts";
import type { Embedder } from "./embedder.ts";
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
  if (command.name === "demo") return demo(command.options);
  // npm runs scripts in the package's folder; INIT_CWD is where the user stood when typing a relative path.
  if (command.name === "ingest") return ingest(resolve(process.env["INIT_CWD"] ?? "", command.folder), command.options);
  if (command.name === "search") return search(command.question, command.options);
  console.log(usage);
  return 0;
}

async function ingest(path: string, options: CommandOptions): Promise<number> {
  // Before the database, because a mistyped path should not have to wait for one.
  const folder = await folderPath(path);
  const embedder = chooseEmbedder(process.env);
  return withDatabase(options, (database) => ingestInto(database, folder, embedder, options.concurrency));
}

async function search(question: string, { directory, top }: CommandOptions): Promise<number> {
  const embedder = chooseEmbedder(process.env);
  return withDatabase({ directory }, async ({ store }) => {
    console.log(formatHits(await searchDocuments({ store, embedder }, question, top), question));
    return 0;
  });
}

async function demo(options: CommandOptions): Promise<number> {
  const code = await ingest(demoFolder, options);
  if (code !== 0) return code;
  console.log(`\nSearching for: ${demoQuestion}\n`);
  await search(demoQuestion, options);
  console.log(`\n${whereToLookNext}`);
  return 0;
}

async function withDatabase({ directory }: Pick<CommandOptions, "directory">, work: (database: Database) => Promise<number>): Promise<number> {
  const database = await openDatabase(directory);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function ingestInto({ store, openPawl }: Database, folder: string, embedder: Embedder, concurrency: number): Promise<number> {
  const bar = new ProgressBar("Ingesting");
  const pawl = await openPawl();
  let interrupted = false;
  // Once only, so that a second Ctrl+C ends the process at once.
  const interrupt = (): void => {
    interrupted = true;
    void pawl.close({ drain: "2 seconds" });
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
  } catch (error) {
    bar.stop();
    if (!interrupted) throw error;
    console.error("Interrupted. What is done is kept; the same command goes on from there.");
    return 130;
  } finally {
    process.off("SIGINT", interrupt);
    await pawl.close();
  }
}
