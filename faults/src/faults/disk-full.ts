import { execFile } from "node:child_process";
import { chmod, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { DatabaseServer } from "../database-server.ts";
import type { Fault } from "../fault.ts";

const run = promisify(execFile);
let mounted = "";

async function mount(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "pawl-small-disk-"));
  await chmod(directory, 0o755);
  await run("mount", ["-t", "tmpfs", "-o", "size=320m,mode=0755", "tmpfs", directory]);
  return directory;
}

async function unmount(directory: string): Promise<void> {
  await run("umount", ["-l", directory]);
  await rm(directory, { recursive: true, force: true });
}

export const diskFull: Fault = {
  id: "F10",
  title: "no space left on the disk of PostgreSQL",
  async skip() {
    try {
      await unmount(await mount());
      return undefined;
    } catch {
      return "a small disk needs the right to mount one; run it as root on a machine that allows that";
    }
  },
  async openServer() {
    const directory = await mount();
    mounted = directory;
    const server = await DatabaseServer.open(join(directory, "pawl"));
    return {
      server,
      close: async () => {
        await server.close();
        await unmount(directory);
      },
    };
  },
  async inject(rig) {
    await rig.during(1000, async () => {
      const filler = join(mounted, "filler");
      await fill(filler);
      rig.count("disk filled");
      // Uses up the log segments that are kept for later, so that the next one needs space.
      for (let i = 0; i < 12; i++) {
        await query(rig.url, "SELECT pg_switch_wal()").catch(() => rig.count("rig's own statement refused"));
        await delay(250);
      }
      await rm(filler);
      await rig.server.restart();
      await delay(2000);
    });
  },
  requirements: (rig) => [
    { what: "disk filled", count: rig.counted("disk filled"), least: 1 },
    {
      what: "processes that met it",
      count: rig.fleet.all.filter(({ program }) => /disk space|No space|terminat|recovery|ENOENT|ECONNREFUSED|ECONNRESET/i.test(program.output)).length,
      least: 1,
    },
  ],
};

async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let size = 2 ** 20; size >= 4096;) {
      const written = await file.write(Buffer.alloc(size, 1)).then(
        ({ bytesWritten }) => bytesWritten,
        () => 0,
      );
      if (written < size) size /= 4;
    }
  } finally {
    await file.close();
  }
  if ((await stat(path)).size === 0) throw new Error("the disk could not be filled");
}
