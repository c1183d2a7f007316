/**
 * Tells one process from every other, also from a later one with the same pid. The token written into lock and client
 * files is `pid-start-boot-space`: pids are reused, start times tell reuse apart, the boot id spares us believing in
 * processes from before a restart, and the pid namespace tells that a pid belongs to another container.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

/** `unknown`: the process lives in another pid namespace (a container sharing the directory), so nobody here can tell. */
export type Liveness = "alive" | "dead" | "unknown";

/** Where the platform does not tell; matches anything. */
const notTold = "0";

interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
  readonly boot: string;
  readonly space: string;
}

let own: string | undefined;

/** Token of this process. */
export function currentProcess(): string {
  own ??= tokenWith(process.pid, startOf(process.pid) ?? notTold);
  return own;
}

/** Token of a process of this machine (and container); undefined when it does not run. */
export function tokenOf(pid: number): string | undefined {
  const start = startOf(pid);
  return start === undefined ? undefined : tokenWith(pid, start);
}

/** The pid in a token, for messages. */
export function pidOf(token: string): number | undefined {
  return parse(token)?.pid;
}

/** Whether the process a token names still runs. Text that is no token names no process: `dead`. */
export function livenessOf(token: string): Liveness {
  const identity = parse(token);
  if (identity === undefined || identity.boot !== bootId()) return "dead";
  if (identity.space !== pidNamespace()) return "unknown";
  const start = startOf(identity.pid);
  if (start === undefined) return "dead";
  return start === notTold || identity.start === notTold || start === identity.start ? "alive" : "dead";
}

/** Whether a process with this pid runs (a zombie does not). */
export function pidRuns(pid: number): boolean {
  return startOf(pid) !== undefined;
}

function tokenWith(pid: number, start: string): string {
  return [pid, start, bootId(), pidNamespace()].join("-");
}

function parse(token: string): ProcessIdentity | undefined {
  const match = /^(\d+)-(\d+)-([0-9a-f]+)-(\d+)$/.exec(token);
  if (match === null) return undefined;
  const [, pid = "", start = "", boot = "", space = ""] = match;
  return { pid: Number(pid), start, boot, space };
}

/** When the process started, in the platform's own unit; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  if (!answersSignals(pid)) return undefined;
  if (process.platform === "linux") return linuxStart(pid);
  if (process.platform === "win32") return notTold;
  try {
    const environment = { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" };
    const text = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8", env: environment }).trim();
    const [, state = "", started = ""] = /^(\S+)\s+(.*)$/.exec(text) ?? [];
    if (state.startsWith("Z")) return undefined;
    const seconds = Date.parse(`${started} UTC`) / 1000;
    return Number.isFinite(seconds) ? String(seconds) : notTold;
  } catch {
    return undefined;
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function linuxStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name is in parentheses and may hold anything, also parentheses: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie waits for its parent only to be counted; it does nothing any more.
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return fields[19] ?? notTold;
  } catch {
    // /proc mounted with hidepid: it answered a signal, so it runs.
    return answersSignals(pid) ? notTold : undefined;
  }
}

let boot: string | undefined;

function bootId(): string {
  if (boot !== undefined) return boot;
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    boot = createHash("sha256").update(id).digest("hex").slice(0, 12);
  } catch {
    boot = notTold;
  }
  return boot;
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? notTold;
  } catch {
    return notTold;
  }
}
