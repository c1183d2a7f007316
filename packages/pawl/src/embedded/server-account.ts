/**
 * The user the server runs as. PostgreSQL refuses to run as root, so a root process (a container, mostly) runs it as the
 * owner of the existing data, or for new data as `nobody`: an unprivileged user that has an entry in /etc/passwd
 * everywhere, which initdb insists on. Since other services also run as `nobody`, our directories are not only owned by
 * that uid but lie behind one that is entered by a group of our own, which nobody else is in.
 */
import { chmod, chown, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EmbeddedStartFailed } from "../base/errors.ts";
import type { DataDirectory } from "./data-directory.ts";
import { isMissing } from "./file-problem.ts";

/** A gid in a range that distributions leave unused and that also exists where only 65,536 ids are mapped. */
const ownGroup = 60_900;

/** Ownership that the server's files need. */
export interface ServerAccount {
  /** uid and gid to start the server with; undefined: those of this process. */
  readonly ids: { readonly uid: number; readonly gid: number } | undefined;
  /** Gives the server a file or directory. */
  own(path: string): Promise<void>;
  /** Makes a directory one that the server can enter, and beside it only root; with `write`, also make files in. */
  guard(path: string, write: boolean): Promise<void>;
  /** Whether nobody but the server and root can enter a directory. */
  guards(path: string): Promise<boolean>;
  /** Whether the server can enter a directory by its path: it may lie below one only root can enter. */
  canEnter(path: string): Promise<boolean>;
}

/** Chooses the account for the server of a directory. */
export async function serverAccount(paths: DataDirectory): Promise<ServerAccount> {
  if (process.geteuid?.() !== 0) return sameAccount;
  const data = await statOptional(paths.data);
  if (data !== undefined && data.uid !== 0) return otherAccount(data.uid, data.gid, data.gid === ownGroup);
  return otherAccount(await unprivilegedUser(), ownGroup, true);
}

const sameAccount: ServerAccount = {
  ids: undefined,
  own: () => Promise.resolve(),
  guard: (path) => chmod(path, 0o700),
  async guards(path) {
    const found = await statOptional(path);
    if (found === undefined || !found.isDirectory()) return false;
    return process.platform === "win32" || (found.uid === process.geteuid?.() && (found.mode & 0o077) === 0);
  },
  canEnter: () => Promise.resolve(true),
};

function otherAccount(uid: number, gid: number, groupIsOurs: boolean): ServerAccount {
  // Behind the group's door even other processes of the same uid stay out; without a group of our own the owner must do.
  const owner = groupIsOurs ? 0 : uid;
  return {
    // spawn takes signed ids (macOS has nobody = -2), chown takes unsigned ones.
    ids: { uid: uid | 0, gid: gid | 0 },
    own: (path) => chown(path, uid, gid),
    async guard(path, write) {
      await chown(path, owner, gid);
      await chmod(path, !groupIsOurs ? 0o700 : write ? 0o770 : 0o710);
    },
    async guards(path) {
      const found = await statOptional(path);
      if (found === undefined || !found.isDirectory() || found.uid !== owner) return false;
      return (found.mode & 0o007) === 0 && (found.gid === gid || (found.mode & 0o070) === 0);
    },
    async canEnter(path) {
      for (let part = path; ; part = dirname(part)) {
        const { uid: owned, gid: group, mode } = await stat(part);
        const bit = owned === uid ? 0o100 : group === gid ? 0o010 : 0o001;
        if ((mode & bit) === 0) return false;
        if (part === dirname(part)) return true;
      }
    },
  };
}

async function unprivilegedUser(): Promise<number> {
  const entries = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n").map((line) => line.split(":"));
  for (const name of ["nobody", "postgres", "daemon"]) {
    const uid = Number(entries.find(([entry]) => entry === name)?.[2]);
    if (Number.isInteger(uid) && uid !== 0) return uid >>> 0;
  }
  throw new EmbeddedStartFailed(
    "PostgreSQL does not run as root, and /etc/passwd has no user nobody to run it as",
    "Run as another user, add that entry, or set DATABASE_URL to a PostgreSQL of your own.",
  );
}

async function statOptional(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
