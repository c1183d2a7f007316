import { CommanderError } from "commander";
import { PawlError } from "pawl";
import { jsonText, printableLines } from "./printable.ts";

/** Something on the command line is wrong. */
export class UsageError extends PawlError {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A signal asked this command to stop before it was done. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

const inputCodes: ReadonlySet<string> = new Set([
  "OPTION_INVALID",
  "FILTER_INVALID",
  "DOCUMENT_INVALID",
  "INPUT_INVALID",
  "PAYLOAD_INVALID",
  "VALUE_NOT_SERIALIZABLE",
  "VALUE_TOO_LARGE",
  "VALUE_TOO_DEEP",
  "WORKFLOW_DUPLICATE",
]);
const databaseCodes: ReadonlySet<string> = new Set(["DATABASE_UNREACHABLE", "DATABASE_MISSING", "EMBEDDED_START_FAILED"]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Interrupted) return error.exitCode;
  const code = pawlCode(error);
  if (code !== undefined && databaseCodes.has(code)) return 3;
  return error instanceof UsageError || (code !== undefined && inputCodes.has(code)) ? 2 : 1;
}

/** How the command line wants to be told of an error. */
export interface ReportOptions {
  readonly json: boolean;
  readonly jsonLog: boolean;
  readonly debug: boolean;
}

/** To stderr, as one line of JSON, in the log or alone, or as text; never a stack unless asked for. */
export async function reportError(error: unknown, { json, jsonLog: toLog, debug }: ReportOptions): Promise<void> {
  const { code, message } = describeError(error);
  const stack = debug && error instanceof Error ? error.stack : undefined;
  const details = { error: { code, message, ...(stack === undefined ? {} : { stack }) } };
  if (toLog) {
    const { jsonLog } = await import("./json-log.ts");
    jsonLog("error").error(details, message);
  } else if (json) process.stderr.write(`${jsonText(details)}\n`);
  // Help that was asked for wrongly has been printed already.
  else if (message !== "") process.stderr.write(`${printableLines(`error: ${message} [${code}]${stack === undefined ? "" : `\n${stack}`}`)}\n`);
}

/** The code of an error of Pawl, also of another copy of the library: a workflow file may bring its own. */
export function pawlCode(error: unknown): string | undefined {
  for (let prototype: unknown = error; typeof prototype === "object" && prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const { constructor } = prototype;
    if (typeof constructor === "function" && constructor.name === "PawlError") return (error as PawlError).code;
  }
  return undefined;
}

function describeError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof CommanderError) {
    if (error.code === "commander.help") return { code: "USAGE", message: "" };
    return { code: "USAGE", message: `${error.message.replace(/^error: /, "").replace(/([^.?!)])$/, "$1.")} See pawl --help.` };
  }
  if (error instanceof Interrupted) return { code: "INTERRUPTED", message: error.message };
  const code = pawlCode(error);
  if (code !== undefined) return { code, message: (error as Error).message };
  if (!(error instanceof Error)) return { code: "UNEXPECTED", message: `${String(error)} was thrown.` };
  // What PostgreSQL and the system report has a code of its own.
  const known = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { code: known ?? "UNEXPECTED", message: `${error.message || error.name} (--debug shows where)` };
}
