/** Creates the PostgreSQL data directory of a new embedded directory. */
import { randomBytes } from "node:crypto";
import { open, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { EmbeddedStartFailed } from "../base/errors.ts";
import { readOptional, writeWhole } from "./data-directory.ts";
import { diskFull, saysDiskFull } from "./file-problem.ts";
import { runServerProgram, type ServerContext } from "./server-program.ts";

/** The superuser, and only user, of an embedded server. */
export const superuser = "pawl";

/**
 * Runs initdb unless there is a data directory. It works under another name first, so a data directory with its final
 * name is complete and on disk, whatever was killed when.
 */
export async function createCluster(context: ServerContext): Promise<void> {
  const { paths, account } = context;
  if (await stat(paths.data).catch(() => undefined)) return;
  const draft = join(paths.gate, "data.new");
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await account.own(draft);
  if ((await readOptional(paths.password)) === undefined) {
    await writeWhole(paths.password, randomBytes(24).toString("base64url"), 0o600);
    await account.own(paths.password);
  }
  await initialize(context).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true });
    throw error;
  });
  await rename(draft, paths.data);
  if (process.platform !== "win32") await syncDirectory(paths.gate);
}

async function initialize(context: ServerContext): Promise<void> {
  const child = await runServerProgram(
    context,
    "initdb",
    [
      `--pgdata=${context.gate}/data.new`,
      `--username=${superuser}`,
      `--pwfile=${context.gate}/password`,
      "--auth-local=trust",
      "--auth-host=scram-sha-256",
      "--encoding=UTF8",
      "--no-locale",
      "--no-instructions",
    ],
    { output: "pipe" },
  );
  const exited = new Promise<number | string>((resolve) => child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown")));
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const output = (await Promise.all(streams.map((stream) => text(stream)))).join("\n");
  const result = await exited;
  if (result === 0) return;
  if (saysDiskFull(output)) throw diskFull(context.paths.root, new Error(output));
  if (/could not look up effective user ID/i.test(output)) {
    throw new EmbeddedStartFailed(
      `the user ${process.geteuid?.()} this process runs as has no entry in /etc/passwd, which PostgreSQL needs to create a database`,
      "Add the entry, run as a user that has one (root works too), or set DATABASE_URL to a PostgreSQL of your own.",
    );
  }
  throw new EmbeddedStartFailed(
    `initdb ended with ${result}:\n${output.trim().split("\n").slice(-10).join("\n")}\n`,
    "Correct what it says, or set DATABASE_URL to a PostgreSQL of your own.",
  );
}

/** Makes a rename in a directory survive a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
