import { CommanderError } from "commander";
import { exitCodeOf, reportError } from "./failures.ts";
import { asksForJsonLog } from "./log-options.ts";
import { buildProgram } from "./program.ts";

/** Wait until what was written has left: process.exit() does not, where stdout is a pipe. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

// `pawl list | head` closes the pipe early, which is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const argv = process.argv.slice(2);
const end = argv.indexOf("--");
const flags = end < 0 ? argv : argv.slice(0, end);

try {
  await buildProgram().parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError && error.exitCode === 0))
    await reportError(error, { json: flags.includes("--json"), jsonLog: asksForJsonLog(flags), debug: flags.includes("--debug") });
  process.exitCode = exitCodeOf(error);
}
await Promise.all([flush(process.stdout), flush(process.stderr)]);
// Workflow files may leave connections and timers open, which must not keep the command from ending.
process.exit();
