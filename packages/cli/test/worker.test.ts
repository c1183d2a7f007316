import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Pawl } from "pawl";
import { openEmbedded } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let pawl: Pawl;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  pawl = await project.open();
}, 60_000);

afterAll(() => project.remove(), 30_000);

/** Long steps are announced in the history. */
async function stepStarted(executionId: string): Promise<void> {
  await expect.poll(async () => (await pawl.handle(executionId).history()).map(({ event }) => event.type), { timeout: 10_000 }).toContain("StepStarted");
}

test("a worker that gets SIGINT lets its running step finish and ends with exit code 0", async () => {
  const worker = project.start(["worker", "workflows.ts", "--concurrency", "2"]);
  await worker.printed("ready: ");
  await pawl.start("slow", undefined, { executionId: "drained" });
  await stepStarted("drained");
  worker.process.kill("SIGINT");
  const { code, stdout } = await worker.outcome;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ready: .*\nstopping on SIGINT: 1 running, .*\nstopped\n$/);
  expect(await pawl.handle("drained").status()).toMatchObject({ state: "completed" });
}, 30_000);

test("with --json it prints one JSON object per line", async () => {
  const worker = project.start(["worker", "workflows.ts", "--json", "--queue", "a", "--queue", "b"]);
  await worker.printed('"ready"');
  worker.process.kill("SIGTERM");
  const { code, stdout } = await worker.outcome;
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(code).toBe(0);
  expect(events.map(({ event }) => event)).toEqual(["ready", "stopping", "stopped"]);
  expect(events[0]).toMatchObject({ pid: worker.process.pid, taskQueues: ["a", "b"], workflows: expect.arrayContaining(["greet@1", "order@1"]) as string[] });
});

test("a file of steps for another queue is a worker of theirs", async () => {
  await project.write({
    "steps.ts": `import { defineWorkflow, step } from "pawl";
export const embed = step("embed", async (text: string) => text.length, { taskQueue: "gpu" });`,
    "ingest.ts": `import { defineWorkflow } from "pawl";
import { embed } from "./steps.ts";
export const ingest = defineWorkflow({ name: "ingest", run: async (_ctx, text: string) => embed(text) });`,
  });
  const gpu = project.start(["worker", "steps.ts"]);
  const worker = project.start(["worker", "ingest.ts"]);
  await Promise.all([gpu.printed("ready: step embed on gpu"), worker.printed("ready: ingest@1 on default")]);
  expect(await (await pawl.start("ingest", "abc")).result()).toBe(3);
  for (const { process } of [gpu, worker]) process.kill("SIGINT");
  await Promise.all([gpu.outcome, worker.outcome]);
}, 60_000);

test("a second signal ends it at once, and another worker goes on with the execution", async () => {
  const worker = project.start(["worker", "workflows.ts"]);
  await worker.printed("ready: ");
  const handle = await pawl.start("slow", undefined, { executionId: "left" });
  await stepStarted("left");
  worker.process.kill("SIGINT");
  await worker.printed("stopping");
  // What comes at once is the same Ctrl-C passed on by a wrapper such as npm.
  worker.process.kill("SIGINT");
  await wait(700);
  expect(worker.process.exitCode).toBeNull();
  worker.process.kill("SIGINT");
  expect(await worker.outcome).toMatchObject({ code: 130 });
  const next = project.start(["worker", "workflows.ts"]);
  await next.printed("ready: ");
  expect(await handle.result({ timeout: "20s" })).toBe("done");
  next.process.kill("SIGINT");
  await next.outcome;
}, 40_000);

test("--url and DATABASE_URL name the database, and --dir wins over the environment", async () => {
  const embedded = await openEmbedded({ directory: join(project.directory, ".pawl") });
  const nowhere = { DATABASE_URL: "postgres://127.0.0.1:1/nowhere" };
  const [given, local] = await Promise.all([
    project.start(["list", "--url", embedded.url, "--json"], nowhere).outcome,
    project.start(["list", "--dir", ".pawl", "--json"], nowhere).outcome,
  ]);
  expect(given.code).toBe(0);
  expect(local).toEqual(given);
  await embedded.close();
});

test("a database that cannot be reached is exit code 3", async () => {
  const target = ["--url", "postgres://user:secret@127.0.0.1:1/nowhere"];
  const [list, doctor] = await Promise.all([project.pawl("list", ...target), project.pawl("doctor", ...target)]);
  expect(list).toMatchObject({ code: 3, stdout: "" });
  expect(list.stderr).toMatch(/error: No database at 127\.0\.0\.1:1\/nowhere .*\[DATABASE_UNREACHABLE\]/);
  expect(list.stderr + doctor.stdout).not.toContain("secret");
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toMatch(/^fail +database .*\n +→ /m);
}, 30_000);
