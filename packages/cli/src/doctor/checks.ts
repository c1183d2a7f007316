import type { PauseInfo, WorkerSummary } from "pawl";
import { formatDuration, type Backlog, type DatabaseFacts } from "pawl/internal";
import { pawlCode } from "../failures.ts";

export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly detail: string;
  /** What to do, where something is to be done. */
  readonly next: string | null;
}

const largestSkewMs = 2000;
const longestWaitMs = 60_000;
const oldestNode = [20, 19] as const;

export const ok = (name: string, detail: string): Check => ({ name, status: "ok", detail, next: null });
export const warn = (name: string, detail: string, next: string): Check => ({ name, status: "warn", detail, next });
export const fail = (name: string, detail: string, next: string): Check => ({ name, status: "fail", detail, next });

export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  return enough ? ok("node", version) : fail("node", `${version} is too old`, `Install Node ${oldestNode.join(".")} or newer.`);
}

/** An error that ended the examination, as the check that it failed. Errors of Pawl say what to do next themselves. */
export function failureCheck(error: unknown): Check {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const code = pawlCode(error) ?? "";
  const end = message.indexOf(". ");
  const [detail, next] = end < 0 ? [message, "See the message; `pawl doctor --debug` changes nothing."] : [message.slice(0, end), message.slice(end + 2)];
  return fail(code.startsWith("SCHEMA") ? "schema" : code === "DATABASE_VERSION_UNSUPPORTED" ? "server" : "database", detail, next);
}

/** What the server says about itself. Each setting is checked because losing it loses a promise. */
export function serverChecks(facts: DatabaseFacts, roundTripMs: number): Check[] {
  const lost = "acknowledged work can be lost in a power failure";
  return [
    ok("server", `PostgreSQL ${facts.version}, answers in ${Math.round(roundTripMs)} ms`),
    facts.readOnly
      ? fail("writable", "the server is read-only: a standby, or set so", "Point DATABASE_URL at the primary, or unset default_transaction_read_only.")
      : ok("writable", "yes"),
    facts.fsync ? ok("fsync", "on") : warn("fsync", `off: ${lost}, or the database damaged`, "Set fsync = on in postgresql.conf."),
    facts.fullPageWrites
      ? ok("full_page_writes", "on")
      : warn("full_page_writes", "off: a crash can damage the database", "Set full_page_writes = on, unless the file system never tears pages."),
    facts.synchronousCommit === "off"
      ? warn("synchronous_commit", `off: ${lost}`, "Set synchronous_commit = on for this role or database.")
      : ok("synchronous_commit", facts.synchronousCommit),
  ];
}

/** `skewMs`: how far the database's clock is ahead of this machine's. */
export function clockCheck(skewMs: number, roundTripMs: number): Check {
  const size = Math.abs(skewMs);
  // The answer may have been made at any moment of the round trip.
  if (size <= largestSkewMs + roundTripMs / 2) return ok("clock", `this machine and the database differ by ${formatDuration(size)}`);
  return warn(
    "clock",
    `the database's clock is ${formatDuration(size)} ${skewMs > 0 ? "ahead of" : "behind"} this machine's`,
    "Timers follow the database's clock. Synchronise both machines (NTP).",
  );
}

export function workerCheck(workers: readonly WorkerSummary[]): Check {
  const live = workers.filter(({ state }) => state === "live");
  const dead = workers.filter(({ state }) => state === "dead").length;
  const died = dead === 0 ? "" : `, ${dead} died within a day`;
  if (live.length === 0) return warn("workers", `none is live${died}`, "Start one: pawl worker <file>.");
  const definitions = [...new Set(live.flatMap((worker) => worker.definitions))].toSorted();
  return ok("workers", `${live.length} live (${definitions.slice(0, 10).join(", ")}${definitions.length > 10 ? ", ..." : ""})${died}`);
}

/** Work that was due long ago: nobody has the code for it, nobody listens to the queue, or there are too few workers. */
export function backlogChecks(backlog: readonly Backlog[], workers: readonly WorkerSummary[], now: number, pauses: readonly PauseInfo[] = []): Check[] {
  const isPaused = (taskQueue: string, definition: string): boolean =>
    pauses.some((pause) => ("taskQueue" in pause ? pause.taskQueue === taskQueue : definition.startsWith(`${pause.workflow}@`)));
  const live = workers.filter(({ state }) => state === "live");
  const late = backlog.filter(({ oldestDueAt }) => now - oldestDueAt > longestWaitMs);
  if (late.length === 0) {
    const oldest = backlog[0];
    return [ok("waiting", oldest === undefined ? "nothing is due" : `the oldest due task has waited ${formatDuration(now - oldest.oldestDueAt)}`)];
  }
  return late.map(({ taskQueue, definition, tasks, oldestDueAt }) => {
    const served = live.some((worker) => worker.taskQueues.includes(taskQueue) && worker.definitions.includes(definition));
    const detail = `${tasks} of ${definition} in queue "${taskQueue}", the oldest for ${formatDuration(now - oldestDueAt)}`;
    if (isPaused(taskQueue, definition))
      return warn("waiting", `${detail}, which is paused`, "pawl pauses shows what is paused; pawl resume --task-queue or --workflow ends it.");
    return warn("waiting", detail, served ? "Start more workers, or raise --concurrency." : "No live worker has it: pawl worker <file> --queue " + taskQueue);
  });
}

export function takeoverCheck(deadWithClaims: readonly string[]): Check {
  if (deadWithClaims.length === 0) return ok("takeover", "no dead worker holds executions");
  return warn(
    "takeover",
    `${deadWithClaims.length} dead workers still hold executions`,
    "Live workers take them over within seconds; start one if there is none.",
  );
}

export function quarantineCheck(count: number, more: boolean): Check {
  if (count === 0) return ok("quarantined", "none");
  return warn("quarantined", `${count}${more ? " or more" : ""}`, "pawl list --state quarantined shows them; fix the cause, then pawl resume <id>.");
}

/** Invariant I19: every unfinished execution has a reason to wake. */
export function wakeCheck(stranded: readonly { readonly executionId: string; readonly namespace: string }[]): Check {
  if (stranded.length === 0) return ok("wakes", "every unfinished execution has a reason to wake");
  const names = stranded
    .slice(0, 5)
    .map(({ executionId, namespace }) => `${namespace}/${executionId}`)
    .join(", ");
  return fail(
    "wakes",
    `${stranded.length} executions would never wake: ${names}`,
    "This is a fault in Pawl: please report it with `pawl history <id> --json`. `pawl cancel` or `pawl terminate` ends them.",
  );
}
