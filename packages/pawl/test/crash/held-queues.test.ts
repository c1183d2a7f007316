/**
 * A process dies before or after a commit that pauses a queue or a workflow, sets or changes limits, lets go, or claims what the limits
 * allow. What was done holds for whoever comes next, and the claim of a dead process neither exceeds the limit nor keeps its place.
 */
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { readLines, temporaryDirectory } from "../support/ledger.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { count, hold, makeNarrow, release, startAll } from "../support/programs/held-queue.mjs";

const template = crashTemplate();
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

afterAll(() => directory.remove());

interface Left {
  /** What is paused. */
  readonly paused: readonly string[];
  readonly concurrency: number | null;
  readonly claimed: number;
}

const leftSql = `SELECT ARRAY(SELECT kind FROM pawl.pauses ORDER BY kind) AS paused, (SELECT concurrency FROM pawl.queues) AS concurrency,
 (SELECT count(*)::int FROM pawl.executions WHERE worker_id IS NOT NULL) AS claimed`;
const both = ["task-queue", "workflow"];

// Before each of them is as after the one before it.
test.each<readonly [boundary: string, occurrence: number, left: Left]>([
  ["add-pause/before", 1, { paused: [], concurrency: null, claimed: 0 }],
  ["add-pause/after", 1, { paused: ["task-queue"], concurrency: null, claimed: 0 }],
  ["set-queue/before", 1, { paused: both, concurrency: null, claimed: 0 }],
  ["set-queue/after", 1, { paused: both, concurrency: 3, claimed: 0 }],
  ["remove-pause/before", 1, { paused: both, concurrency: 1, claimed: 0 }],
  ["remove-pause/after", 1, { paused: ["workflow"], concurrency: 1, claimed: 0 }],
  ["claim-limited/before", 1, { paused: [], concurrency: 1, claimed: 0 }],
  ["claim-limited/after", 1, { paused: [], concurrency: 1, claimed: 1 }],
])("killed at %s, time %i", async (boundary, occurrence, left) => {
  const database = await template.copy();
  const ledger = join(directory.path, `${boundary.replace("/", "-")}-${occurrence}`);
  await runUntilKilled("held-queue.mjs", database.url, { ledger, kill: { boundary, occurrence } });
  expect(await query(database.url, leftSql)).toEqual([left]);
  expect(await readLines(ledger)).toEqual([]);

  const narrow = makeNarrow(ledger);
  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 2, logger: silentLogger });
  const handles = await startAll(pawl, narrow);
  if (left.paused.length > 0) {
    const careful = await pawl.worker({ workflows: [narrow], manual: true });
    expect(await careful.runOnce()).toBe(0);
    await careful.stop();
  }
  // Who gave orders gives them again.
  await hold(pawl);
  await release(pawl);
  await pawl.worker({ workflows: [narrow], pollInterval: 20 });
  const results = await Promise.all(handles.map((handle) => handle.result({ timeout: "1 minute" })));
  expect(results).toEqual(handles.map(({ executionId }) => executionId));
  await expect.poll(() => pawl.queues.get("default"), { timeout: 30_000 }).toMatchObject({ claimed: 0, due: 0 });
  await pawl.close();
  await checkInvariants(database.url);
  const lines = await readLines(ledger);
  expect(lines, "each has run once").toHaveLength(2 * count);
  expect(new Set(lines).size).toBe(2 * count);
  for (let index = 0; index < lines.length; index += 2) expect(lines[index + 1], "one at a time").toBe(lines[index]!.replace("begins", "ends"));
  await database.drop();
});
