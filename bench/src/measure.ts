import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Client } from "pg";

/** The `fraction` (0.5, 0.99) of values lies at or below what this gives (nearest rank). */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper;
}

/**
 * Most memory this process has had resident, in bytes. The kernel's figure for this program image, because
 * `resourceUsage().maxRSS` still counts what the process was before it became this program: a copy of its parent.
 */
export function peakMemory(): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match?.[1] !== undefined) return Number(match[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

export function nodeCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly ticks: number;
  readonly childTicks: number;
}

function processTimes(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const nameEnd = text.lastIndexOf(")");
    const fields = text
      .slice(nameEnd + 2)
      .split(" ")
      .map(Number);
    const at = (index: number): number => fields[index] ?? 0;
    return { pid, parent: at(1), name: text.slice(text.indexOf("(") + 1, nameEnd), ticks: at(11) + at(12), childTicks: at(13) + at(14) };
  } catch {
    return undefined;
  }
}

/** Linux counts in ticks of 10 ms on every architecture that Node runs on. */
const msPerTick = 10;

/** CPU time of all processes of a PostgreSQL server on this machine, those that have exited included. */
function postgresCpuMs(postmaster: number): number {
  const server = processTimes(postmaster);
  let ticks = (server?.ticks ?? 0) + (server?.childTicks ?? 0);
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const times = processTimes(Number(entry));
    if (times?.parent === postmaster) ticks += times.ticks;
  }
  return ticks * msPerTick;
}

/** The server's main process, or undefined if it is not on this machine or there is no /proc. */
async function findPostmaster(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const backend = processTimes(rows[0]?.pid ?? -1);
  if (backend === undefined || !backend.name.startsWith("postgres")) return undefined;
  return processTimes(backend.parent)?.name.startsWith("postgres") === true ? backend.parent : undefined;
}

/** What a timed stretch of work took. */
export interface Usage {
  readonly wallMs: number;
  readonly nodeCpuMs: number;
  /** Null where it cannot be known: no Linux, or a server on another machine. */
  readonly postgresCpuMs: number | null;
  readonly walBytes: number;
}

/**
 * Measures stretches of work: this process, the worker processes that `otherCpuMs` asks, and the whole PostgreSQL server.
 */
export class Meter {
  readonly #client: Client;
  readonly #postmaster: number | undefined;
  readonly #otherCpuMs: () => Promise<number>;

  private constructor(client: Client, postmaster: number | undefined, otherCpuMs: () => Promise<number>) {
    this.#client = client;
    this.#postmaster = postmaster;
    this.#otherCpuMs = otherCpuMs;
  }

  static async create(client: Client, otherCpuMs: () => Promise<number>): Promise<Meter> {
    return new Meter(client, await findPostmaster(client), otherCpuMs);
  }

  async measure<Result>(work: () => Promise<Result>): Promise<{ result: Result; usage: Usage }> {
    const before = await this.#sample();
    const start = performance.now();
    const result = await work();
    const wallMs = performance.now() - start;
    const after = await this.#sample();
    return {
      result,
      usage: {
        wallMs,
        nodeCpuMs: after.node - before.node,
        postgresCpuMs: after.postgres === null || before.postgres === null ? null : after.postgres - before.postgres,
        walBytes: after.wal - before.wal,
      },
    };
  }

  async #sample(): Promise<{ node: number; postgres: number | null; wal: number }> {
    const { rows } = await this.#client.query<{ wal: string }>("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal");
    return {
      wal: Number(rows[0]?.wal),
      node: nodeCpuMs() + (await this.#otherCpuMs()),
      postgres: this.#postmaster === undefined ? null : postgresCpuMs(this.#postmaster),
    };
  }
}
