import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;

beforeAll(async () => {
  project = await makeProject();
});

afterAll(() => project.remove());

test.each([
  [["lsit"], /unknown command 'lsit'.*Did you mean list/s],
  [["list", "--stat", "failed"], /unknown option '--stat'.*Did you mean --state/s],
  [["show"], /missing required argument 'id'/],
  [["list", "--limit", "many"], /'--limit <n>' argument 'many' is invalid\. It must be a whole number\./],
  [["list", "extra"], /too many arguments/],
])("%j is wrong usage: exit code 2 and no stack", async (args, message) => {
  const [text, json] = await Promise.all([project.pawl(...args), project.pawl("--json", ...args)]);
  expect(text).toMatchObject({ code: 2, stdout: "" });
  expect(text.stderr).toMatch(message);
  expect(text.stderr).toMatch(/^error: .*\[USAGE\]\n$/s);
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "USAGE" } });
});

test("a wrong date is exit code 2", async () => {
  expect(await project.pawl("list", "--since", "2026-99-99")).toMatchObject({ code: 2 });
  expect(await project.pawl("list", "--since", "yesterday")).toMatchObject({ code: 2 });
});

test.each([
  [["bulk", "rollback", "--filter", 'state == "failed"', "--to", "7"], /--to: 7 is the number of a checkpoint of one execution\. .*1 .*name of a step.*latest/],
  [["bulk", "fork", "--filter", 'state == "failed"', "--from", "12"], /--from: 12 is the number/],
  [["value", "cart-7", "status", "--timeout", "10s"], /--timeout .* --wait/],
  [["list", "--url", ""], /--url is empty\..* \[OPTION_INVALID\]/s],
  [["migrate", "--url", ""], /--url is empty\./],
  [["worker", "workflows.ts", "--drain", "soon"], /--drain: "soon" has no number/],
])("%j is refused before anything is opened", async (args, message) => {
  const { code, stderr } = await project.pawl(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as string });
  expect(stderr).toContain("[OPTION_INVALID]");
});

test("looking where there is no database creates none", async () => {
  await project.write({ "workflows.ts": workflowsFile });
  const query = ["query", "cart-7", "items", "--file", "workflows.ts"];
  const [list, doctor, verify, asked] = await Promise.all([project.pawl("list"), project.pawl("doctor"), project.pawl("verify"), project.pawl(...query)]);
  expect(list.code).toBe(3);
  expect(verify.code).toBe(3);
  expect(asked.code).toBe(3);
  expect(list.stderr).toMatch(/There is no embedded database in \.pawl\. .*--dir.*--url/);
  expect(doctor.code).toBe(1);
  expect(await readdir(project.directory)).toEqual(["node_modules", "workflows.ts"]);
});

test("every command has help with an example", async () => {
  const names = [
    "worker",
    "start",
    "list",
    "count",
    "queue",
    "retention",
    "export",
    "import",
    "show",
    "history",
    "cancel",
    "terminate",
    "resume",
    "schedule",
    "signal",
    "update",
    "query",
    "value",
    "stream",
    "replay",
    "migrate",
    "doctor",
    "verify",
  ];
  const helps = await Promise.all(names.map((name) => project.pawl(name, "--help")));
  for (const [index, { code, stdout }] of helps.entries()) {
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: pawl ${names[index]}`);
    expect(stdout).toMatch(/Examples:\n +# .*\n +.*pawl /);
    expect(stdout).toContain("--json");
  }
});

test("every command of schedule has help with an example", async () => {
  const names = ["create", "update", "list", "show", "pause", "resume", "trigger", "backfill", "stop-backfills", "delete"];
  const helps = await Promise.all(names.map((name) => project.pawl("schedule", name, "--help")));
  for (const [index, { code, stdout }] of helps.entries()) {
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: pawl schedule ${names[index]}`);
    expect(stdout).toMatch(/Examples:\n +# .*\n +pawl schedule /);
    expect(stdout).toContain("--json");
  }
});

test("--version prints the version", async () => {
  expect((await project.pawl("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
