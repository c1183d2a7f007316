import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Which process on which machine this is, so that neighbours can tell at once whether it is gone. */
export interface ProcessIdentity {
  /** Host, boot and pid namespace: pids compare only within the same one. */
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's own unit; empty where it cannot be read. */
  readonly pidStarted: string;
}

export function processIdentity(): ProcessIdentity {
  const boot = readOr("", () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  const pidNamespace = readOr("", () => readlinkSync("/proc/self/ns/pid"));
  return { host: [hostname(), boot, pidNamespace].filter((part) => part !== "").join("/"), pid: process.pid, pidStarted: startTime(process.pid) ?? "" };
}

/**
 * Whether that process certainly does not exist any more. A stopped or busy process exists; a pid that was given to a later
 * process is recognised by its start time, where the system tells it.
 */
export function isGone(pid: number, pidStarted: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
  if (pidStarted === "") return false;
  const started = startTime(pid);
  return started !== undefined && started !== pidStarted;
}

/** Field 22 of /proc/<pid>/stat: start in clock ticks since boot. A zombie counts as gone: it runs nothing any more. */
function startTime(pid: number): string | undefined {
  return readOr(undefined, () => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name, field 2, is in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "zombie" : fields[19];
  });
}

function readOr<Value>(otherwise: Value, read: () => Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
