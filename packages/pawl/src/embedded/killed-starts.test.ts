import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded } from "./embedded-postgres.ts";
import { processesTitled } from "./process-titles.ts";
import { compileProgram, makeTestDirectory, startClient, startDoomedClient } from "./test-support/child-client.ts";
import { makeClusterTemplate, type ClusterTemplate } from "./test-support/cluster-template.ts";
import { query } from "./test-support/query.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let template: ClusterTemplate;
let home: string;
let program: string;

beforeAll(async () => {
  template = await makeClusterTemplate();
  home = await makeTestDirectory();
  program = await compileProgram(join(home, "program"));
});
afterAll(async () => {
  await template.remove();
  await rm(home, { recursive: true });
});

/** Waits until something is there, looking as often as possible: what follows has to happen right after. */
function soonest<T>(look: () => Promise<T>): Promise<NonNullable<T>> {
  return vi.waitUntil(() => look().catch(() => undefined), { timeout: 120_000, interval: 1 }) as Promise<NonNullable<T>>;
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

test("a server that is killed while it starts is started again", async () => {
  const directory = await template.copy();
  const opening = openEmbedded({ directory });
  const recorded = await soonest(async () => Number((await readFile(join(directory, "postgres", "data", "postmaster.pid"), "utf8")).split("\n")[0]));
  process.kill(recorded, "SIGKILL");
  const opened = await opening;
  // In case it was faster than the kill.
  await opened.ensureRunning();
  expect(opened.serverPid).not.toBe(recorded);
  expect(await query(opened.url, "select 1")).toEqual([[1]]);
  await opened.close();
});

test("a server that is stopped while it starts is started again", async () => {
  const directory = await template.copy();
  const opening = openEmbedded({ directory });
  const recorded = await soonest(async () => Number((await readFile(join(directory, "postgres", "data", "postmaster.pid"), "utf8")).split("\n")[0]));
  process.kill(recorded, "SIGINT");
  const opened = await opening;
  await opened.ensureRunning();
  await opened.close();
});

test("a server whose starter was killed before it answered is attached to", async () => {
  const directory = await template.copy();
  await startDoomedClient(program, directory, () => soonest(() => readFile(join(directory, "postgres", "data", "postmaster.pid"))));
  const opened = await openEmbedded({ directory });
  expect(await query(opened.url, "select 1")).toEqual([[1]]);
  await opened.close();
});

test("a postmaster.pid that was cut short keeps nothing from starting", async () => {
  const directory = await template.copy();
  await writeFile(join(directory, "postgres", "data", "postmaster.pid"), "");
  const opened = await openEmbedded({ directory });
  expect(await query(opened.url, "select 1")).toEqual([[1]]);
  await opened.close();
});

test("a server that was told to stop is not attached to, though it answers, nor when who told it is dead", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  await client.end("SIGKILL");
  // As if it had been killed between saying so and sending the signal.
  await writeFile(join(directory, "postgres", "stopping"), String(client.report.serverPid));
  const opened = await openEmbedded({ directory });
  expect(opened.owner).toBe(true);
  expect(opened.serverPid).not.toBe(client.report.serverPid);
  await opened.close();
});
