import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import type { Pawl } from "pawl";
import { openEmbedded } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Outcome, type Project } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let pawl: Pawl;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  pawl = await project.open();
});

afterAll(() => project.remove());

const talkingFile = `import { defineWorkflow } from "pawl";
export const talking = defineWorkflow({
  name: "talking",
  retry: { maximumAttempts: 2, initialInterval: 10 },
  async run(ctx) {
    ctx.log.info("begins");
    await ctx.step("try", ({ log, attempt }) => {
      log.warn("once\\u001b[31m");
      if (attempt === 1) throw new Error("hoarse");
    });
  },
});`;

function linesOf(stderr: string): readonly Record<string, unknown>[] {
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Long steps are announced in the history. */
async function stepStarted(executionId: string): Promise<void> {
  await expect.poll(async () => (await pawl.handle(executionId).history()).map(({ event }) => event.type), { timeout: 120_000 }).toContain("StepStarted");
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
});

/** An SDK whose exporters write to a file, and only when they are told to. */
const sdkFile = `import { appendFileSync } from "node:fs";
import { metrics, trace } from "@opentelemetry/api";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
const write = (names, done) => {
  for (const name of names) appendFileSync("exported.txt", name + "\\n");
  done({ code: 0 });
};
const ended = { forceFlush: async () => {}, shutdown: async () => {} };
const spans = { ...ended, export: (all, done) => write(all.map(({ name, attributes }) => name + " " + attributes["pawl.execution_id"]), done) };
const measured = { ...ended, export: ({ scopeMetrics }, done) => write(scopeMetrics.flatMap(({ metrics }) => metrics.map(({ descriptor }) => descriptor.name)), done) };
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(spans, { scheduledDelayMillis: 1e8 })] }));
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 1e8 })] }));`;

test("with an OpenTelemetry SDK that node --import has set up it sends traces and metrics, the last of them before it ends", async () => {
  const own = await makeProject();
  try {
    await symlink(fileURLToPath(new URL("../../../node_modules/@opentelemetry", import.meta.url)), join(own.directory, "node_modules/@opentelemetry"));
    await own.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile, "otel.js": sdkFile });
    const client = await own.open();
    const worker = own.start(["worker", "workflows.ts"], { NODE_OPTIONS: "--import ./otel.js" });
    await worker.printed("ready: ");
    await (await client.start("greet", { name: "Ann" }, { executionId: "traced" })).result();
    worker.process.kill("SIGTERM");
    expect(await worker.outcome).toMatchObject({ code: 0, stderr: "" });
    const exported = (await readFile(join(own.directory, "exported.txt"), "utf8")).trim().split("\n");
    expect(exported).toEqual(expect.arrayContaining(["step say traced", "execution greet traced", "pawl.claim.executions", "pawl.commit.duration"]));
  } finally {
    await own.remove();
  }
});

/** An SDK that brings an API of its own, which the library does not see. */
const foreignSdkFile = `import { register } from "node:module";
globalThis[Symbol.for("opentelemetry.js.api.1")] = { version: "1.10.0", trace: {} };
register("data:text/javascript," + encodeURIComponent(\`export function resolve(name, context, next) {
  if (name === "@opentelemetry/api") throw new Error("Cannot find package '@opentelemetry/api'");
  return next(name, context);
}\`));`;

test("with an SDK but without the OpenTelemetry API beside it, it says so and works", async () => {
  await project.write({ "foreign.js": foreignSdkFile });
  const worker = project.start(["worker", "workflows.ts"], { NODE_OPTIONS: "--import ./foreign.js" });
  await worker.printed("ready: ");
  expect(await (await pawl.start("greet", { name: "Ann" })).result()).toBe("Hello Ann");
  worker.process.kill("SIGTERM");
  const { code, stderr } = await worker.outcome;
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/An OpenTelemetry SDK is registered, but .*'@opentelemetry\/api'\. Install @opentelemetry\/api beside the file\./) as string,
  });
});

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

test("with --log-format json every line on stderr is an object with the ids that it is about, and stdout is left to --json", async () => {
  await project.write({ "talking.ts": talkingFile });
  const worker = project.start(["worker", "talking.ts", "--log-format", "json"]);
  await worker.told('"event":"ready"');
  const handle = await pawl.start("talking", undefined, { executionId: "talking" });
  await handle.result();
  worker.process.kill("SIGTERM");
  const { code, stdout, stderr } = await worker.outcome;
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  const lines = linesOf(stderr);
  for (const line of lines) expect(line).toMatchObject({ time: expect.stringMatching(/^\d{4}-.*Z$/) as string, pid: worker.process.pid });
  const about = { executionId: "talking", runId: handle.runId, workflow: "talking" };
  const said = lines.map(({ time: _time, pid: _pid, hostname: _hostname, message, ...fields }) => ({ ...fields, message }));
  expect(said).toEqual([
    { level: "info", message: expect.stringMatching(/^embedded PostgreSQL opened; its data is in .*\.pawl$/) as string },
    expect.objectContaining({ level: "info", event: "ready", workflows: ["talking@1"], taskQueues: ["default"] }),
    { level: "info", ...about, message: "begins" },
    { level: "warn", ...about, step: "try", attempt: 1, message: "once\u001b[31m" },
    { level: "warn", ...about, step: "try", attempt: 2, message: "once\u001b[31m" },
    expect.objectContaining({ level: "info", event: "stopping", signal: "SIGTERM" }),
    expect.objectContaining({ level: "info", event: "stopped" }),
  ]);
});

test("--log-level says what is logged, as text and as JSON, and how a command ends is always told", async () => {
  // One after the other: a worker of one would take the execution of another.
  const start = (...options: string[]): Promise<Outcome> => project.pawl("start", "talking", "--file", "talking.ts", "--wait", ...options);
  const usual = await start();
  const more = await start("--log-level", "info");
  const less = await start("--log-format", "json", "--log-level", "error");
  const none = await start("--log-level", "silent");
  const refused = await project.pawl("show", "nobody", "--log-format=json", "--log-level=silent");
  const wrong = await project.pawl("list", "--log-level", "loud");
  expect(usual.stderr).toMatch(/^talking \S+\nwarning: once \(executionId=.* step=try attempt=1\)\nwarning: once .*attempt=2\)\n$/);
  expect(more.stderr).toMatch(/^info: embedded PostgreSQL opened; .*\ntalking \S+\ninfo: begins \(executionId=.*\)\nwarning: /);
  expect(less).toEqual({ code: 0, stdout: "null\n", stderr: "" });
  expect(none.stderr).toMatch(/^talking \S+\n$/);
  expect(refused.code).toBe(1);
  expect(linesOf(refused.stderr)).toMatchObject([
    { level: "error", error: { code: "EXECUTION_NOT_FOUND" }, message: expect.stringContaining('no execution "nobody"') as string },
  ]);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("Allowed choices are info, warn, error, silent") as string });
});

test("pino is loaded only where its lines are asked for", async () => {
  const hooks = 'export const resolve = (name, context, next) => { if (name === "pino") throw new Error("pino was loaded"); return next(name, context); };';
  await project.write({
    "without-pino.mjs": `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`,
  });
  const without = { NODE_OPTIONS: "--import ./without-pino.mjs" };
  const [text, json] = await Promise.all([
    project.start(["list", "--json"], without).outcome,
    project.start(["list", "--log-format", "json"], without).outcome,
  ]);
  expect(text.code).toBe(0);
  expect(json.code).not.toBe(0);
  expect(json.stderr).toContain("pino was loaded");
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
});

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
  expect(await handle.result({ timeout: "2 minutes" })).toBe("done");
  next.process.kill("SIGINT");
  await next.outcome;
});

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
});
