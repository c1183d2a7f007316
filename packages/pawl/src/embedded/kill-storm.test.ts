import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded } from "./embedded-postgres.ts";
import { processesTitled } from "./process-titles.ts";
import { compileProgram, makeTestDirectory, startClient, startDoomedClient } from "./test-support/child-client.ts";
import { query } from "./test-support/query.ts";

// Some twenty processes start one after the other: seconds on a machine of its own, many more on a busy one.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

const ends = ["SIGKILL", "close", "exit", "SIGKILL", "throw"] as const;
/** From before a process has loaded its program until after it has started a server. */
const momentsMs = [60, 150, 220, 300, 450] as const;
let home: string;
let program: string;

beforeAll(async () => {
  home = await makeTestDirectory();
  program = await compileProgram(join(home, "program"));
});
afterAll(() => rm(home, { recursive: true }));

test("whatever is killed when, every open succeeds, at most one server runs, and nothing acknowledged is lost", async () => {
  const directory = join(home, "storm");
  const first = await openEmbedded({ directory });
  await query(first.url, "create table kept (n text)");
  await first.close();
  const acknowledged = new Set<string>();

  async function live(worker: number): Promise<void> {
    for (let life = 0; life < ends.length; life++) {
      const client = await startClient(program, directory);
      expect(client.report.error).toBeUndefined();
      const row = `${worker}.${life}`;
      // Another worker may kill or stop the server at any moment: then the row is not acknowledged.
      const inserted = await query(client.report.url, `insert into kept values ('${row}')`).then(
        () => true,
        () => false,
      );
      if (inserted) acknowledged.add(row);
      if ((worker + life) % 3 === 0) kill(client.report.serverPid);
      await client.end(ends[(worker + life) % ends.length] ?? "close");
    }
  }
  /** Processes that are killed at any moment of an open, with or without the lock. */
  async function dieEarly(): Promise<void> {
    for (const moment of momentsMs) await startDoomedClient(program, directory, () => delay(moment));
  }
  await Promise.all([live(0), live(1), live(2), dieEarly()]);

  const last = await openEmbedded({ directory });
  const kept = new Set((await query(last.url, "select n from kept")).flat());
  expect(acknowledged.size).toBeGreaterThan(0);
  expect([...acknowledged].filter((row) => !kept.has(row))).toEqual([]);
  const name = (await query(last.url, "select current_setting('cluster_name')")).flat()[0];
  // A server has exactly one checkpointer.
  expect(await processesTitled(`postgres: ${String(name)}: checkpointer`)).toHaveLength(1);
  await last.close();
  expect(await processesTitled(`postgres: ${String(name)}: `)).toEqual([]);
  expect((await readdir(directory)).toSorted()).toEqual(["clients", "pawl.json", "postgres"]);
});

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Another worker was faster.
  }
}
