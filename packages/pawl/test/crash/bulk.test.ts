/** A process dies in the middle of a bulk operation: the next one goes on, and each execution is treated once. */
import type { BulkOptions, BulkProgress } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { executionId, makeTreated } from "../support/programs/bulk.mjs";
import { waitFor } from "../support/wait.ts";

/** More than a page of 100. */
const count = 105;

/** So many that begin later, and so many that are paused until then. */
const few = 12;

/** All of them wait, and are held, because they have been woken where their code is another one; others are to begin later, and some of those are paused. */
const template = crashTemplate(async (url) => {
  const before = await openPawl({ url, migrate: false, logger: silentLogger });
  const waits = makeTreated("waits");
  await before.worker({ workflows: [waits], pollInterval: 20 });
  const handles = await Promise.all(Array.from({ length: count }, () => before.start(waits, undefined)));
  await waitFor("all of them wait", async () => (await query(url, "SELECT FROM pawl.executions WHERE waiting_for IS NULL")).length === 0);
  await before.close();
  const after = await openPawl({ url, migrate: false, logger: silentLogger });
  await after.worker({ workflows: [makeTreated("does not fit what has waited")], pollInterval: 20 });
  await Promise.all(handles.map((handle) => after.handle(handle.executionId).signal("go", "wakes it")));
  await waitFor("all of them are held", async () => (await after.count({ filter: 'state == "quarantined"' })).count === count);
  for (let n = 0; n < few; n++) {
    await after.start(waits, undefined, { delay: "1 day", labels: { is: "delayed" } });
    await (await after.start(waits, undefined, { delay: "1 day", labels: { is: "paused" } })).pause();
  }
  await after.close();
});

interface Treated {
  readonly state: string;
  readonly run: number;
  /** Signals that it has read, or will. */
  readonly signals: number;
  readonly executions: number;
}

const treatedSql = `SELECT state, run_number AS run,
 (SELECT count(*)::int FROM pawl.history h WHERE h.run_id = e.run_id AND h.type = 'SignalReceived') +
 (SELECT count(*)::int FROM pawl.inbox x WHERE x.run_id = e.run_id AND x.type = 'SignalReceived') AS signals, count(*)::int AS executions
FROM pawl.executions e WHERE workflow = 'treated' AND coalesce(labels ->> 'is', 'held') = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`;

/** Asks for it in a process that dies, and then again, and waits until all have become what they should. */
async function killAndFinish(
  which: "held" | "delayed" | "paused",
  request: Omit<BulkOptions, "filter">,
  [boundary, occurrence]: readonly [string, number],
  becomes: readonly Treated[],
): Promise<void> {
  const matched = which === "held" ? count : few;
  const bulk = { ...request, filter: `workflow == "treated" && ${which === "held" ? "!has(labels.is)" : `labels.is == "${which}"`}`, executionId };
  const database = await template.copy();
  const look = () => query<Treated & Record<string, unknown>>(database.url, treatedSql, [which]);
  const untouched = await look();
  await runUntilKilled("bulk.mjs", database.url, { bulk, kill: { boundary, occurrence } });
  const left = await look();
  expect(left, "something was done").not.toEqual(untouched);
  expect(left, "but not all").not.toEqual(becomes);

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [makeTreated("does not fit what has waited")], pollInterval: 20 });
  // Asked for again, it is the same one.
  const handle = await pawl.bulk(bulk);
  const progress: BulkProgress = await handle.result({ timeout: "1 minute" });
  expect(progress).toEqual({ matched, done: matched, skipped: 0, failed: 0, failures: [] });
  expect(await handle.value("progress")).toEqual(progress);
  await expect.poll(look, { timeout: 30_000 }).toEqual(becomes);
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
}

test.each<readonly [Omit<BulkOptions, "filter">, boundary: string, occurrence: number, becomes: readonly Omit<Treated, "executions">[]]>([
  // Their code still does not fit: what was resumed is held again, and would be resumed again by who goes by its state.
  [{ operation: "resume" }, "resume/after", 60, [{ state: "quarantined", run: 2, signals: 1 }]],
  [{ operation: "rollback", to: 1 }, "next-run/after", 60, [{ state: "completed", run: 2, signals: 1 }]],
  [{ operation: "terminate" }, "list/before", 2, [{ state: "terminated", run: 1, signals: 1 }]],
  [{ operation: "signal", signal: { name: "go", payload: "all" } }, "send-messages/after", 5, [{ state: "quarantined", run: 1, signals: 2 }]],
  [
    { operation: "fork", from: 1 },
    "fork/after",
    60,
    [
      { state: "completed", run: 1, signals: 0 },
      { state: "quarantined", run: 1, signals: 1 },
    ],
  ],
])("%j killed at %s, time %i", async (request, boundary, occurrence, becomes) => {
  const all = becomes.map((row) => ({ ...row, executions: count }));
  await killAndFinish("held", request, [boundary, occurrence], all);
});

test.each<readonly ["delayed" | "paused", BulkOptions["operation"], boundary: string, state: string]>([
  ["paused", "resume", "unpause/after", "pending"],
  ["delayed", "pause", "pause/after", "paused"],
  ["delayed", "cancel", "close-execution/after", "cancelled"],
])("of those that are %s: %s, killed at %s, counts what it has done", async (which, operation, boundary, state) => {
  await killAndFinish(which, { operation }, [boundary, 6], [{ state, run: 1, signals: 0, executions: few }]);
});
