import type { Pawl } from "pawl";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let pawl: Pawl;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile, "input.json": '{ "name": "File" }' });
});

afterAll(() => project.remove());

describe("start --file --wait", () => {
  test("is a hello world in an empty directory: it makes the database, runs the workflow and stops everything", async () => {
    const { code, stdout, stderr } = await project.pawl("start", "greet", "--file", "workflows.ts", "--input", '{"name":"Ann"}', "--wait");
    expect({ code, stdout }).toEqual({ code: 0, stdout: '"Hello Ann"\n' });
    expect(stderr).toContain("Creating the embedded PostgreSQL");
    pawl = await project.open();
  });

  test("runs workflows made with standard decorators, whose steps are durable", async () => {
    const result = await project.json("start", "order", "--file", "workflows.ts", "--input", '{"amount":21}', "--id", "order-1", "--wait");
    expect(result).toMatchObject({ executionId: "order-1", workflow: "order", state: "completed", result: 42 });
    expect((await pawl.handle("order-1").history()).map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: "StepCompleted", name: "charge" }),
    );
  });

  test("is exit code 1 when the execution fails, in both forms", async () => {
    const text = await project.pawl("start", "failing", "--file", "workflows.ts", "--id", "f", "--wait");
    expect(text).toMatchObject({ code: 1, stdout: "" });
    expect(text.stderr).toContain("[EXECUTION_FAILED]");
    expect(text.stderr).not.toContain("\u001b");
    const json = await project.pawl("start", "failing", "--file", "workflows.ts", "--id", "f", "--wait", "--json");
    expect(json).toMatchObject({ code: 1, stderr: "" });
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "failed", error: { code: "EXECUTION_FAILED", cause: { name: "TypeError" } } });
  });

  test("is exit code 1 when its time is over, with a row on stdout in JSON", async () => {
    const { code, stdout, stderr } = await project.pawl("start", "late", "--file", "workflows.ts", "--id", "late", "--wait", "--json");
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ executionId: "late", state: "timed_out", error: { code: "EXECUTION_TIMED_OUT" } });
  });

  test("leaves the execution resumable when it is interrupted, with exit code 130", async () => {
    const running = project.start(["start", "sleeper", "--file", "workflows.ts", "--id", "interrupted", "--wait"]);
    await expect.poll(async () => (await pawl.list({ workflow: "sleeper" })).executions.length, { timeout: 120_000 }).toBe(1);
    running.process.kill("SIGINT");
    const { code, stdout, stderr } = await running.outcome;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("pawl show interrupted");
    expect(await pawl.handle("interrupted").status()).toMatchObject({ state: expect.stringMatching(/pending|running/) as string, workerId: null });
  });
});

describe("start", () => {
  test("prints only the id, and starting the same id again gives the same execution", async () => {
    const args = ["start", "greet", "--file", "workflows.ts", "--id", "same", "--input", '{"name":"A"}', "--delay", "1h"];
    expect(await project.pawl(...args)).toMatchObject({ code: 0, stdout: "same\n" });
    const { runId } = await pawl.handle("same").status();
    expect(await project.json(...args)).toEqual({ executionId: "same", runId, workflow: "greet", version: "1", state: "pending" });
  });

  test("takes the highest version of the file, and a timeout", async () => {
    await project.write({
      "versions.ts": `
import { defineWorkflow } from "pawl";
const nap = (version: string) => defineWorkflow({ name: "nap", version, run: async () => version });
export const all = [nap("9"), nap("10"), nap("1")];
`,
    });
    const started = await project.json("start", "nap", "--file", "versions.ts", "--id", "nap", "--delay", "1h", "--timeout", "90s");
    expect(started).toMatchObject({ version: "10" });
    expect((await pawl.handle("nap").history())[0]!.event).toMatchObject({ timeoutMs: 90_000, delayMs: 3_600_000 });
    expect((await project.pawl("start", "nap", "--file", "versions.ts", "--version", "9", "--wait")).stdout).toBe('"9"\n');
    const wrong = await project.pawl("start", "nap", "--file", "versions.ts", "--timeout", "soon");
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/timeout.*\[OPTION_INVALID\]/s);
  });

  test("takes input from a file and from stdin", async () => {
    expect((await project.pawl("start", "greet", "--file", "workflows.ts", "--input", "@input.json", "--wait")).stdout).toBe('"Hello File"\n');
    const piped = project.start(["start", "greet", "--file", "workflows.ts", "--input", "-", "--wait"]);
    piped.process.stdin.end('{"name":"Pipe"}');
    expect((await piped.outcome).stdout).toBe('"Hello Pipe"\n');
  });

  test("names the position where the input stops being JSON", async () => {
    const { code, stderr } = await project.pawl("start", "greet", "--input", '{"name": Ann}');
    expect(code).toBe(2);
    expect(stderr).toBe('error: --input is not JSON: at position 9 (line 1, column 10) there is "Ann}" instead of a value. [INPUT_NOT_JSON]\n');
    await project.write({ "bad.json": '{\n  "name": "x",\n}' });
    const file = await project.pawl("start", "greet", "--input", "@bad.json", "--json");
    expect(JSON.parse(file.stderr)).toMatchObject({ error: { code: "INPUT_NOT_JSON", message: expect.stringContaining("line 3, column 1") as string } });
  });

  test("with --debounce or --batch, several starts become one execution", async () => {
    await project.write({
      "merged.ts": `
import { defineWorkflow } from "pawl";
export const rebuild = defineWorkflow({ name: "rebuild", run: async (_ctx, input: unknown) => input });
`,
    });
    const rebuild = (input: string, ...flags: string[]) => project.json<object>("start", "rebuild", "--file", "merged.ts", "--input", input, ...flags);
    const draft = await rebuild('"draft"', "--debounce", "site", "--period", "1h", "--max-wait", "2h");
    expect(await rebuild('"final"', "--debounce", "site", "--period", "1s", "--max-wait", "1s", "--wait")).toEqual({
      ...draft,
      state: "completed",
      result: "final",
    });
    const first = await rebuild("[1]", "--batch", "all", "--size", "2", "--window", "1h");
    expect(await rebuild("[2,3]", "--batch", "all", "--size", "2", "--window", "1h", "--wait")).toEqual({ ...first, state: "completed", result: [1, 2, 3] });
  });

  test.each([
    [["--period", "1s"], /--period belongs to --debounce <key>: give that, too\./],
    [["--debounce", "site"], /--debounce needs --period: give --period\./],
    [["--batch", "all", "--window", "1m"], /--batch needs --size and --window: give --size\./],
    [["--batch", "all", "--size", "2", "--window", "1m", "--id", "x"], /batch: cannot be combined with executionId/],
  ])("%j is refused", async (flags, message) => {
    const { code, stdout, stderr } = await project.pawl("start", "greet", "--file", "workflows.ts", "--input", "[1]", ...flags);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toContain("[OPTION_INVALID]");
  });

  test("by name without a live worker says how to get one", async () => {
    const { code, stderr } = await project.pawl("start", "greet");
    expect(code).toBe(2);
    expect(stderr).toMatch(/No live worker has workflow "greet"\. .*pawl worker <file>.*--file/);
  });

  test("names the workflows that the file has", async () => {
    const { code, stderr } = await project.pawl("start", "great", "--file", "workflows.ts");
    expect(code).toBe(2);
    expect(stderr).toMatch(/workflows\.ts has no workflow "great"\. It has .*greet@1/);
  });
});

describe("files", () => {
  const file = (text: string) => `import { defineWorkflow, step } from "pawl";\n${text}`;
  const hello =
    'const say = step("say", async (name: string) => "Hello " + name);\nexport const hello = defineWorkflow({ name: "hello", run: (_ctx, input: string) => say(input) });';

  test.each([
    ["a TypeScript file of a CommonJS project", "commonjs", "hello.ts"],
    ["a .cts file", "module", "hello.cts"],
    ["a .mts file", "commonjs", "hello.mts"],
  ])("%s loads, and its steps are durable", async (_what, type, name) => {
    await project.write({ "package.json": JSON.stringify({ type }), [name]: file(hello) });
    try {
      expect(await project.json("start", "hello", "--file", name, "--input", '"Ann"', "--id", name, "--wait")).toMatchObject({ result: "Hello Ann" });
      expect((await pawl.handle(name).history()).map(({ event }) => event.type)).toContain("StepCompleted");
    } finally {
      await project.write({ "package.json": '{"type":"module"}' });
    }
  });

  test.each([
    [
      "exports no workflow",
      "none.ts",
      "export const limit = 3; export default class Foo {}; export const go = () => 1;",
      /none\.ts exports no workflow\. Found: default \(class\), go \(function\), limit \(number\)\./,
    ],
    ["has a syntax error", "syntax.ts", "export const x: number = ;", /syntax\.ts cannot be loaded: .*1:25/s],
    ["throws", "throws.ts", 'throw new Error("no key")', /throws\.ts cannot be loaded: no key/],
    ["lacks a package", "lacks.ts", 'import "not-installed";', /lacks\.ts cannot be loaded: .*not-installed/],
    ["does not exist", "missing.ts", undefined, /There is no file missing\.ts/],
  ])("a file that %s is a clear error without a stack", async (_what, name, text, message) => {
    if (text !== undefined) await project.write({ [name]: text });
    const { code, stderr } = await project.pawl("worker", name);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
