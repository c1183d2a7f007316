/** What is known of a server that ended while it started, and whether the next attempt may fare better. */
import { EmbeddedStartFailed } from "../base/errors.ts";
import type { DataDirectory } from "./data-directory.ts";
import { diskFull, saysDiskFull } from "./file-problem.ts";

/** A start that gave no server. */
export interface FailedStart {
  /** The end of what the server's log says of this start. */
  readonly logTail: string;
  /** Exit code, or the signal that ended it. */
  readonly exit: number | NodeJS.Signals | null;
}

/** What the log says when something else ended the server or was in its way for a moment. */
const passingWords = [
  // One of its processes was killed (-9 is also how a system short of memory does it), or it was told to stop.
  // 2 is how they end when told to quit.
  /terminated by signal 9\b/,
  /exited with exit code 2\b/,
  /received (smart|fast|immediate) shutdown request/,
  // What a killed server leaves: processes that are being torn down still hold its memory.
  /pre-existing shared memory block/,
  // Another one was started at the same moment by a process that is dead by now; it has ended, or nobody can reach it.
  /lock file "[^"]*" (already exists|is empty)/,
];

/** Whether the cause may be gone by itself: nothing is wrong with the directory. */
export function mayPass(failed: FailedStart): boolean {
  // A server that cannot start ends with 1; with 0 it was told to end.
  return typeof failed.exit === "string" || failed.exit === 0 || passingWords.some((words) => words.test(failed.logTail));
}

/** The error that tells the user. */
export function startFailure(paths: DataDirectory, failed: FailedStart): EmbeddedStartFailed {
  if (saysDiskFull(failed.logTail)) return diskFull(paths.root, new Error(failed.logTail));
  const said = failed.logTail === "" ? ` says nothing: it ended with ${failed.exit}` : ` ends with\n${failed.logTail}\n`;
  return new EmbeddedStartFailed(`its log (${paths.log})${said}`, "Correct what it says, then start again.");
}
