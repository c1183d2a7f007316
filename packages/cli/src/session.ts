import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { Pawl, type PawlOptions } from "pawl";
import { UsageError } from "./failures.ts";
import type { GlobalFlags } from "./global-options.ts";
import { Interrupt } from "./interrupt.ts";
import type { Library } from "./load-workflows.ts";
import { openOutput, type Output } from "./output.ts";
import { flushTelemetry, registeredTelemetry } from "./registered-telemetry.ts";

/** What a command works with while the database is open. */
export interface Session {
  readonly pawl: Pawl;
  readonly output: Output;
  readonly interrupt: Interrupt;
}

export interface SessionOptions {
  /** Create the embedded database and bring the schema up to date (false): looking must change nothing. */
  readonly prepare?: boolean;
  /** The command waits for signals itself (false). */
  readonly handlesSignals?: boolean;
  /** The copy of the library that made the workflows to run (the CLI's own). */
  readonly library?: Library | undefined;
  /** How long workers may take to finish when the session ends (10 seconds). */
  readonly drain?: string;
}

/** A person waits: better an early answer than a patient one. Workers wait as long as the library does. */
const connectTimeout = "5s";
/** After a signal: for an embedded server that is just being started, and would run on without a user. */
export const embeddedCloseMs = 5000;

/** Opens the database, does the work, and closes whatever happens: the embedded PostgreSQL stops with its last user. */
export async function withPawl(command: Command, options: SessionOptions, work: (session: Session) => Promise<void>): Promise<void> {
  const flags = command.optsWithGlobals<GlobalFlags>();
  const output = await openOutput(flags);
  if (options.prepare !== true) checkDatabaseExists(flags);
  const { library } = options;
  const telemetry = library && (await registeredTelemetry(() => library.openTelemetry(), output.logger));
  const interrupt = new Interrupt();
  try {
    const opening = (library?.Pawl ?? Pawl).open({
      ...openOptions(flags),
      migrate: options.prepare === true,
      logger: output.logger,
      ...(telemetry === undefined ? {} : { telemetry }),
      onProgress: (line) => output.remark(line),
      ...(options.handlesSignals === true ? {} : { connectTimeout }),
    });
    const pawl = await interrupt.open(opening, {
      close: (opened) => opened.close(),
      // A connection ends with the process.
      withinMs: givenUrl(flags) === undefined ? embeddedCloseMs : 0,
    });
    try {
      const done = work({ pawl, output, interrupt });
      await (options.handlesSignals === true ? done : interrupt.race(done));
    } finally {
      await pawl.close(options.drain === undefined ? {} : { drain: options.drain });
      if (telemetry !== undefined) await flushTelemetry(output.logger);
    }
  } finally {
    interrupt.dispose();
  }
}

/**
 * The database's address, given or from the environment; undefined for the embedded one.
 *
 * @throws UsageError where it is empty: a variable that is not set would otherwise mean an empty database in this directory
 */
export function givenUrl(flags: GlobalFlags): string | undefined {
  // An explicit directory means the embedded one, whatever the environment says.
  const url = flags.url ?? (flags.dir === undefined ? process.env["DATABASE_URL"] : undefined);
  if (url === "")
    throw new UsageError("OPTION_INVALID", `${flags.url === "" ? "--url" : "DATABASE_URL"} is empty. Set it, or leave it out to use the embedded PostgreSQL.`);
  return url;
}

/** Where the database is, for people. */
export function databaseName(flags: GlobalFlags): string {
  return givenUrl(flags) === undefined ? `embedded PostgreSQL in ${flags.dir ?? ".pawl"}` : "PostgreSQL";
}

export function openOptions(flags: GlobalFlags): PawlOptions {
  return {
    // Null rather than absent: an absent url would be looked up in the environment again.
    url: givenUrl(flags) ?? null,
    ...(flags.dir === undefined ? {} : { directory: flags.dir }),
    ...(flags.schema === undefined ? {} : { schema: flags.schema }),
    ...(flags.namespace === undefined ? {} : { namespace: flags.namespace }),
  };
}

/** @throws UsageError: a look into the wrong directory would otherwise create a database there */
export function checkDatabaseExists(flags: GlobalFlags): void {
  if (givenUrl(flags) !== undefined) return;
  const directory = flags.dir ?? ".pawl";
  if (existsSync(join(directory, "pawl.json"))) return;
  throw new UsageError(
    "DATABASE_MISSING",
    `There is no embedded database in ${directory}. Run the command where it is, name it with --dir, give --url or DATABASE_URL, or make one with \`pawl migrate\`.`,
  );
}
