import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { formatOf } from "./document-format.ts";
import { MAX_FILE_BYTES } from "./load.ts";

export interface DiscoveredFile {
  /** Relative to the folder, with "/" on every system, so that a database can be shared. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the content. Empty for a file over the size limit, which is never saved and so never unchanged. */
  readonly hash: string;
}

export interface UnreadablePath {
  readonly path: string;
  readonly reason: string;
}

export interface Discovery {
  readonly files: readonly DiscoveredFile[];
  /** What is there but could not be looked at, e.g. for lack of permission. */
  readonly unreadable: readonly UnreadablePath[];
}

export class FolderNotFound extends Error {
  readonly code = "FOLDER_NOT_FOUND";
  constructor(folder: string) {
    super(`There is no folder ${folder}. Check the path.`);
    this.name = "FolderNotFound";
  }
}

/** Every supported file under a folder, sorted by path. Skips dotfiles, dotfolders and node_modules. */
export async function discoverFiles(folder: string): Promise<Discovery> {
  return new FolderWalk(await folderPath(folder)).run();
}

/** The one path a folder is known by, whichever symlinks and dots it was named with. */
export async function folderPath(folder: string): Promise<string> {
  const absolute = resolve(folder);
  const found = await stat(absolute).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new FolderNotFound(absolute);
  return realpath(absolute);
}

class FolderWalk {
  readonly #root: string;
  readonly #files: DiscoveredFile[] = [];
  readonly #unreadable: UnreadablePath[] = [];
  // By real path: a symlink loop ends here, and a file with two names is ingested once.
  readonly #seen = new Set<string>();
  // Links wait until the real tree is done, so that a file's own name wins over a link to it.
  readonly #links: string[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  async run(): Promise<Discovery> {
    await this.#visitFolder(this.#root);
    for (let link = this.#links.shift(); link !== undefined; link = this.#links.shift()) await this.#visit(link);
    return { files: this.#files.toSorted(byPath), unreadable: this.#unreadable.toSorted(byPath) };
  }

  async #visit(path: string): Promise<void> {
    await this.#reportFailure(path, async () => {
      const target = await realpath(path);
      const { isFolder, isFile, size } = await kindOf(target);
      if (isFolder) return this.#visitFolder(target, path);
      if (!isFile || formatOf(path) === undefined || this.#seen.has(target)) return;
      this.#seen.add(target);
      const hash = size > MAX_FILE_BYTES ? "" : await hashOf(target);
      this.#files.push({ path: this.#relative(path), bytes: size, hash });
    });
  }

  async #visitFolder(target: string, path = target): Promise<void> {
    if (this.#seen.has(target)) return;
    this.#seen.add(target);
    await this.#reportFailure(path, async () => {
      const entries = await readdir(target, { withFileTypes: true });
      for (const entry of entries.toSorted((a, b) => compare(a.name, b.name))) {
        if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
        const child = join(path, entry.name);
        if (entry.isSymbolicLink()) this.#links.push(child);
        else if (entry.isDirectory()) await this.#visitFolder(join(target, entry.name), child);
        else await this.#visit(child);
      }
    });
  }

  async #reportFailure(path: string, look: () => Promise<void>): Promise<void> {
    try {
      await look();
    } catch (error) {
      this.#unreadable.push({ path: this.#relative(path), reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #relative(path: string): string {
    return relative(this.#root, path).split(sep).join("/") || ".";
  }
}

async function kindOf(path: string): Promise<{ isFolder: boolean; isFile: boolean; size: number }> {
  const found = await stat(path);
  return { isFolder: found.isDirectory(), isFile: found.isFile(), size: found.size };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function byPath(a: { path: string }, b: { path: string }): number {
  return compare(a.path, b.path);
}

// Not localeCompare: the order must be the same on every machine that replays.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
