import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { findBinaries } from "./binaries.ts";
import { openEmbedded } from "./embedded-postgres.ts";
import { compileProgram, startClient } from "./test-support/child-client.ts";
import { makeClusterTemplate, type ClusterTemplate } from "./test-support/cluster-template.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const isRoot = process.geteuid?.() === 0;
let template: ClusterTemplate;

beforeAll(async () => {
  template = await makeClusterTemplate();
});
afterAll(() => template.remove());

/** What a directory looks like to someone who may not touch it. */
async function makeDirectory(layout: string | undefined, clusterVersion: string): Promise<string> {
  const directory = join(await template.empty(), "pawl");
  await mkdir(join(directory, "postgres", "data"), { recursive: true });
  if (layout !== undefined) await writeFile(join(directory, "pawl.json"), layout);
  await writeFile(join(directory, "postgres", "data", "PG_VERSION"), `${clusterVersion}\n`);
  return directory;
}

test.each([
  ["another PostgreSQL", '{"layout":1,"postgres":17}', "17", "made by PostgreSQL 17 (layout 1); this Pawl brings 18 (layout 1)"],
  ["another layout", '{"layout":2,"postgres":18}', "18", "made by PostgreSQL 18 (layout 2)"],
  ["another PostgreSQL than its layout file says", '{"layout":1,"postgres":18}', "16", "made by PostgreSQL 16"],
])("a directory made by %s is refused and left as it is", async (_, layout, clusterVersion, message) => {
  const directory = await makeDirectory(layout, clusterVersion);
  const opening = openEmbedded({ directory });
  await expect(opening).rejects.toMatchObject({ code: "EMBEDDED_VERSION_MISMATCH" });
  await expect(opening).rejects.toThrow(message);
  expect((await readdir(directory)).toSorted()).toEqual(["pawl.json", "postgres"]);
});

test("a damaged layout file is told, with what to write into it", async () => {
  const opening = openEmbedded({ directory: await makeDirectory('{"layout":', "18") });
  await expect(opening).rejects.toMatchObject({ code: "EMBEDDED_START_FAILED" });
  await expect(opening).rejects.toThrow('pawl.json is damaged. If this Pawl made the directory, replace the file\'s content by {"layout":1,"postgres":18}');
});

test("data without a layout file are not touched", async () => {
  const directory = await makeDirectory(undefined, "18");
  await expect(openEmbedded({ directory })).rejects.toThrow("pawl.json is missing");
  expect(await readdir(directory)).toEqual(["postgres"]);
});

test("a path that is a file is told", async () => {
  const directory = await makeDirectory("{}", "18");
  for (const path of [join(directory, "pawl.json"), join(directory, "pawl.json", "below")]) {
    const opening = openEmbedded({ directory: path });
    await expect(opening).rejects.toMatchObject({ code: "EMBEDDED_START_FAILED" });
    await expect(opening).rejects.toThrow("is a file");
  }
});

test("a platform without a package is told to use DATABASE_URL", async () => {
  const finding = findBinaries("sunos", "sparc");
  await expect(finding).rejects.toMatchObject({ code: "EMBEDDED_START_FAILED" });
  await expect(finding).rejects.toThrow(/no package @embedded-postgres\/sunos-sparc here.*DATABASE_URL/);
});

test("a server that does not start says why, with the end of its log, and starts once that is mended", async () => {
  const directory = await template.copy();
  const settings = join(directory, "postgres", "data", "postgresql.auto.conf");
  const before = await readFile(settings, "utf8");
  await writeFile(settings, "shared_buffers = 'plenty'\n");
  const opening = openEmbedded({ directory });
  await expect(opening).rejects.toMatchObject({ code: "EMBEDDED_START_FAILED" });
  await expect(opening).rejects.toThrow(/invalid value for parameter "shared_buffers": "plenty"/);
  expect(await readdir(join(directory, "clients"))).toEqual([]);
  await writeFile(settings, before);
  await (await openEmbedded({ directory })).close();
});

test.runIf(isRoot)("a disk that fills up during the first start is told, leaves no half-made database, and then works", async () => {
  const directory = await template.empty();
  const disk = join(directory, "disk");
  await mkdir(disk);
  const mount = promisify(execFile)("mount", ["-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", disk]);
  const mounted = await mount.then(
    () => true,
    () => false,
  );
  // A container may not mount; there is nothing to test then.
  if (!mounted) return;
  try {
    const opening = openEmbedded({ directory: join(disk, "pawl") });
    await expect(opening).rejects.toMatchObject({ code: "EMBEDDED_START_FAILED" });
    await expect(opening).rejects.toThrow(/no space left on the disk of .*disk\/pawl/);
    expect(await readdir(join(disk, "pawl", "postgres"))).toEqual(["password"]);
    await promisify(execFile)("mount", ["-o", "remount,size=200m", disk]);
    await (await openEmbedded({ directory: join(disk, "pawl") })).close();
  } finally {
    await promisify(execFile)("umount", [disk]);
  }
});

test.runIf(isRoot)("a directory that cannot be written is told, with the user who cannot", async () => {
  const directory = await template.empty();
  const program = await compileProgram(join(directory, "program"));
  const client = await startClient(program, directory, { uid: 65_534, gid: 65_534 });
  expect(client.report.error).toMatchObject({ name: "EmbeddedStartFailed" });
  expect(client.report.error?.message).toMatch(/cannot be read and written by user 65534/);
});
