import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded } from "./embedded-postgres.ts";
import { processesTitled } from "./process-titles.ts";
import { compileProgram, makeTestDirectory, startDoomedClient } from "./test-support/child-client.ts";
import { query } from "./test-support/query.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let home: string;
let program: string;

beforeAll(async () => {
  home = await makeTestDirectory();
  program = await compileProgram(join(home, "program"));
});
afterAll(() => rm(home, { recursive: true }));

/** Waits until something is there, looking as often as possible: what follows has to happen right after. */
function soonest<T>(look: () => Promise<T>): Promise<NonNullable<T>> {
  return vi.waitUntil(() => look().catch(() => undefined), { timeout: 30_000, interval: 1 }) as Promise<NonNullable<T>>;
}

function draftsIn(directory: string): Promise<string[]> {
  return readdir(join(directory, "postgres")).then((names) => names.filter((name) => name.startsWith("data.new")));
}

test("what processes were creating that were killed is cleared away, also while initdb still works in it", async () => {
  const directory = join(home, "created");
  for (const file of ["PG_VERSION", "postgresql.conf"]) {
    await startDoomedClient(program, directory, () =>
      soonest(async () => {
        const [draft] = await draftsIn(directory);
        return draft === undefined ? undefined : readFile(join(directory, "postgres", draft, file));
      }),
    );
  }
  expect(await draftsIn(directory)).toHaveLength(1);
  const opened = await openEmbedded({ directory });
  expect(await query(opened.url, "select 1")).toEqual([[1]]);
  expect(await draftsIn(directory)).toEqual([]);
  expect((await processesTitled("")).filter(({ title }) => title.includes(`${directory}/postgres/data.new`))).toEqual([]);
  await opened.close();
});
