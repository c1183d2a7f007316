import { parseArgs } from "node:util";

export type Command =
  | { readonly name: "help" }
  | { readonly name: "ingest"; readonly folder: string; readonly options: CommandOptions }
  | { readonly name: "search"; readonly question: string; readonly options: CommandOptions }
  | { readonly name: "demo"; readonly options: CommandOptions };

export interface CommandOptions {
  /** Files that are worked on at the same time in this process. */
  readonly concurrency: number;
  /** Search results to show. */
  readonly top: number;
  /** Where the embedded database keeps its data, where DATABASE_URL names no other. */
  readonly directory: string | undefined;
}

export class UsageError extends Error {
  readonly code = "USAGE";
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

export const usage = `Usage:
  ingest <folder>       read, chunk, embed and save every document under the folder that changed
  search "<question>"   show the passages that answer the question best
  demo                  ingest this repository's docs/ and search them

Options:
  --concurrency <n>     files worked on at the same time (default 4)
  --top <n>             search results to show (default 3)
  --directory <path>    data of the embedded database (default .pawl in this example's folder)
  --help                show this

Environment:
  DATABASE_URL          a PostgreSQL server to use in place of the embedded one
  EMBEDDING_BASE_URL    an OpenAI-compatible endpoint, e.g. http://localhost:11434/v1; without it a local lexical embedder
  EMBEDDING_MODEL       the model to ask it for
  EMBEDDING_API_KEY     its key, where it wants one`;

export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  const [name, ...rest] = positionals;
  if (values.help === true || name === "help") return { name: "help" };
  const options: CommandOptions = {
    concurrency: wholeNumber("--concurrency", values.concurrency, 4),
    top: wholeNumber("--top", values.top, 3),
    directory: values.directory,
  };
  switch (name) {
    case "ingest":
      return { name, folder: oneArgument(rest, "ingest needs a folder: ingest <folder>"), options };
    case "search":
      // Unquoted words are one question; nobody means to ask only the first.
      return { name, question: oneArgument([rest.join(" ")], 'search needs a question: search "<question>"'), options };
    case "demo":
      if (rest.length > 0) throw new UsageError(`demo takes no arguments, got: ${rest.join(" ")}`);
      return { name, options };
    case undefined:
      throw new UsageError("No command given.");
    default:
      throw new UsageError(`There is no command "${name}".`);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        concurrency: { type: "string" },
        top: { type: "string" },
        directory: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function oneArgument(values: readonly string[], missing: string): string {
  const [value = "", ...more] = values;
  if (value.trim() === "") throw new UsageError(missing);
  if (more.length > 0) throw new UsageError(`One argument was expected, got ${values.length}: ${values.join(" ")}`);
  return value.trim();
}

function wholeNumber(option: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 1000) throw new UsageError(`${option} takes a whole number from 1 to 1000, got "${value}".`);
  return number;
}
