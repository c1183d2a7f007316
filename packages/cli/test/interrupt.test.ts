import { once } from "node:events";
import { readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
/** Takes connections and never says anything, as a PostgreSQL that hangs. */
let silent: Server;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
});

afterAll(async () => {
  silent.close();
  await project.remove();
});

test.each([
  [["list"], "SIGINT", 130],
  [["worker", "workflows.ts"], "SIGTERM", 143],
  [["doctor"], "SIGHUP", 129],
] as const)("%j that still waits for the database ends on %s with exit code %i", async (args, signal, code) => {
  const { port } = silent.address() as AddressInfo;
  const connected = once(silent, "connection");
  const running = project.start([...args, "--url", `postgres://127.0.0.1:${port}/silent`]);
  await connected;
  running.process.kill(signal);
  expect(await running.outcome).toEqual({ code, stdout: "", stderr: `error: Stopped by ${signal} before it was done. [INTERRUPTED]\n` });
});

test("a signal ends a command that waits for another process to let go of the embedded database", async () => {
  await project.open();
  const lock = join(project.directory, ".pawl", "lock");
  const [user = ""] = await readdir(join(project.directory, ".pawl", "clients"));
  // As if this process, which uses it, were just starting or stopping the server.
  await writeFile(lock, `${user.split(".")[0]}.lock`);
  const waiting = ([["list"], ["worker", "workflows.ts"], ["migrate", "--check"]] as const).map((args) => project.start(args));
  await Promise.all(waiting.map((running) => running.told(`Waiting for process ${process.pid}`)));
  for (const running of waiting) running.process.kill("SIGTERM");
  const outcomes = await Promise.all(waiting.map(({ outcome }) => outcome));
  await rm(lock);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ code: 143, stdout: "" });
    expect(outcome.stderr).toMatch(/\nerror: Stopped by SIGTERM before it was done\. \[INTERRUPTED\]\n$/);
  }
});
