/**
 * What lies where in an embedded directory (`.pawl`), and the check that it is one this Pawl can use:
 *
 *     pawl.json            layout version and PostgreSQL major; written before anything else
 *     lock, clients/       who is starting or stopping the server, who uses it
 *     postgres/            entered only by the user the server runs as (and root)
 *       data/              the PostgreSQL data directory
 *       run/               the Unix socket, when its path is short enough
 *       address.json       where the server listens
 *       stopping           pid of the server that was last told to stop
 *       password           of the superuser, used over TCP only
 *       server.log         what the server said; server.log.old before that
 *     binaries/            a copy of PostgreSQL, only where node_modules cannot be used in place
 */
import { mkdir, readFile, realpath, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EmbeddedStartFailed, EmbeddedVersionMismatch } from "../base/errors.ts";
import { fileProblem, isMissing } from "./file-problem.ts";

const layoutVersion = 1;

/** Paths in one embedded directory, all absolute. */
export interface DataDirectory {
  readonly root: string;
  readonly layout: string;
  readonly lock: string;
  readonly clients: string;
  /** Parent of everything the server touches; its permissions keep everyone else out. */
  readonly gate: string;
  readonly data: string;
  readonly run: string;
  readonly address: string;
  readonly stopping: string;
  readonly password: string;
  readonly log: string;
  readonly binaries: string;
}

/** Makes the directory if needed and returns its paths, with symbolic links resolved: one directory, one key. */
export async function openDataDirectory(directory: string): Promise<DataDirectory> {
  const wanted = resolve(directory);
  try {
    // A root process runs the server as another user, who must be able to pass through (not to look around).
    await mkdir(wanted, { recursive: true, mode: process.geteuid?.() === 0 ? 0o711 : 0o700 });
    return pathsIn(await realpath(wanted));
  } catch (error) {
    throw fileProblem(error, wanted);
  }
}

function pathsIn(root: string): DataDirectory {
  const gate = join(root, "postgres");
  return {
    root,
    layout: join(root, "pawl.json"),
    lock: join(root, "lock"),
    clients: join(root, "clients"),
    gate,
    data: join(gate, "data"),
    run: join(gate, "run"),
    address: join(gate, "address.json"),
    stopping: join(gate, "stopping"),
    password: join(gate, "password"),
    log: join(gate, "server.log"),
    binaries: join(root, "binaries"),
  };
}

/** Throws unless the directory is new or was made by this layout and this major version of PostgreSQL. Changes nothing. */
export async function checkLayout(paths: DataDirectory, major: number): Promise<void> {
  const needed = `${major} (layout ${layoutVersion})`;
  // In this order: the layout is written first, so a directory that another process is just creating passes.
  const cluster = await readOptional(join(paths.data, "PG_VERSION"));
  const layout = await readLayout(paths, major);
  if (layout === undefined && cluster !== undefined) {
    throw new EmbeddedStartFailed(
      `${paths.data} holds a PostgreSQL database, but ${paths.layout} is missing`,
      `If Pawl made it, create that file with the content ${layoutText(major)}; otherwise choose another directory.`,
    );
  }
  if (layout !== undefined && (layout.layout !== layoutVersion || layout.postgres !== major)) {
    throw new EmbeddedVersionMismatch(paths.root, `${layout.postgres} (layout ${layout.layout})`, needed);
  }
  if (cluster !== undefined && cluster.trim() !== String(major)) {
    throw new EmbeddedVersionMismatch(paths.root, `${cluster.trim()} (layout ${layoutVersion})`, needed);
  }
}

/** Claims a new directory: from now on every Pawl knows what is in it. */
export async function writeLayout(paths: DataDirectory, major: number): Promise<void> {
  if ((await readOptional(paths.layout)) === undefined) await writeWhole(paths.layout, `${layoutText(major)}\n`);
}

/** Writes a small file so that readers see the old content or the new, never a part. */
export async function writeWhole(path: string, content: string, mode = 0o644): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, content, { mode, flush: true });
  await rename(draft, path);
}

/** Content of a file, or undefined when there is none. */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw fileProblem(error, path);
  }
}

function layoutText(major: number): string {
  return JSON.stringify({ layout: layoutVersion, postgres: major });
}

async function readLayout(paths: DataDirectory, major: number): Promise<{ layout: number; postgres: number } | undefined> {
  const text = await readOptional(paths.layout);
  if (text === undefined) return undefined;
  try {
    const { layout, postgres } = JSON.parse(text) as { layout: unknown; postgres: unknown };
    if (typeof layout === "number" && typeof postgres === "number") return { layout, postgres };
  } catch {
    // Told below, like JSON of another shape.
  }
  throw new EmbeddedStartFailed(
    `${paths.layout} is damaged`,
    `If this Pawl made the directory, replace the file's content by ${layoutText(major)}; otherwise restore it or choose another directory.`,
  );
}
