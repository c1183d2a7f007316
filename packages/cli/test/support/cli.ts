/** Runs the built command line as processes of their own, against one embedded PostgreSQL per test file. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pawl } from "pawl";

const program = fileURLToPath(new URL("../../bin/pawl.js", import.meta.url));
const library = fileURLToPath(new URL("../../../pawl", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<Outcome>;
  /** Waits until stdout has this text. */
  printed(text: string): Promise<void>;
  /** Waits until stderr has it. */
  told(text: string): Promise<void>;
}

/** A user's project in a temporary directory, with the library installed. */
export interface Project {
  readonly directory: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  start(args: readonly string[], environment?: Readonly<Record<string, string>>): Running;
  pawl(...args: string[]): Promise<Outcome>;
  /** The one JSON value that the command prints. */
  json<Value>(...args: string[]): Promise<Value>;
  /** Opens the embedded PostgreSQL here and keeps it up, so that commands need not start it. */
  open(): Promise<Pawl>;
  remove(): Promise<void>;
}

export async function makeProject(): Promise<Project> {
  const directory = await mkdtemp(join(tmpdir(), "pawl-cli-"));
  // As root the server runs as another user, who must be able to enter.
  await chmod(directory, 0o755);
  await mkdir(join(directory, "node_modules"));
  await symlink(library, join(directory, "node_modules", "pawl"));
  const children = new Set<ChildProcessWithoutNullStreams>();
  let release: (() => Promise<void>) | undefined;
  const start: Project["start"] = (args, environment = {}) => {
    const { DATABASE_URL: _url, FORCE_COLOR: _color, ...inherited } = process.env;
    const child = spawn(process.execPath, [program, ...args], { cwd: directory, env: { ...inherited, ...environment } });
    children.add(child);
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
    const outcome = once(child, "close").then(([code]) => {
      children.delete(child);
      return { code: code as number | null, ...output };
    });
    const waiting = (stream: "stdout" | "stderr") => async (text: string) => {
      while (!output[stream].includes(text)) {
        if (child.exitCode !== null) throw new Error(`It ended before it printed ${JSON.stringify(text)}: ${output.stdout}${output.stderr}`);
        await Promise.race([once(child[stream], "data"), outcome]);
      }
    };
    return { process: child, outcome, printed: waiting("stdout"), told: waiting("stderr") };
  };
  const pawl: Project["pawl"] = (...args) => {
    const running = start(args);
    running.process.stdin.end();
    return running.outcome;
  };
  return {
    directory,
    async write(files) {
      for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    },
    start,
    pawl,
    async json<Value>(...args: string[]) {
      const { code, stdout, stderr } = await pawl(...args, "--json");
      if (code !== 0 && stdout === "") throw new Error(`exit code ${code}: ${stderr}`);
      return JSON.parse(stdout) as Value;
    },
    async open() {
      const opened = await Pawl.open({ url: null, directory: join(directory, ".pawl") });
      release = () => opened.close();
      return opened;
    },
    async remove() {
      for (const child of children) child.kill("SIGKILL");
      await release?.();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
