import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let url: string;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  url = await project.holdDatabase();
}, 60_000);

afterAll(() => project.remove(), 30_000);

test("a worker that gets SIGINT lets its running step finish and ends with exit code 0", async () => {
  const worker = project.start(["worker", "workflows.ts", "--concurrency", "2"]);
  await worker.printed("ready: ");
  await project.pawl("start", "slow", "--id", "drained");
  await expect.poll(async () => project.json("show", "drained"), { timeout: 10_000 }).toMatchObject({ steps: [{ name: "think", state: "running" }] });
  worker.process.kill("SIGINT");
  const { code, stdout } = await worker.outcome;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ready: .*\nstopping on SIGINT: 1 running, .*\nstopped\n$/);
  expect(await project.json("show", "drained")).toMatchObject({ state: "completed", result: "done" });
}, 30_000);

test("with --json it prints one JSON object per line", async () => {
  const worker = project.start(["worker", "workflows.ts", "--json", "--queue", "a", "--queue", "b"]);
  await worker.printed('"ready"');
  worker.process.kill("SIGTERM");
  const { code, stdout } = await worker.outcome;
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(code).toBe(0);
  expect(events.map(({ event }) => event)).toEqual(["ready", "stopping", "stopped"]);
  expect(events[0]).toMatchObject({ pid: worker.process.pid, taskQueues: ["a", "b"], workflows: expect.arrayContaining(["greet@1", "order@1"]) as string[] });
});

test("a second signal ends it at once, and another worker goes on with the execution", async () => {
  const worker = project.start(["worker", "workflows.ts"]);
  await worker.printed("ready: ");
  await project.pawl("start", "slow", "--id", "left");
  await expect.poll(async () => project.json("show", "left"), { timeout: 10_000 }).toMatchObject({ steps: [{ state: "running" }] });
  worker.process.kill("SIGINT");
  await worker.printed("stopping");
  worker.process.kill("SIGINT");
  expect(await worker.outcome).toMatchObject({ code: 130 });
  // The worker's row says that it lives until its neighbours notice: --file would then wait for it.
  const next = project.start(["worker", "workflows.ts"]);
  await next.printed("ready: ");
  await expect.poll(async () => project.json<{ state: string }>("show", "left"), { timeout: 20_000 }).toMatchObject({ state: "completed" });
  next.process.kill("SIGINT");
  await next.outcome;
}, 40_000);

test("--url and DATABASE_URL name the database, and --dir wins over the environment", async () => {
  const nowhere = { DATABASE_URL: "postgres://127.0.0.1:1/nowhere" };
  const [given, embedded] = await Promise.all([project.start(["list", "--url", url, "--json"], nowhere).outcome, project.start(["list", "--dir", ".pawl", "--json"], nowhere).outcome]);
  expect(given.code).toBe(0);
  expect(embedded).toEqual(given);
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
