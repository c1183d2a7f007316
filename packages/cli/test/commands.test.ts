import type { Pawl } from "pawl";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject, type Project, type Running } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let worker: Running;
let pawl: Pawl;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  pawl = await project.open();
  worker = project.start(["worker", "workflows.ts"]);
  await worker.printed("ready:");
  expect(await project.pawl("start", "greet", "--id", "ann", "--input", '{"name":"Ann"}', "--wait")).toMatchObject({ code: 0, stdout: '"Hello Ann"\n' });
  await pawl.execute("failing", undefined, { executionId: "broken" }).catch(() => {});
  await pawl.execute("family", undefined, { executionId: "family" });
});

afterAll(async () => {
  worker.process.kill("SIGINT");
  await worker.outcome;
  await project.remove();
});

describe("list", () => {
  test("shows executions newest first as a table without escapes where nobody looks", async () => {
    const { code, stdout } = await project.pawl("list");
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ID +WORKFLOW +STATE +QUEUE +CREATED +TOOK$/);
    expect(lines.filter((line) => /^ann +greet@1 +completed +default/.test(line))).toHaveLength(1);
    expect(stdout).not.toContain("\u001b");
  });

  test("colours only when asked to, and NO_COLOR wins", async () => {
    const [colour, none] = await Promise.all([
      project.start(["list"], { FORCE_COLOR: "1" }).outcome,
      project.start(["list"], { FORCE_COLOR: "1", NO_COLOR: "1" }).outcome,
    ]);
    expect(colour.stdout).toContain("\u001b[32mcompleted");
    expect(none.stdout).not.toContain("\u001b");
  });

  test("filters and pages in JSON", async () => {
    interface Page {
      readonly executions: readonly { readonly executionId: string; readonly state: string }[];
      readonly nextCursor: string | null;
    }
    const [failed, children, first, old, earlier] = await Promise.all([
      project.json<Page>("list", "--state", "failed", "--state", "quarantined"),
      project.json<Page>("list", "--parent", "family"),
      project.json<Page>("list", "--limit", "1", "--since", "1h"),
      project.json<Page>("list", "--workflow", "greet", "--queue", "nowhere"),
      project.json<Page>("list", "--until", "1h"),
    ]);
    expect(failed.executions.map(({ executionId }) => executionId)).toEqual(["broken"]);
    expect(children.executions.map(({ executionId }) => executionId)).toEqual(["family.1"]);
    for (const none of [old, earlier]) expect(none).toEqual({ executions: [], nextCursor: null });
    const second = await project.json<Page>("list", "--limit", "1", "--cursor", first.nextCursor!);
    expect(second.executions).toHaveLength(1);
    expect(second.executions[0]?.executionId).not.toBe(first.executions[0]?.executionId);
  });
});

describe("labels and attributes", () => {
  test("are given at a start, found by a filter, counted and shown", async () => {
    const start = (id: string, ...flags: string[]) => project.pawl("start", "greet", "--id", id, "--input", '{"name":"L"}', "--wait", ...flags);
    await start("labelled-1", "--label", "customer=acme", "--attribute", "pages=120", "--attribute", "urgent=true", "--key", "acme", "--priority", "-5");
    await start("labelled-2", "--label", "customer=acme");
    const filter = 'labels.customer == "acme" && attributes.pages > 100';
    const [listed, counted, json, shown] = await Promise.all([
      project.json<{ executions: readonly { executionId: string }[] }>("list", "--filter", filter),
      project.pawl("count", "--by", "labels.customer", "--workflow", "greet"),
      project.json<{ count: number }>("count", "--filter", 'labels.customer == "acme"'),
      project.pawl("show", "labelled-1"),
    ]);
    expect(listed.executions.map(({ executionId }) => executionId)).toEqual(["labelled-1"]);
    expect(counted.stdout).toMatch(/^COUNT +labels.customer\n(?: +2 +acme\n| +\d+ +\(none\)\n){2}$/);
    expect(json.count).toBe(2);
    expect(shown.stdout).toMatch(/Queue key +acme\nPriority +-5$/m);
    expect(shown.stdout).toMatch(/Labels +\{"customer":"acme"\}\nAttributes +\{"pages":120,"urgent":true\}/);
  });

  test("a filter with a mistake is exit code 2 and says where it is", async () => {
    const { code, stderr } = await project.pawl("list", "--filter", 'sate == "failed"');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: filter: at position 1: there is no field "sate"; .*\[FILTER_INVALID\]$/m);
  });
});

test("queue sets, lists, shows and deletes limits", async () => {
  expect((await project.pawl("queue", "list")).stderr).toContain("none has limits");
  expect(await project.pawl("queue", "set", "mails", "--concurrency", "5", "--rate", "100/1m", "--key-concurrency", "1")).toMatchObject({
    code: 0,
    stdout: "queue set: 5 at a time, 100 per 1m, 1 at a time for each key\n",
  });
  expect((await project.pawl("queue", "list")).stdout).toMatch(/^QUEUE +LIMITS\nmails +5 at a time, 100 per 1m, 1 at a time for each key\n$/);
  expect(await project.json("queue", "show", "mails")).toMatchObject({ name: "mails", concurrency: 5, rate: { limit: 100, per: "1m" }, claimed: 0, due: 0 });
  expect((await project.pawl("queue", "show", "mails")).stdout).toContain("claimed  0");
  expect(await project.pawl("queue", "set", "mails", "--rate", "many")).toMatchObject({ code: 2 });
  expect(await project.pawl("queue", "set", "mails", "--concurrency", "0")).toMatchObject({ code: 2 });
  expect(await project.pawl("queue", "delete", "mails")).toMatchObject({ code: 0 });
  expect(await project.pawl("queue", "delete", "mails")).toMatchObject({ code: 1 });
  expect(await project.pawl("queue", "show", "mails")).toMatchObject({ code: 1 });
  const place = ["--key", "k", "--priority", "-3", "--deduplication-id", "once", "--queue", "nobody"];
  const first = await project.json<{ readonly executionId: string }>("start", "greet", "--input", '{"name":"Ann"}', ...place);
  const second = await project.json<{ readonly executionId: string }>("start", "greet", "--input", '{"name":"Bob"}', ...place);
  expect(second.executionId).toBe(first.executionId);
  const placed = 'key == "k" && priority < 0';
  expect((await project.json<{ executions: readonly { executionId: string }[] }>("list", "--filter", placed)).executions).toMatchObject([first]);
  expect((await project.pawl("show", first.executionId)).stdout).toMatch(/Queue +nobody\nQueue key +k\nPriority +-3\n/);
  const keyed = await project.json<{ readonly executionId: string }>(
    "start",
    "greet",
    "--input",
    '{"name":"Ann"}',
    "--idempotency-key",
    "ann-once",
    "--queue",
    "nobody",
  );
  expect((await project.pawl("show", keyed.executionId)).stdout).toMatch(/^Execution {7}.*\n[^]*Queue +nobody\nIdempotency key ann-once\n/);
  expect(await project.pawl("terminate", keyed.executionId)).toMatchObject({ code: 0 });
  expect((await project.pawl("count", "--by", "priority", "--filter", placed)).stdout).toBe("COUNT  priority\n    1  -3\n");
  expect(await project.pawl("start", "greet", "--input", '{"name":"Ann"}', "--priority", "high")).toMatchObject({ code: 2 });
  expect(await project.pawl("terminate", first.executionId)).toMatchObject({ code: 0 });
});

test("retention sets, lists and deletes policies, and deletes what none of them keeps", async () => {
  expect((await project.pawl("retention", "list")).stderr).toContain("everything is kept");
  await project.pawl("start", "order", "--id", "short-lived", "--input", '{"amount":1}', "--wait");
  expect(await project.pawl("retention", "set", "--workflow", "order", "--keep", "0ms")).toMatchObject({ code: 0 });
  expect(await project.pawl("retention", "set", "--state", "failed", "--keep", "forever")).toMatchObject({ code: 0 });
  expect((await project.pawl("retention", "list")).stdout).toMatch(/^WORKFLOW +STATE +KEPT FOR\norder +all +0ms\nall +failed +forever\n$/);
  expect(await project.json("retention", "run")).toEqual({ executions: 1, earlierRuns: 0 });
  expect(await project.pawl("show", "short-lived")).toMatchObject({ code: 1 });
  expect(await project.pawl("retention", "delete", "--workflow", "order")).toMatchObject({ code: 0 });
  expect(await project.pawl("retention", "delete", "--workflow", "order")).toMatchObject({ code: 1 });
  expect(await project.pawl("retention", "delete", "--state", "failed")).toMatchObject({ code: 0 });
  expect(await project.pawl("retention", "set", "--keep", "soon")).toMatchObject({ code: 2 });
});

test("an exported execution is imported under another id, from a file or from stdin, once", async () => {
  const { stdout } = await project.pawl("export", "broken");
  await project.write({ "broken.json": stdout, "nothing.json": "{}" });
  expect(await project.pawl("import", "broken.json", "--execution-id", "broken-copy")).toMatchObject({ code: 0, stdout: "broken-copy is failed\n" });
  expect((await project.pawl("show", "broken-copy")).stdout).toMatch(/Failure +TypeError: out of paper/);
  expect(await project.pawl("import", "broken.json")).toMatchObject({ code: 1, stderr: expect.stringContaining("EXECUTION_CONFLICT") as string });
  expect(await project.pawl("import", "nothing.json")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/document: format: .*DOCUMENT_INVALID/) as string,
  });
});

describe("control", () => {
  test("pauses and resumes", async () => {
    await pawl.start("sleeper", undefined, { executionId: "held" });
    const paused = await project.pawl("pause", "held", "--reason", "not now");
    expect(paused).toMatchObject({ code: 0, stdout: expect.stringMatching(/held (is paused|will pause)/) as string });
    await expect.poll(async () => (await pawl.handle("held").status()).state).toBe("paused");
    expect((await project.pawl("show", "held")).stdout).toMatch(/State +paused[^]*Reason +not now/);
    expect(await project.pawl("resume", "held")).toMatchObject({ code: 0, stdout: "held goes on\n" });
    expect(await project.pawl("resume", "held")).toMatchObject({ code: 1, stderr: expect.stringContaining("EXECUTION_STATE_INVALID") as string });
  });

  test("pauses task queues and workflows", async () => {
    expect((await project.pawl("pauses")).stderr).toContain("nothing is paused");
    expect(await project.pawl("pause", "--task-queue", "email", "--reason", "it is down")).toMatchObject({ code: 0, stdout: "task queue email is paused\n" });
    expect((await project.pawl("pauses")).stdout).toMatch(/^KIND +NAME +SINCE +REASON\ntask queue +email +2.* it is down\n$/);
    expect(await project.pawl("resume", "--task-queue", "email")).toMatchObject({ code: 0, stdout: "task queue email goes on\n" });
    expect(await project.json("resume", "--workflow", "email")).toEqual({ workflow: "email", wasPaused: false });
    expect(await project.pawl("pause", "held", "--task-queue", "email")).toMatchObject({ code: 2 });
    expect(await project.pawl("resume")).toMatchObject({ code: 2 });
  });

  test("does one thing to all that a filter finds", async () => {
    await pawl.start("sleeper", undefined, { executionId: "in-bulk", labels: { batch: "7" } });
    const filter = 'labels.batch == "7"';
    expect(await project.pawl("bulk", "cancel", "--filter", filter, "--reason", "enough", "--wait")).toMatchObject({ code: 0, stdout: "1 of 1 done\n" });
    expect(await project.json("bulk", "terminate", "--filter", 'executionId == "ann"', "--wait", "--id", "in-vain")).toEqual({
      executionId: "in-vain",
      matched: 1,
      done: 0,
      skipped: 1,
      failed: 0,
      failures: [],
    });
    expect((await project.pawl("bulk", "cancel", "--filter", filter)).stdout).toMatch(/has begun; pawl value .* progress/);
    expect(await project.pawl("bulk", "explode", "--filter", filter)).toMatchObject({ code: 2, stderr: expect.stringContaining("OPTION_INVALID") as string });
    expect(await project.pawl("bulk", "cancel", "--filter", "batch ==")).toMatchObject({ code: 2 });
    expect(await project.pawl("bulk", "signal", "--filter", filter, "--input", "7")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--signal") as string,
    });
    const some = ["bulk", "rollback", "--filter", 'executionId == "ann"', "--to", "nothing", "--wait"];
    expect(await project.pawl(...some)).toMatchObject({ code: 1, stdout: expect.stringContaining("0 of 1 done, 1 failed\nann: ") as string });
    expect(await project.pawl(...some, "--json")).toMatchObject({ code: 1, stdout: expect.stringContaining('"failed":1') as string });
  });

  test("rolls back, retries, forks and shows runs and checkpoints", async () => {
    await pawl.execute("greet", { name: "Ann" }, { executionId: "greeted" });
    const listed = await project.pawl("checkpoints", "greeted");
    expect(listed.stdout).toMatch(/^SEQ +STEP +CALL +AT\n +2 +say +1 +2/);
    expect(await project.pawl("rollback", "greeted", "--to", "1")).toMatchObject({ code: 0, stdout: "greeted goes on as run 2\n" });
    expect(await pawl.handle("greeted").result()).toBe("Hello Ann");
    const { runs } = await project.json<{ runs: readonly { runId: string; state: string }[] }>("runs", "greeted");
    expect(runs.map(({ state }) => state)).toEqual(["completed", "completed"]);
    expect((await project.pawl("runs", "greeted")).stdout).toContain(runs[0]!.runId);
    const first = await project.json<{ runNumber: number; events: readonly { type: string }[] }>("history", "greeted", "--run", runs[0]!.runId);
    expect(first).toMatchObject({ runNumber: 1, events: [{ type: "ExecutionStarted" }, { type: "StepCompleted" }, { type: "ExecutionCompleted" }] });
    expect(await project.pawl("fork", "greeted", "--from", "say", "--id", "forked", "--result", 'say="Hi"')).toMatchObject({
      code: 0,
      stdout: "forked is a fork of greeted\n",
    });
    expect(await pawl.handle("forked").result()).toBe("Hi");
    expect(await project.pawl("retry", "broken")).toMatchObject({ code: 0, stdout: "broken goes on as run 2\n" });
    await expect.poll(async () => (await pawl.handle("broken").status()).state).toBe("failed");
    expect(await project.pawl("retry", "greeted")).toMatchObject({ code: 1 });
    expect(await project.pawl("rollback", "greeted", "--to", "nothing")).toMatchObject({ code: 2 });
    expect(await project.pawl("rollback", "greeted")).toMatchObject({ code: 2 });
    expect(await project.pawl("fork", "greeted", "--from", "2", "--result", "x")).toMatchObject({ code: 2 });
  });
});

describe("show", () => {
  test("tells state, steps and failure of a failed execution, with nothing a terminal would obey", async () => {
    const { code, stdout } = await project.pawl("show", "broken");
    expect(code).toBe(0);
    expect(stdout).toMatch(/State +failed/);
    expect(stdout).toMatch(/Failure +TypeError: out of paper error: forged/);
    expect(stdout).toMatch(/1 +break +failed +2/);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout).not.toMatch(/^error: forged/m);
  });

  test("tells input, result and children in both forms", async () => {
    const [text, json] = await Promise.all([
      project.pawl("show", "family"),
      project.json<{ result: unknown; parent: null; children: readonly { executionId: string }[] }>("show", "family"),
    ]);
    expect(text.stdout).toMatch(/Result +"Hello child"/);
    expect(text.stdout).toMatch(/family\.1 +greet@1 +completed/);
    expect(json).toMatchObject({ result: "Hello child", parent: null, children: [{ executionId: "family.1" }] });
    expect(await project.json("show", "family.1")).toMatchObject({ parent: "family", input: { name: "child" } });
  });

  test("tells what a parked execution waits for", async () => {
    await pawl.start("sleeper", undefined, { executionId: "asleep" });
    await expect.poll(() => pawl.handle("asleep").status(), { timeout: 120_000 }).toMatchObject({ workerId: null, state: "running" });
    expect((await project.pawl("show", "asleep")).stdout).toMatch(/Waits for +a timer/);
  });
});

describe("history", () => {
  test("prints one line per event with times from the first on", async () => {
    const { stdout } = await project.pawl("history", "ann");
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^1 +\+0 ms +ExecutionStarted +input \{"name":"Ann"\}$/);
    expect(lines[1]).toMatch(/^2 +\+.* StepCompleted +#1 say result "Hello Ann"$/);
  });

  test("shortens long payloads unless asked not to", async () => {
    await pawl.execute("greet", { name: "x".repeat(500) }, { executionId: "long" });
    const [short, full] = await Promise.all([project.pawl("history", "long"), project.pawl("history", "long", "--full")]);
    expect(Math.max(...short.stdout.split("\n").map((line) => line.length))).toBeLessThan(200);
    expect(short.stdout).toContain("…");
    expect(full.stdout).toContain("x".repeat(500));
  });

  test("gives all events as JSON", async () => {
    const { events } = await project.json<{ events: readonly { seq: number; type: string }[] }>("history", "broken", "--run", "1");
    // On a busy machine its attempts take long enough to be announced.
    const types = events.map(({ type }) => type).filter((type) => type !== "StepStarted");
    expect(types).toEqual(["ExecutionStarted", "StepAttemptFailed", "StepFailed", "ExecutionFailed"]);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  });
});

describe("cancel, terminate and resume", () => {
  test("cancel stops a parked execution with its reason, and resume goes on with it", async () => {
    await pawl.start("sleeper", undefined, { executionId: "stop-me" });
    const cancelled = await project.pawl("cancel", "stop-me", "--reason", "no longer needed");
    expect(cancelled).toMatchObject({ code: 0, stderr: "" });
    expect(cancelled.stdout).toMatch(/^stop-me (was asked to stop|is cancelled)/);
    await expect.poll(() => pawl.handle("stop-me").status(), { timeout: 120_000 }).toMatchObject({ state: "cancelled" });
    expect((await project.pawl("show", "stop-me")).stdout).toMatch(/Reason +no longer needed/);
    expect((await project.pawl("resume", "stop-me")).stdout).toBe("stop-me goes on as run 2\n");
    expect(await project.json("terminate", "stop-me")).toEqual({ executionId: "stop-me", state: "terminated" });
  });

  test("terminate ends one at once, and what has ended cannot be cancelled or resumed", async () => {
    await pawl.start("sleeper", undefined, { executionId: "end-me" });
    expect((await project.pawl("terminate", "end-me", "--reason", "stuck")).stdout).toBe("end-me is terminated\n");
    const [cancel, resume] = await Promise.all([project.pawl("cancel", "end-me"), project.pawl("resume", "end-me", "--json")]);
    expect(cancel).toMatchObject({ code: 1, stdout: "" });
    expect(cancel.stderr).toMatch(/^error: Execution "end-me" is terminated, .* \[EXECUTION_STATE_INVALID\]\n$/);
    expect(JSON.parse(resume.stderr)).toMatchObject({ error: { code: "EXECUTION_STATE_INVALID" } });
    const failed = await project.pawl("resume", "broken");
    expect(failed.stderr).toMatch(/Only paused, .* `retry` goes on where it failed; `rollback` .* `fork` a new execution\./);
  });

  test("cancel and resume answer in JSON", async () => {
    await pawl.start("sleeper", undefined, { executionId: "json-me", delay: "1h" });
    expect(await project.json("cancel", "json-me")).toEqual({ executionId: "json-me", state: "cancelled" });
    expect(await project.json("resume", "json-me")).toMatchObject({ executionId: "json-me", runNumber: 2 });
  });
});

describe("unknown ids", () => {
  test.each(["show", "history", "cancel", "terminate", "resume"])("%s of an unknown id is exit code 1 and says where to look", async (command) => {
    const [text, json] = await Promise.all([project.pawl(command, "nobody"), project.pawl(command, "nobody", "--json")]);
    expect(text).toMatchObject({ code: 1, stdout: "" });
    expect(text.stderr).toMatch(/^error: There is no execution "nobody"\. .*pawl list.*\[EXECUTION_NOT_FOUND\]\n$/);
    expect(json).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "EXECUTION_NOT_FOUND" } });
  });

  test("--debug adds the stack", async () => {
    expect((await project.pawl("show", "nobody", "--debug")).stderr).toMatch(/\n +at /);
  });
});

describe("doctor and migrate", () => {
  test("doctor finds nothing wrong here", async () => {
    const { code, stdout } = await project.pawl("doctor");
    expect(stdout).toMatch(/^ok +fsync +on$/m);
    expect(stdout).toMatch(/^ok +workers +1 live \(.*greet@1/m);
    expect(stdout).toMatch(/^ok +wakes/m);
    expect(code).toBe(0);
  });

  test("doctor reports every check as JSON", async () => {
    const { ok, checks } = await project.json<{ ok: boolean; checks: readonly { name: string; status: string }[] }>("doctor");
    expect(ok).toBe(true);
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "node",
        "server",
        "writable",
        "fsync",
        "synchronous_commit",
        "clock",
        "schema",
        "workers",
        "takeover",
        "waiting",
        "quarantined",
        "wakes",
      ]),
    );
  });

  test("doctor fails with a next step where the schema is missing, and migrate makes it", async () => {
    const before = await project.pawl("doctor", "--schema", "other");
    expect(before.code).toBe(1);
    expect(before.stdout).toMatch(/^fail +schema .*\n +→ .*pawl migrate/m);
    expect(await project.pawl("migrate", "--check", "--schema", "other")).toMatchObject({ code: 1, stdout: "" });
    expect((await project.pawl("migrate", "--schema", "other")).stdout).toMatch(/^schema other: migrated from 0 to \d+\n$/);
    const again = await project.json<{ schema: string; from: number; to: number }>("migrate", "--schema", "other", "--check");
    expect(again).toEqual({ schema: "other", from: again.to, to: again.to });
    expect(await project.pawl("doctor", "--schema", "other")).toMatchObject({ code: 0 });
  });
});

test("stream prints chunks, from any offset, as text and as JSON", async () => {
  await pawl.start("chat", undefined, { executionId: "chat-1" });
  expect(await project.pawl("stream", "chat-1", "tokens", "--follow")).toMatchObject({ code: 0, stdout: 'one\n{"n":2}\n' });
  expect(await project.json("stream", "chat-1", "tokens", "--from", "1")).toMatchObject({ offset: 1, value: { n: 2 } });
  expect(await project.pawl("stream", "chat-1", "tokens", "--from", "x")).toMatchObject({ code: 2 });
  expect(await project.pawl("stream", "nobody", "tokens")).toMatchObject({ code: 1 });
});

test("signal --start starts who is not there, and signals who is", async () => {
  const signal = (...flags: string[]) => project.pawl("signal", "cart-2", "pay", "--input", "7", "--start", "cart", ...flags);
  expect(await signal("--signal-id", "s1")).toMatchObject({ code: 0, stdout: "cart-2 was sent pay\n" });
  expect(await pawl.handle("cart-2").result({ timeout: "2 minutes" })).toMatchObject({ paid: 7 });
  expect(await signal()).toMatchObject({ code: 1, stderr: expect.stringContaining("EXECUTION_STATE_INVALID") as string });
  expect(await project.pawl("signal", "cart-3", "pay", "--input", "7", "--start", "nothing")).toMatchObject({ code: 1 });
});

test("signal --start takes how the execution is started, and nothing of that without --start", async () => {
  const place = ["--delay", "1h", "--label", "team=a", "--attribute", "size=3"];
  expect(await project.pawl("signal", "cart-4", "pay", "--input", "7", "--start", "cart", ...place)).toMatchObject({ code: 0 });
  expect(await pawl.handle("cart-4").status()).toMatchObject({ state: "pending", labels: { team: "a" }, attributes: { size: 3 } });
  await pawl.handle("cart-4").terminate();
  expect(await project.pawl("signal", "cart-4", "pay", "--delay", "1h")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--start <workflow>") as string,
  });
});

test("what is sent is checked against the workflow in --file before it is sent", async () => {
  const strict = `
import { defineWorkflow, update } from "pawl";
const number = { "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) =>
  typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] } } };
export const cart = defineWorkflow({ name: "cart", signals: { pay: number }, state: () => ({}), updates: { add: update(number, () => 1) }, run: () => 1 });
export const greet = defineWorkflow({ name: "greet", input: number, run: () => 1 });
`;
  await project.write({ "strict.ts": strict });
  await pawl.start("cart", undefined, { executionId: "cart-5" });
  await pawl.execute("greet", { name: "Ann" }, { executionId: "to-fork" });
  const checked = (...args: string[]) => project.pawl(...args, "--input", '"seven"', "--file", "strict.ts");
  const refused = { code: 2, stderr: expect.stringContaining("must be a number") as string };
  expect(await checked("signal", "cart-5", "pay")).toMatchObject(refused);
  expect(await checked("signal", "cart-6", "pay", "--start", "cart")).toMatchObject(refused);
  expect(await checked("update", "cart-5", "add")).toMatchObject(refused);
  expect(await checked("fork", "to-fork", "--from", "1")).toMatchObject(refused);
  expect((await pawl.handle("cart-5").history()).some(({ event }) => event.type === "SignalReceived")).toBe(false);
  expect(await project.pawl("fork", "to-fork", "--from", "1", "--file", "strict.ts")).toMatchObject({ code: 2 });
  expect(await project.pawl("signal", "cart-5", "pay", "--input", "7", "--file", "strict.ts")).toMatchObject({ code: 0 });
  expect(await pawl.handle("cart-5").result()).toMatchObject({ paid: 7 });
});

describe("signal, update, query and value", () => {
  test("reach an execution by its id and print what comes back", async () => {
    expect(await project.pawl("start", "cart", "--id", "cart-1")).toMatchObject({ code: 0 });
    expect(await project.pawl("update", "cart-1", "add", "--input", "7")).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await project.json("update", "cart-1", "add", "--input", "8", "--update-id", "second")).toEqual({ executionId: "cart-1", update: "add", reply: 2 });
    expect(await project.pawl("query", "cart-1", "items", "--file", "workflows.ts")).toMatchObject({ code: 0, stdout: "[7,8]\n" });
    expect(await project.json("query", "cart-1", "items", "--file", "workflows.ts", "--input", "1")).toMatchObject({ answer: [7] });
    expect(await project.pawl("value", "cart-1", "step", "--wait", "--timeout", "20s")).toMatchObject({ code: 0, stdout: '"open"\n' });
    expect(await project.json("value", "cart-1", "nothing")).toMatchObject({ value: null });
    expect(await project.json("signal", "cart-1", "pay", "--input", "15", "--signal-id", "p1")).toEqual({ executionId: "cart-1", signal: "pay" });
    expect(await pawl.handle("cart-1").result()).toEqual({ paid: 15, items: [7, 8] });
  });

  test("query makes no schema", async () => {
    const query = ["query", "cart-1", "items", "--file", "workflows.ts", "--schema", "elsewhere"];
    expect(await project.pawl(...query)).toMatchObject({ code: 1, stderr: expect.stringContaining("[SCHEMA_OUTDATED]") as string });
  });

  test("say what is wrong with the id, the name and the file", async () => {
    const [unknown, ended, query, elsewhere] = await Promise.all([
      project.pawl("signal", "nobody", "pay"),
      project.pawl("signal", "ann", "pay"),
      project.pawl("query", "ann", "items", "--file", "workflows.ts"),
      project.pawl("update", "cart-1", "add", "--timeout", "soon"),
    ]);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no execution "nobody"') });
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining("is completed") });
    expect(query).toMatchObject({ code: 1, stderr: expect.stringContaining('Workflow "greet" has no query "items"') });
    expect(elsewhere.code).not.toBe(0);
  });
});
