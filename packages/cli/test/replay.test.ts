import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";

/** The same workflow with another body; `version` makes another one beside it. */
const file = (body: string, version = "1"): string => `
import { defineWorkflow } from "pawl";
export const greet = defineWorkflow({ name: "greet", version: "${version}", run: async (ctx, input: { name: string }) => { ${body} } });
export const nap = defineWorkflow({ name: "nap", run: (ctx) => ctx.sleep("1h") });
`;
const first = `await ctx.step("look", () => 10n); return ctx.step("say", () => \`Hello \${input.name}\`);`;

/** Continues in its second version, where the step may have another name. */
const moves = (step: string): string => `
import { defineWorkflow } from "pawl";
const moves = (version: string, run: (ctx: any) => Promise<unknown>) => defineWorkflow({ name: "moves", version, run });
export const first = moves("1", async (ctx) => ctx.continueAsNew(await ctx.step("count", () => 1n), { version: "2" }));
export const second = moves("2", (ctx) => ctx.step("${step}", () => "there"));
`;

let project: Project;
let histories: string;

beforeAll(async () => {
  project = await makeProject();
  histories = join(project.directory, "histories");
  await mkdir(join(histories, "more"), { recursive: true });
  await project.write({
    "package.json": '{"type":"module"}',
    "workflows.ts": file(first),
    "renamed.ts": file(first.replace('"say"', '"speak"')),
    "newer.ts": file(first, "2"),
    "two.ts": `
import { defineWorkflow } from "pawl";
const make = (version: string) => defineWorkflow({ name: "two", version, run: (ctx) => ctx.step("say", () => version) });
export const one = make("1");
export const two = make("2");
`,
    "moves.ts": moves("say"),
    "moved-on.ts": moves("tell"),
    "broken.json": '{"executionId":"x","events":[]}',
  });
  const pawl = await project.open();
  const worker = project.start(["worker", "workflows.ts"]);
  const other = project.start(["worker", "two.ts"]);
  const third = project.start(["worker", "moves.ts"]);
  await Promise.all([worker.printed("ready:"), other.printed("ready:"), third.printed("ready:")]);
  await pawl.execute("moves", undefined, { executionId: "moves", version: "1" });
  for (const [id, version] of [
    ["first", "1"],
    ["second", "2"],
    ["third", "2"],
  ] as const) {
    await pawl.execute("two", undefined, { executionId: id, version });
  }
  for (const { process, outcome } of [other, third]) {
    process.kill("SIGINT");
    await outcome;
  }
  await pawl.execute("greet", { name: "Ann" }, { executionId: "ann" });
  await pawl.start("nap", undefined, { executionId: "nap" });
  while ((await pawl.handle("nap").status()).waitingFor === null) await new Promise((resolve) => setImmediate(resolve));
  for (const [id, path] of [
    ["ann", "ann.json"],
    ["nap", "more/nap.json"],
  ] as const) {
    const { stdout } = await project.pawl("history", id, "--json");
    await writeFile(join(histories, path), stdout);
  }
  worker.process.kill("SIGINT");
  await worker.outcome;
});

afterAll(async () => project.remove());

test("a recorded history is whole: values that JSON cannot hold stand in it for people and for the replay", async () => {
  const { namespace, workflow, version, events } = JSON.parse(await readFile(join(histories, "ann.json"), "utf8")) as {
    readonly namespace: string;
    readonly workflow: string;
    readonly version: string;
    readonly events: readonly Record<string, unknown>[];
  };
  expect({ namespace, workflow, version }).toEqual({ namespace: "default", workflow: "greet", version: "1" });
  expect(events[1]).toMatchObject({ type: "StepCompleted", name: "look", result: "10", "result#": expect.stringMatching(/^#/) });
});

test("histories that still fit are exit code 0, also below directories", async () => {
  const { code, stdout } = await project.pawl("replay", "workflows.ts", "histories");
  expect(stdout).toMatch(/^fits +ann +greet@1 +4 events +completed \(.*ann\.json\)$/m);
  expect(stdout).toMatch(/^fits +nap +nap@1 +2 events +next: sleep\(3600000 ms\) \(.*nap\.json\)$/m);
  expect(stdout).toMatch(/^2 of 2 histories fit\.$/m);
  expect(code).toBe(0);
});

test("an exported execution is replayed run by run", async () => {
  const { stdout } = await project.pawl("export", "moves");
  await writeFile(join(project.directory, "moves.json"), stdout);
  const both = await project.pawl("replay", "moves.ts", "moves.json");
  expect(both.stdout).toMatch(/^fits +moves +moves@1 +3 events +continued_as_new \(moves\.json\)$/m);
  expect(both.stdout).toMatch(/^fits +moves +moves@2 +3 events +completed \(moves\.json\)$/m);
  expect(both.code).toBe(0);
  const changed = await project.pawl("replay", "moved-on.ts", "moves.json");
  expect(changed.stdout).toMatch(/^fits +moves +moves@1 /m);
  expect(changed.stdout).toMatch(/^fits not +moves +moves@2 .* the history has step "say", the code made step "tell"/m);
  expect(changed.code).toBe(1);
  const document = JSON.parse(stdout) as { readonly runs: { events: { at: unknown }[] }[] };
  document.runs[1]!.events[1]!.at = "today";
  await writeFile(join(project.directory, "wrong.json"), JSON.stringify(document));
  const wrong = await project.pawl("replay", "moves.ts", "wrong.json");
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/wrong\.json: runs\[1\]\.events\[1\]\.at: must be a time/);
});

test("one that no longer fits is exit code 1 and names both sides", async () => {
  const { code, stdout } = await project.pawl("replay", "renamed.ts", "histories/more/nap.json", "histories/ann.json");
  expect(stdout).toMatch(/^fits not +ann .* at durable call 2: the history has step "say", the code made step "speak"/m);
  expect(stdout).toMatch(/^1 of 2 histories fit\.$/m);
  expect(code).toBe(1);
});

test("a version that the file has no more does not fit either", async () => {
  const { code, stdout } = await project.pawl("replay", "newer.ts", "histories/ann.json", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    histories: [{ executionId: "ann", fits: false, detail: 'the file has "greet" only in version "2"' }],
  });
});

test("executions of the database are replayed where they are", async () => {
  const [all, running, renamed] = await Promise.all([
    project.pawl("replay", "workflows.ts", "--from-database"),
    project.pawl("replay", "workflows.ts", "--from-database", "--state", "running", "--limit", "5"),
    project.pawl("replay", "renamed.ts", "--from-database"),
  ]);
  expect(all).toMatchObject({ code: 0, stdout: expect.stringContaining("2 of 2 histories fit.") });
  expect(running).toMatchObject({ code: 0, stdout: expect.stringMatching(/^fits +nap .*\n1 of 1 histories fit\.\n$/) });
  expect(renamed.code).toBe(1);
});

test("every version that the file has gets its verdicts, however many newer ones of another there are", async () => {
  const { code, stdout } = await project.pawl("replay", "two.ts", "--from-database", "--limit", "1");
  expect(stdout).toMatch(/^fits +first +two@1 /m);
  expect(stdout).toMatch(/^fits +third +two@2 /m);
  expect(stdout).toMatch(/^not replayed: 1 of two@2 \(older than those; raise --limit\)$/m);
  expect(stdout).toMatch(/^2 of 2 histories fit\.$/m);
  expect(code).toBe(0);
});

test("a database without any execution to replay is exit code 2, unless that is allowed", async () => {
  const elsewhere = await project.pawl("replay", "workflows.ts", "--from-database", "--namespace", "elsewhere");
  expect(elsewhere).toMatchObject({ code: 2, stdout: "" });
  expect(elsewhere.stderr).toMatch(/Namespace "elsewhere" has no execution of greet@1, nap@1: nothing was replayed\. Check --namespace.*\[NO_HISTORIES\]/s);
  const newer = await project.pawl("replay", "newer.ts", "--from-database", "--state", "completed");
  expect(newer.code).toBe(2);
  expect(newer.stderr).toContain("that is completed: nothing was replayed. There are only greet@1.");
  expect(await project.pawl("replay", "newer.ts", "--from-database", "--state", "completed", "--allow-none", "--json")).toMatchObject({
    code: 0,
    stdout: `${JSON.stringify({
      ok: true,
      histories: [],
      notReplayed: [{ workflow: "greet", version: "1", executions: 1, reason: "the file does not have that version" }],
    })}\n`,
  });
});

test.each([
  [["replay", "workflows.ts"], /Give files or directories of histories, or --from-database/],
  [["replay", "workflows.ts", "histories", "--from-database"], /not both/],
  [["replay", "workflows.ts", "histories", "--limit", "3"], /add --from-database/],
  [["replay", "workflows.ts", "node_modules/.none"], /cannot be read/],
  [["replay", "workflows.ts", "broken.json"], /broken\.json: events: must be a list of at least one event.*\[HISTORY_INVALID\]/],
])("%j is wrong input: exit code 2", async (args, message) => {
  const { code, stdout, stderr } = await project.pawl(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(message);
});
