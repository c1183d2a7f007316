import type { Pawl } from "pawl";
import { openEmbedded, type EmbeddedPostgres, type VerifyReport } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { execute } from "../../pawl/test/support/database.ts";
import { makeProject, type Project, type Running } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let worker: Running;
let pawl: Pawl;
let server: EmbeddedPostgres;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  pawl = await project.open();
  server = await openEmbedded({ directory: `${project.directory}/.pawl` });
  worker = project.start(["worker", "workflows.ts"]);
  await worker.printed("ready:");
  for (const name of ["ann", "bob"]) await pawl.execute("greet", { name }, { executionId: name });
  await pawl.execute("family", undefined, { executionId: "family" });
});

afterAll(async () => {
  worker.process.kill("SIGINT");
  await worker.outcome;
  await server.close();
  await project.remove();
});

const breaking = "UPDATE pawl.executions SET state = 'failed' WHERE execution_id = 'ann'";
const mending = "UPDATE pawl.executions SET state = 'completed' WHERE execution_id = 'ann'";

test("says of each invariant whether it holds or why it was not checked, while a worker runs", async () => {
  const { code, stdout, stderr } = await project.pawl("verify");
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.filter((line) => /^I\d+ +(holds|not checked) +\S/.test(line))).toHaveLength(28);
  expect(stdout).toMatch(/^I2 +holds +Histories are whole and in order +\d+ looked at$/m);
  expect(stdout).toMatch(/^I9 +not checked +What was acknowledged is there +needs an operation log/m);
  expect(lines.slice(-2)).toEqual(["Every promise that was checked holds.", expect.stringMatching(/^Looked at 4 executions, 4 runs, \d+ events\.$/)]);
  expect(stdout).not.toContain("\u001b");
});

test("says plainly that a limit left out something", async () => {
  expect((await project.pawl("verify", "--limit", "1")).stdout).toMatch(
    /\nLooked at the newest 1 executions, .* Older executions were left out \(--limit\)\.\n$/,
  );
  expect((await project.pawl("verify", "--limit", "4")).stdout).toMatch(/\nLooked at 4 executions, /);
});

test("names what is broken, in text and in JSON, with exit code 1", async () => {
  await execute(server.url, breaking);
  try {
    const [text, colour, report] = await Promise.all([
      project.pawl("verify"),
      project.start(["verify"], { FORCE_COLOR: "1" }).outcome,
      project.json<VerifyReport>("verify"),
    ]);
    expect(text.code).toBe(1);
    expect(text.stdout).toMatch(
      /^I1 +violated +What has ended never changes +1 violations\n +ann, run [0-9a-f-]+: its row says failed, its history completed$/m,
    );
    expect(text.stdout).toMatch(/^Broken promises/m);
    expect(colour.stdout).toContain("\u001b[31mviolated");
    expect(report).toMatchObject({ holds: false, scope: { executions: 4, complete: true } });
    expect(report.invariants.filter(({ verdict }) => verdict === "violated")).toEqual([
      {
        invariant: "I1",
        title: "What has ended never changes",
        verdict: "violated",
        checked: 4,
        evidence: [{ executionId: "ann", runId: expect.any(String) as string, detail: "its row says failed, its history completed" }],
        violations: 1,
        remarks: [],
      },
    ]);
    expect((await project.pawl("verify", "--json")).code).toBe(1);
  } finally {
    await execute(server.url, mending);
  }
});

test("compares operation logs and effect ledgers, several files of each", async () => {
  const operation = (n: number, phase: string, executionId: string) =>
    `${JSON.stringify({ process: "p", n, at: n, phase, operation: "start", workflow: "greet", executionId })}\n`;
  const logOf = (n: number, executionId: string) => operation(n, "invoke", executionId) + operation(n, "ok", executionId);
  const effect = (executionId: string) => `${JSON.stringify({ key: `${executionId}/say/1`, executionId, attempt: 1, pid: 1, phase: "begin", at: 1 })}\n`;
  await project.write({
    "one.jsonl": logOf(1, "ann") + logOf(2, "bob"),
    "two.jsonl": logOf(3, "family"),
    "lost.jsonl": logOf(4, "never-seen"),
    "effects.jsonl": effect("ann") + effect("bob") + effect("family.1"),
    "broken.jsonl": `${effect("ann")}{"key":7}\n`,
  });
  const [good, lost, effects, broken, missing] = await Promise.all([
    project.pawl("verify", "--log", "one.jsonl", "two.jsonl", "--effects", "effects.jsonl"),
    project.pawl("verify", "--log", "one.jsonl", "--log", "two.jsonl", "lost.jsonl"),
    project.pawl("verify", "--effects", "effects.jsonl", "--namespace", "other"),
    project.pawl("verify", "--effects", "broken.jsonl"),
    project.pawl("verify", "--log", "nowhere.jsonl"),
  ]);
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(good.stdout).toMatch(/^I9 +holds .* 3 looked at$/m);
  expect(good.stdout).toMatch(/^I7 +holds /m);
  expect(lost.code).toBe(1);
  expect(lost.stdout).toMatch(/^I9 +violated .*\n +never-seen: start p\/4 was acknowledged, there is no such execution$/m);
  expect(effects.code).toBe(0);
  expect(broken).toMatchObject({ code: 2, stdout: "", stderr: 'error: broken.jsonl line 2: "key" must be a text that is not empty [OPTION_INVALID]\n' });
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(/^error: nowhere\.jsonl cannot be read: .* \[INPUT_NOT_READ\]\n$/);
});

test("a database that cannot be reached is exit code 3, a wrong option 2, a schema that is not there 1", async () => {
  const [unreachable, limit, schema] = await Promise.all([
    project.pawl("verify", "--url", "postgres://127.0.0.1:1/none"),
    project.pawl("verify", "--limit", "0"),
    project.pawl("verify", "--schema", "elsewhere"),
  ]);
  expect(unreachable.code).toBe(3);
  expect(unreachable.stderr).toMatch(/\[DATABASE_UNREACHABLE\]\n$/);
  expect(limit.code).toBe(2);
  expect(schema.code).toBe(1);
  expect(schema.stderr).toMatch(/\[SCHEMA_OUTDATED\]\n$/);
});
