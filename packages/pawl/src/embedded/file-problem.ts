/** Turns what the file system said into what the user can do about it. */
import { EmbeddedStartFailed, PawlError } from "../base/errors.ts";

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

/** The typed error for a failed file operation on or below `path`. An error that is typed already stays as it is. */
export function fileProblem(error: unknown, path: string): PawlError {
  if (error instanceof PawlError) return error;
  const options = { cause: error };
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new EmbeddedStartFailed(
        `${path} cannot be read and written by user ${process.geteuid?.() ?? "of this process"}`,
        `Run as the user who owns it, change its owner, or choose another directory.`,
        options,
      );
    case "ENOTDIR":
    case "EEXIST":
      return new EmbeddedStartFailed(`${path} is a file, or lies below one`, `A directory is needed: remove the file or choose another directory.`, options);
    case "ENOSPC":
    case "EDQUOT":
      return diskFull(path, error);
    case "ENOENT":
      return new EmbeddedStartFailed(
        `${path} has disappeared`,
        `Was the directory removed while in use? Close every Pawl that uses it and start again.`,
        options,
      );
    default:
      return new EmbeddedStartFailed(
        `${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
        `Check the file system it is on, or choose another directory.`,
        options,
      );
  }
}

/** Whether what a program of PostgreSQL said means that a disk is full; a write cut short comes without the system's words. */
export function saysDiskFull(output: string): boolean {
  return /no space left on device|disk quota exceeded|check free disk space/i.test(output);
}

/** The disk that holds `path` is full. */
export function diskFull(path: string, cause?: unknown): EmbeddedStartFailed {
  return new EmbeddedStartFailed(`no space left on the disk of ${path}`, `A new database needs about 60 MB; free some space or choose another directory.`, {
    cause,
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
