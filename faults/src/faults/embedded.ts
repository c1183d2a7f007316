import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "pawl/internal";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import { DatabaseServer, isAlive } from "../database-server.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

let directory = "";
const problems = new WeakMap<Rig, string[]>();

export const embedded: Fault = {
  id: "F19",
  title: "embedded: the server killed once a second and brought back by its users, opened twice, its directory removed",
  options: { workers: 0 },
  async openServer() {
    directory = await mkdtemp(join(tmpdir(), "pawl-embedded-"));
    const server = await DatabaseServer.open(directory, "server");
    return {
      server,
      close: async () => {
        await server.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  },
  async inject(rig) {
    const found: string[] = [];
    problems.set(rig, found);
    rig.fleet.place({ pawl: { directory } });
    await rig.fleet.startAll(3);
    for (let kill = 0; kill < rig.seconds; kill++) {
      const pid = await postmaster();
      process.kill(pid, "SIGKILL");
      rig.count("SIGKILL of the server");
      await waitFor("its users brought it back", async () => (await answers(rig)) && (await postmaster()) !== pid, 60_000);
    }
    const another = await rig.fleet.start();
    await another.program.report("ready", 1, 60_000);
    rig.count("processes that share it", rig.fleet.running.length);
    await waitFor("there is one server", async () => (await checkpointers(rig)) <= 1, 15_000).catch(() => found.push("opened again, there are two servers"));
    found.push(...(await removeDirectory()));
    rig.count("directory removed");
  },
  requirements: (rig) => [{ what: "SIGKILL of the server", count: rig.counted("SIGKILL of the server"), least: 5 }],
  check: (rig) => problems.get(rig) ?? [],
};

async function postmaster(): Promise<number> {
  return Number((await readFile(join(directory, "postgres", "data", "postmaster.pid"), "utf8").catch(() => "")).split("\n")[0]);
}

async function answers(rig: Rig): Promise<boolean> {
  return query(rig.url, "SELECT 1").then(
    () => true,
    () => false,
  );
}

/** A server has exactly one, under a title with the name of its cluster. None is seen where there is no /proc. */
async function checkpointers(rig: Rig): Promise<number> {
  const [row] = await query<{ name: string }>(rig.url, "SELECT current_setting('cluster_name') AS name");
  const processes = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const titles = await Promise.all(processes.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return titles.filter((title) => title.startsWith(`postgres: ${row?.name}: checkpointer`)).length;
}

/** Whoever loses his directory is left with no server and no error on the way out. */
async function removeDirectory(): Promise<string[]> {
  const doomed = await mkdtemp(join(tmpdir(), "pawl-doomed-"));
  const opened = await openEmbedded({ directory: doomed });
  await rm(doomed, { recursive: true, force: true });
  await opened.close();
  return isAlive(opened.serverPid) ? [`the server ${opened.serverPid} outlived its directory`] : [];
}
