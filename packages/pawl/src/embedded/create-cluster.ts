/** Creates the PostgreSQL data directory of a new embedded directory. */
import { randomBytes, randomUUID } from "node:crypto";
import { open, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { EmbeddedStartFailed } from "../base/errors.ts";
import { readOptional, writeWhole, type DataDirectory } from "./data-directory.ts";
import { diskFull, saysDiskFull } from "./file-problem.ts";
import { signal } from "./postmaster.ts";
import { processesTitled } from "./process-titles.ts";
import { runServerProgram, type ServerContext } from "./server-program.ts";

/** The superuser, and only user, of an embedded server. */
export const superuser = "pawl";

/** Data directories in the making, each under a name of its own. */
const draftPrefix = "data.new-";
const attempts = 3;

/**
 * Runs initdb unless there is a data directory. It works under another name first, so a data directory with its final
 * name is complete and on disk, whatever was killed when. That name is used once: an initdb outlives a `kill -9` of who
 * ran it, and must find nothing of ours to work in or to clean up.
 */
export async function createCluster(context: ServerContext): Promise<void> {
  const { paths, account } = context;
  if (await stat(paths.data).catch(() => undefined)) return;
  await removeDrafts(paths);
  if ((await readOptional(paths.password)) === undefined) {
    await writeWhole(paths.password, randomBytes(24).toString("base64url"), 0o600);
    await account.own(paths.password);
  }
  for (let attempt = 1; ; attempt++) {
    const draft = `${draftPrefix}${randomUUID()}`;
    await mkdir(join(paths.gate, draft), { mode: 0o700 });
    await account.own(join(paths.gate, draft));
    const result = await initialize(context, draft);
    if (result === "created") {
      await rename(join(paths.gate, draft), paths.data);
      break;
    }
    await removeDrafts(paths);
    if (result.exit !== "killed" || attempt === attempts) throw initdbFailure(context, result);
  }
  if (process.platform !== "win32") await syncDirectory(paths.gate);
}

/** Removes what killed creators left, and ends the initdb that may still work in it. */
async function removeDrafts(paths: DataDirectory): Promise<void> {
  const drafts = (await readdir(paths.gate)).filter((name) => name.startsWith(draftPrefix));
  for (const draft of drafts) {
    for (const { pid, title } of await processesTitled("")) {
      if (title.includes(`/${draft} `)) signal(pid, "SIGKILL");
    }
    // The server that an initdb fills the directory with lives a moment longer than it, and makes files meanwhile.
    await rm(join(paths.gate, draft), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

interface FailedInitdb {
  readonly exit: number | "killed";
  readonly output: string;
}

async function initialize(context: ServerContext, draft: string): Promise<"created" | FailedInitdb> {
  const child = await runServerProgram(
    context,
    "initdb",
    [
      `--pgdata=${context.gate}/${draft}`,
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
  const exited = new Promise<number | undefined>((resolve) => child.once("close", (code) => resolve(code ?? undefined)));
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const output = (await Promise.all(streams.map((stream) => text(stream)))).join("\n");
  const code = await exited;
  if (code === 0) return "created";
  // Also one of the servers it runs; a system short of memory does that.
  return { exit: code === undefined || /terminated by signal 9\b/.test(output) ? "killed" : code, output };
}

function initdbFailure(context: ServerContext, { exit, output }: FailedInitdb): EmbeddedStartFailed {
  if (saysDiskFull(output)) return diskFull(context.paths.root, new Error(output));
  if (/could not look up effective user ID/i.test(output)) {
    return new EmbeddedStartFailed(
      `the user ${process.geteuid?.()} this process runs as has no entry in /etc/passwd, which PostgreSQL needs to create a database`,
      "Add the entry, run as a user that has one (root works too), or set DATABASE_URL to a PostgreSQL of your own.",
    );
  }
  return new EmbeddedStartFailed(
    `initdb ended with ${exit}:\n${output.trim().split("\n").slice(-10).join("\n")}\n`,
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
