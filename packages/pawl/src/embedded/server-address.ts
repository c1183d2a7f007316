/**
 * Where an embedded server listens: a Unix socket in its directory; in a short private directory under the system's
 * temporary one if that path is too long or its file system has no sockets; on Windows 127.0.0.1 with a password.
 */
import { lstat, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type ListenOptions } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmbeddedStartFailed } from "../base/errors.ts";
import { superuser } from "./create-cluster.ts";
import { readOptional, writeWhole, type DataDirectory } from "./data-directory.ts";
import { fileProblem } from "./file-problem.ts";
import type { ServerContext } from "./server-program.ts";

/** Address of a server. The port of a socket is part of its file's name. */
export type ServerAddress = { readonly kind: "socket"; readonly directory: string; readonly port: number } | { readonly kind: "tcp"; readonly port: number };

/** How to listen; Unix sockets except on Windows. */
export type Transport = ServerAddress["kind"];

/** sun_path holds 108 bytes on Linux, 104 on macOS, one of them the end mark. */
const socketPathLimit = 103;
const socketPort = 5432;

/** The address the last start recorded, or undefined. */
export async function recordedAddress(paths: DataDirectory): Promise<ServerAddress | undefined> {
  const text = await readOptional(paths.address);
  if (text === undefined) return undefined;
  try {
    const { directory, port } = JSON.parse(text) as { directory?: unknown; port?: unknown };
    if (typeof port !== "number") return undefined;
    if (typeof directory !== "string") return { kind: "tcp", port };
    // "run" stands for the socket's usual place, so that the directory may be renamed.
    return { kind: "socket", port, directory: directory === "run" ? paths.run : directory };
  } catch {
    return undefined;
  }
}

/** Chooses the address for a start, the recorded one where it still serves, and records it. */
export async function chooseAddress(context: ServerContext, transport: Transport): Promise<ServerAddress> {
  const { paths } = context;
  const recorded = await recordedAddress(paths);
  const address =
    transport === "tcp"
      ? ({ kind: "tcp", port: recorded?.kind === "tcp" && (await canListen(recorded.port)) ? recorded.port : await freePort() } as const)
      : await chooseSocket(context, recorded);
  await writeWhole(
    paths.address,
    `${JSON.stringify(address.kind === "tcp" ? { port: address.port } : { port: address.port, directory: address.directory === paths.run ? "run" : address.directory })}\n`,
  );
  return address;
}

/** Makes sure that the directory of a socket is there, private and empty. For a server that is about to start. */
export async function prepareAddress(context: ServerContext, address: ServerAddress): Promise<void> {
  if (address.kind === "tcp") return;
  const { paths, account } = context;
  if (address.directory === paths.run) {
    await mkdir(paths.run, { recursive: true, mode: 0o700 });
    await account.own(paths.run);
  } else if (await makeDirectory(address.directory)) {
    await account.guard(address.directory, true);
  } else if (!(await account.guards(address.directory))) {
    throw new EmbeddedStartFailed(`${address.directory} belongs to someone else, or others can enter it`, `Remove it, and ${paths.address}, then start again.`);
  }
  // A killed server leaves its socket and a lock with its pid, which may be anyone's by now. No server runs here: we hold
  // the directory's lock and have looked.
  const socket = join(address.directory, `.s.PGSQL.${address.port}`);
  for (const leftover of [socket, `${socket}.lock`]) await rm(leftover, { force: true });
}

/** Makes a directory; false if there is something of that name. */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw fileProblem(error, path);
  }
}

/** Connection string for `pg`. Says everything, so that PGPORT and the like in the environment change nothing. */
export async function connectionUrl(paths: DataDirectory, address: ServerAddress): Promise<string> {
  if (address.kind === "socket") {
    return `postgresql://${superuser}@/postgres?host=${encodeURIComponent(address.directory)}&port=${address.port}&sslmode=disable`;
  }
  const password = await readOptional(paths.password);
  return `postgresql://${superuser}:${encodeURIComponent(password ?? "")}@127.0.0.1:${address.port}/postgres?sslmode=disable`;
}

async function chooseSocket(context: ServerContext, recorded: ServerAddress | undefined): Promise<ServerAddress> {
  const { paths, account } = context;
  await mkdir(paths.run, { recursive: true, mode: 0o700 });
  if (fits(paths.run) && (await canListen(join(paths.run, "probe")))) {
    return { kind: "socket", directory: paths.run, port: socketPort };
  }
  if (recorded?.kind === "socket" && recorded.directory !== paths.run) {
    // Where it was is best, also if the temporary directory was cleaned meanwhile: others hold connection strings.
    if ((await account.guards(recorded.directory)) || !(await exists(recorded.directory))) return recorded;
  }
  // The temporary directory may itself be long (macOS) or closed to the server's user.
  const system = tmpdir();
  const parent = fits(join(system, "pawl-XXXXXX")) && (await account.canEnter(system)) ? system : "/tmp";
  const directory = await mkdtemp(join(parent, "pawl-"));
  await account.guard(directory, true);
  return { kind: "socket", directory, port: socketPort };
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function fits(directory: string): boolean {
  return Buffer.byteLength(join(directory, `.s.PGSQL.${socketPort}`)) <= socketPathLimit;
}

async function freePort(): Promise<number> {
  const port = await listenBriefly({ host: "127.0.0.1", port: 0 });
  if (typeof port === "number") return port;
  throw new EmbeddedStartFailed("no port of 127.0.0.1 is free", "Check that this process may open network sockets.", { cause: port });
}

/** Whether one can listen here: on a port of 127.0.0.1, or on a socket file (not every file system has them). */
async function canListen(where: number | string): Promise<boolean> {
  if (typeof where === "string") await rm(where, { force: true });
  return !((await listenBriefly(typeof where === "string" ? { path: where } : { host: "127.0.0.1", port: where })) instanceof Error);
}

function listenBriefly(options: ListenOptions): Promise<number | undefined | Error> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen(options, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
