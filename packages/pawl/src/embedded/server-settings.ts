/** The configuration an embedded server runs with, written at every start so that a newer Pawl brings newer settings. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerAddress } from "./server-address.ts";
import { superuser } from "./create-cluster.ts";
import type { ServerContext } from "./server-program.ts";

const settings: Readonly<Record<string, string | number>> = {
  // Acknowledged means on disk. These are the defaults; written down because everything rests on them.
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  max_connections: 200,
  shared_buffers: "128MB",
  // Few, large checkpoints: each one makes the log larger again, since pages are then logged whole.
  max_wal_size: "2GB",
  min_wal_size: "160MB",
  checkpoint_timeout: "15min",
  // Queue tables turn over quickly.
  autovacuum_naptime: "10s",
  // Workers and parallel index builds take shared memory from /dev/shm, of which a container has 64 MB.
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  jit: "off",
  timezone: "'UTC'",
  log_timezone: "'UTC'",
  // Statement errors are told to the client that made them. The server's log holds its own affairs and stays small.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
};

/** Writes postgresql.conf and pg_hba.conf. */
export async function writeSettings(context: ServerContext, address: ServerAddress): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const note = "# Written by Pawl at each start. To change a setting, use ALTER SYSTEM SET ... in SQL and restart.";
  // A Unix socket lies in a directory that only the server's user and root can enter, so entering is proof enough.
  const access = address.kind === "socket" ? `local all ${superuser} trust` : `host all ${superuser} 127.0.0.1/32 scram-sha-256`;
  for (const [name, content] of [
    ["postgresql.conf", [note, ...lines]],
    ["pg_hba.conf", ["# Written by Pawl at each start.", access]],
  ] as const) {
    const path = join(context.paths.data, name);
    await writeFile(path, `${content.join("\n")}\n`);
    await context.account.own(path);
  }
}

/** The settings that make a server belong to its directory; given on the command line, where ALTER SYSTEM cannot reach. */
export function placement(context: ServerContext, address: ServerAddress, clusterName: string): string[] {
  const socket = address.kind === "socket" ? (address.directory === context.paths.run ? `${context.gate}/run` : address.directory) : "";
  const quoted = socket === "" ? "" : `"${socket.replaceAll('"', '""')}"`;
  return [
    `listen_addresses=${address.kind === "tcp" ? "127.0.0.1" : ""}`,
    `port=${address.port}`,
    `unix_socket_directories=${quoted}`,
    "unix_socket_permissions=0700",
    `cluster_name=${clusterName}`,
    // The titles of its processes carry the cluster name, by which orphans are found.
    "update_process_title=on",
    "logging_collector=off",
    "log_destination=stderr",
  ].flatMap((setting) => ["-c", setting]);
}
