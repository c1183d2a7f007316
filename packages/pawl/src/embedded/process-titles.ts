/** What other processes call themselves, read without rights over them: a root process in a container has none either. */
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { promisify } from "node:util";

/** A running process and its command line, arguments separated by spaces. */
export interface TitledProcess {
  readonly pid: number;
  readonly title: string;
}

/** The command line of a process; undefined when there is none (or it is a zombie), and on Windows, which does not tell. */
export async function titleOf(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") return linuxTitle(pid);
  return (await listPs(["-p", String(pid)])).find((found) => found.pid === pid)?.title;
}

/** All processes whose title starts with `prefix`. None on Windows. */
export async function processesTitled(prefix: string): Promise<TitledProcess[]> {
  const all = process.platform === "linux" ? await listProc() : await listPs(["-ax"]);
  return all.filter((found) => found.title.startsWith(prefix));
}

async function listProc(): Promise<TitledProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const titled = await Promise.all(pids.map(async (pid) => ({ pid, title: (await linuxTitle(pid)) ?? "" })));
  return titled.filter((found) => found.title !== "");
}

async function linuxTitle(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const title = line.replaceAll("\0", " ").trim();
  return title === "" ? undefined : title;
}

async function listPs(selection: readonly string[]): Promise<TitledProcess[]> {
  if (process.platform === "win32") return [];
  const { stdout } = await promisify(execFile)("ps", [...selection, "-ww", "-o", "pid=,command="], { encoding: "utf8" }).catch(() => ({ stdout: "" }));
  return stdout.split("\n").flatMap((line) => {
    const [, pid, title] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || title === undefined ? [] : [{ pid: Number(pid), title }];
  });
}
