import {
  defineWorkflow,
  InputInvalid,
  OptionInvalid,
  Pawl,
  PawlError,
  step,
  ValueNotSerializable,
  ValueTooDeep,
  ValueTooLarge,
  WorkflowDuplicate,
  WorkflowUnknown,
  workflow as workflowMethod,
  workflowContext,
  NotInWorkflow,
  type WorkflowContext,
} from "pawl";
import { silentLogger } from "pawl/internal";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, failureOf, harness, parkedSleep, refusalOf } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (_ctx, input: unknown) => input });

/** What a caller in plain JavaScript could pass. */
const wrong = (value: unknown): never => value as never;

/** Everything that a half-written start would leave behind. */
const rows = async (): Promise<number[]> =>
  Promise.all(["executions", "history", "tasks", "inbox", "past_runs", "workers"].map((table) => h.count(`pawl.${table}`)));

function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = { in: value };
  return value;
}

const circular: Record<string, unknown> = {};
circular["self"] = { again: [circular] };

class Account {
  readonly id = 1;
}

const unserialisable: readonly [kind: string, value: unknown, path: string][] = [
  ["a function", { a: [1, () => 1] }, ".a[1]"],
  ["a symbol", { s: Symbol("s") }, ".s"],
  ["an instance of Account", { list: [{ account: new Account() }] }, ".list[0].account"],
  ["a promise", { later: Promise.resolve(1) }, ".later"],
  ["a circular reference", circular, ".self.again[0]"],
  ["a regular expression", [/x/], "[0]"],
  ["an instance of URL", { "odd key": new URL("http://a/") }, '["odd key"]'],
  ["an instance of WeakMap", new Map([["k", new WeakMap()]]), '.get("k")'],
  ["an instance of ArrayBuffer", { buffer: new ArrayBuffer(1) }, ".buffer"],
  [
    "a property whose getter throws",
    {
      get boom() {
        throw new Error("boom");
      },
    },
    ".boom",
  ],
  ["a Proxy", { p: new Proxy({}, {}) }, ".p"],
];

describe("refused before anything is written", () => {
  let pawl: Pawl;
  let before: number[];

  beforeAll(async () => {
    pawl = await h.open();
  });
  beforeEach(async () => {
    before = await rows();
  });
  afterEach(async () => expect(await rows()).toEqual(before));

  const id = (value: unknown) => () => pawl.start(echo, 1, { executionId: wrong(value) });
  const cases: readonly [name: string, call: () => unknown, path: RegExp][] = [
    ...["", " ", "a b", "-a", ".a", "a/b", "ä", "a\u0000", "a\n", "x".repeat(201), 5, null, {}].map((value): [string, () => unknown, RegExp] => [
      `executionId ${JSON.stringify(value)?.slice(0, 20)}`,
      id(value),
      /^executionId: /,
    ]),
    ["idempotencyKey with a space", () => pawl.start(echo, 1, { idempotencyKey: "a b" }), /^idempotencyKey: /],
    ["idempotencyKey too long", () => pawl.start(echo, 1, { idempotencyKey: "k".repeat(501) }), /^idempotencyKey: .*500.*501/],
    ["delay negative", () => pawl.start(echo, 1, { delay: -1 }), /^delay: -1/],
    ["delay NaN", () => pawl.start(echo, 1, { delay: Number.NaN }), /^delay: /],
    ["delay infinite", () => pawl.start(echo, 1, { delay: Number.POSITIVE_INFINITY }), /^delay: /],
    ["delay without unit", () => pawl.start(echo, 1, { delay: "10" }), /^delay: "10" has no unit/],
    ["delay of an unknown unit", () => pawl.start(echo, 1, { delay: "10 fortnights" }), /^delay: .*fortnights/],
    ["delay over five years", () => pawl.start(echo, 1, { delay: "261 weeks" }), /^delay: /],
    ["delay of another type", () => pawl.start(echo, 1, { delay: wrong(new Date()) }), /^delay: /],
    ["taskQueue empty", () => pawl.start(echo, 1, { taskQueue: "" }), /^taskQueue: /],
    ["taskQueue with a space", () => pawl.start(echo, 1, { taskQueue: "a b" }), /^taskQueue: /],
    ["workflow undefined", () => pawl.start(wrong(undefined), 1), /^workflow: /],
    ["workflow null", () => pawl.start(wrong(null), 1), /^workflow: /],
    ["workflow a plain object", () => pawl.start(wrong({}), 1), /^workflow: /],
    ["workflow name with a space", () => pawl.start("a b", 1), /^workflow: /],
    ["workflow name empty", () => pawl.start("", 1), /^workflow: /],
    ["handle of an empty id", () => pawl.handle(""), /^executionId: /],
    ["result timeout", () => pawl.handle("x").result({ timeout: "soon" }), /^timeout: /],
    ["result timeout negative", () => pawl.handle("x").result({ timeout: -5 }), /^timeout: /],
    ["cancel reason", () => pawl.handle("x").cancel({ reason: wrong(5n) }), /^reason: /],
    ["cancel reason too long", () => pawl.handle("x").cancel({ reason: "r".repeat(10_000) }), /^reason: /],
    ["terminate reason", () => pawl.handle("x").terminate({ reason: wrong({}) }), /^reason: /],
    ...[0, 1001, 1.5, -1, Number.NaN, "10", null].map((limit): [string, () => unknown, RegExp] => [
      `list limit ${String(limit)}`,
      () => pawl.list({ limit: wrong(limit ?? {}) }),
      /^limit: /,
    ]),
    ["list state", () => pawl.list({ state: wrong("done") }), /^state: "done" is no state; there are pending/],
    ["list state of runs", () => pawl.list({ state: wrong("continued_as_new") }), /^state: "continued_as_new" is how earlier runs end.*handle\.runs\(\)/],
    ["count state of runs", () => pawl.count({ state: [wrong("continued_as_new")] }), /^state: "continued_as_new" is how earlier runs end/],
    [
      "retention state",
      () => pawl.retention.set({ state: wrong("running"), keep: 1 }),
      /^state: must be one in which .* have ended: completed, failed, .*continued_as_new; not "running"/,
    ],
    ["list states", () => pawl.list({ state: wrong(["running", 5]) }), /^state: /],
    ["list cursor", () => pawl.list({ cursor: "'; DROP TABLE" }), /^cursor: /],
    ["list createdAfter", () => pawl.list({ createdAfter: wrong("yesterday") }), /^createdAfter: /],
    ["list createdBefore", () => pawl.list({ createdBefore: new Date(Number.NaN) }), /^createdBefore: /],
    ["list workflow", () => pawl.list({ workflow: "a b" }), /^workflow: /],
    ["list parent", () => pawl.list({ parent: "" }), /^parent: /],
    ["list taskQueue", () => pawl.list({ taskQueue: wrong(1) }), /^taskQueue: /],
    ["worker without workflows", () => pawl.worker({ workflows: [] }), /^workflows: /],
    ["worker workflows", () => pawl.worker({ workflows: wrong("echo") }), /^workflows: /],
    ["worker workflows of nothing", () => pawl.worker({ workflows: wrong([echo, undefined]) }), /^workflows\[1\]: /],
    ["worker workflows of functions", () => pawl.worker({ workflows: wrong([() => {}]) }), /^workflows\[0\]: /],
    ["worker queues none", () => pawl.worker({ workflows: [echo], taskQueues: [] }), /^taskQueues: /],
    ["worker queues text", () => pawl.worker({ workflows: [echo], taskQueues: wrong("q") }), /^taskQueues: /],
    ["worker queues name", () => pawl.worker({ workflows: [echo], taskQueues: ["ok", "not ok"] }), /^taskQueues\[1\]: /],
    ...[0, -1, 1.5, Number.NaN, 100_001, "3"].map((value): [string, () => unknown, RegExp] => [
      `worker concurrency ${value}`,
      () => pawl.worker({ workflows: [echo], concurrency: wrong(value) }),
      /^concurrency: /,
    ]),
    ["worker lease", () => pawl.worker({ workflows: [echo], lease: 10 }), /^lease: /],
    ["worker lease text", () => pawl.worker({ workflows: [echo], lease: "long" }), /^lease: /],
    ["worker hangTimeout", () => pawl.worker({ workflows: [echo], hangTimeout: 0 }), /^hangTimeout: /],
    ["worker pollInterval", () => pawl.worker({ workflows: [echo], pollInterval: 1 }), /^pollInterval: /],
    [
      "stop drain",
      async () => {
        const worker = await pawl.worker({ workflows: [echo] });
        before = await rows();
        try {
          await worker.stop({ drain: "soon" });
        } finally {
          await worker.stop();
        }
      },
      /^drain: /,
    ],
    [
      "a start's option",
      () => pawl.start(echo, 1, wrong({ executionID: "a" })),
      /^start.executionID: there is no such option; did you mean executionId\?.*idempotencyKey/,
    ],
    ["a start's option, executed", () => pawl.execute(echo, 1, wrong({ retries: 3 })), /^start.retries: there is no such option\. Known: executionId/],
    ["an id for a start's options", () => pawl.start(echo, 1, wrong("my-id")), /^start: must be an object with options, not a string/],
    ["null for a start's options", () => pawl.start(echo, 1, wrong(null)), /^start: .*not null/],
    ["an array of a start's options", () => pawl.start(echo, 1, wrong([])), /^start: .*not an array/],
    ["debounce null", () => pawl.start(echo, 1, { debounce: wrong(null) }), /^debounce: .*not null/],
    ["debounce's option", () => pawl.start(echo, 1, { debounce: wrong({ key: "a", period: 1, maxwait: 1 }) }), /^debounce.maxwait: .*maxWait/],
    ["batch's option", () => pawl.start(echo, [1], { batch: wrong({ key: "a", size: 2, window: 1, max: 1 }) }), /^batch.max: /],
    ["signalWithStart without options", () => pawl.signalWithStart(echo, 1, wrong(undefined)), /^signalWithStart: /],
    [
      "signalWithStart's option",
      () => pawl.signalWithStart(echo, 1, wrong({ executionId: "a", signal: { name: "s", payload: 1 }, queue: "q" })),
      /^signalWithStart.queue: /,
    ],
    [
      "signalWithStart's signal",
      () => pawl.signalWithStart(echo, 1, wrong({ executionId: "a", signal: { name: "s", payload: 1, id: "x" } })),
      /^signal.id: .*signalId/,
    ],
    ["result of a duration", () => pawl.handle("x").result(wrong("1s")), /^result: .*not a string\. Known: timeout/],
    ["result of null", () => pawl.handle("x").result(wrong(null)), /^result: .*not null/],
    ["cancel with a text", () => pawl.handle("x").cancel(wrong("why")), /^cancel: .*not a string\. Known: reason/],
    ["cancel with null", () => pawl.handle("x").cancel(wrong(null)), /^cancel: /],
    ["terminate's option", () => pawl.handle("x").terminate(wrong({ why: "x" })), /^terminate.why: /],
    ["pause's option", () => pawl.handle("x").pause(wrong({ note: "x" })), /^pause.note: /],
    ["history's option", () => pawl.handle("x").history(wrong({ run: 2 })), /^history.run: /],
    ["checkpoints with an id", () => pawl.handle("x").checkpoints(wrong("run")), /^checkpoints: /],
    ["retry's option", () => pawl.handle("x").retry(wrong({ from: 1 })), /^retry.from: /],
    ["rollback without options", () => pawl.handle("x").rollback(wrong(undefined)), /^rollback: /],
    ["rollback's option", () => pawl.handle("x").rollback(wrong({ to: 1, runID: "x" })), /^rollback.runID: .*runId/],
    ["fork without options", () => pawl.handle("x").fork(wrong(undefined)), /^fork: /],
    ["fork's option", () => pawl.handle("x").fork(wrong({ from: 1, queue: "q" })), /^fork.queue: /],
    ["rollback to a step of another type", () => pawl.handle("x").rollback({ to: { step: wrong(5) } }), /^to.step: .*not a number; handle.checkpoints\(\)/],
    ["rollback to the step undefined", () => pawl.handle("x").rollback({ to: { step: wrong(undefined) } }), /^to.step: .*not undefined/],
    ["rollback to null", () => pawl.handle("x").rollback({ to: wrong(null) }), /^to: .*not null/],
    ["rollback to a text", () => pawl.handle("x").rollback({ to: wrong("first") }), /^to: .*not a string/],
    ["rollback to a seq of another type", () => pawl.handle("x").rollback({ to: { seq: wrong("5") } }), /^to.seq: .*not a string/],
    ["rollback to a checkpoint with another runId", () => pawl.handle("x").rollback({ to: { seq: 1, runId: wrong(5) } }), /^to.runId: .*handle.runs\(\)/],
    ["rollback's runId", () => pawl.handle("x").rollback({ to: 1, runId: wrong(5) }), /^runId: .*not a number/],
    ["retry's runId", () => pawl.handle("x").retry({ runId: wrong(5) }), /^runId: .*not a number/],
    ["history's runId", () => pawl.handle("x").history({ runId: wrong(5) }), /^runId: .*handle.runs\(\).*not a number/],
    ["checkpoints' runId", () => pawl.handle("x").checkpoints({ runId: wrong(null) }), /^runId: .*not null/],
    ["fork's runId", () => pawl.handle("x").fork({ from: 1, runId: wrong(5) }), /^runId: .*not a number/],
    ["fork from a step of another type", () => pawl.handle("x").fork({ from: { step: wrong({}) } }), /^from.step: .*not an object/],
    ["stream's from", () => pawl.handle("x").stream("s", { from: wrong(Object.create(null)) }), /^from: .*not an object/],
    ["stream's signal", () => pawl.handle("x").stream("s", { signal: wrong("x") }), /^signal: must be an AbortSignal.*not a string/],
    ["stream's signal null", () => pawl.handle("x").stream("s", { signal: wrong(null) }), /^signal: .*not null/],
    ["signal's option", () => pawl.handle("x").signal("s", 1, wrong({ name: "other" })), /^signal.name: /],
    ["update's option", () => pawl.handle("x").update("u", 1, wrong({ id: "x" })), /^update.id: /],
    ["value's option", () => pawl.handle("x").value("k", wrong({ await: true })), /^value.await: /],
    ["stream with an offset", () => pawl.handle("x").stream("s", wrong(5)), /^stream: .*not a number/],
    ["stream's option", () => pawl.handle("x").stream("s", wrong({ offset: 5 })), /^stream.offset: /],
    ["list of null", () => pawl.list(wrong(null)), /^list: /],
    ["list's option", () => pawl.list(wrong({ status: "failed" })), /^list.status: .*did you mean state\?/],
    ["list state of another type", () => pawl.list({ state: wrong(3) }), /^state: .*not a number/],
    ["count's option", () => pawl.count(wrong({ limit: 5 })), /^count.limit: /],
    ["import's option", () => pawl.importExecution({}, wrong({ id: "x" })), /^importExecution.id: /],
    ["versions of a name", () => pawl.workflows.versions(wrong("echo")), /^workflows.versions: /],
    ["retention without options", () => pawl.retention.set(wrong(undefined)), /^retention.set: .*not undefined/],
    ["retention's option", () => pawl.retention.set(wrong({ workflowName: "other", keep: "1h" })), /^retention.set.workflowName: .*did you mean workflow\?/],
    ["retention to be deleted", () => pawl.retention.delete(wrong({ name: "other" })), /^retention.delete.name: /],
    ["queue's option", () => pawl.queues.set("q", wrong({ concurency: 3 })), /^queues.set.concurency: .*did you mean concurrency\?/],
    ["queue's limit of each key", () => pawl.queues.set("q", { perKey: wrong(3) }), /^perKey: .*not a number/],
    ["queue's option of each key", () => pawl.queues.set("q", { perKey: wrong({ limit: 3 }) }), /^perKey.limit: /],
    ["queue's rate", () => pawl.queues.set("q", { rate: wrong({ limit: 3, per: 1, burst: 5 }) }), /^rate.burst: /],
    ["pause of nothing", () => pawl.pauses.add(wrong(undefined)), /^pauses.add: /],
    ["pause's scope", () => pawl.pauses.add(wrong({ taskQueue: "q", namespace: "n" })), /^pauses.add.namespace: /],
    ["schedule without options", () => pawl.schedules.create(wrong(undefined)), /^schedules.create: /],
    [
      "schedule's option",
      () => pawl.schedules.create(wrong({ scheduleId: "s", workflow: echo, cron: "@daily", timezone: "Europe/Berlin" })),
      /^schedules.create.timezone: .*timeZone/,
    ],
    [
      "schedule's interval",
      () => pawl.schedules.create({ scheduleId: "s", workflow: echo, input: 1, interval: wrong({ every: "1h", phase: 5 }) }),
      /^interval.phase: /,
    ],
    [
      "schedule's dates",
      () => pawl.schedules.create({ scheduleId: "s", workflow: echo, input: 1, calendar: wrong({ dates: [new Date()], hour: 1 }) }),
      /^calendar.hour: /,
    ],
    [
      "schedule's range",
      () => pawl.schedules.create({ scheduleId: "s", workflow: echo, input: 1, calendar: wrong({ hour: { from: 1, to: 5, step: 2 } }) }),
      /^calendar.hour.step: /,
    ],
    ["schedule's update without options", () => pawl.schedules.get("s").update(wrong(undefined)), /^schedule.update: /],
    ["schedule's update", () => pawl.schedules.get("s").update(wrong({ crn: "x" })), /^schedule.update.crn: .*cron/],
    ["backfill without options", () => pawl.schedules.get("s").backfill(wrong(undefined)), /^schedule.backfill: /],
    ["schedules' list", () => pawl.schedules.list(wrong({ after: "a" })), /^schedules.list.after: /],
    ["bulk without options", () => pawl.bulk(wrong(undefined)), /^bulk: /],
    ["bulk's option", () => pawl.bulk(wrong({ operation: "fork", filter: 'state == "failed"', from: 1, input: 5 })), /^bulk.input: /],
    ["bulk to null", () => pawl.bulk({ operation: "rollback", filter: 'state == "failed"', to: wrong(null) }), /^to: /],
    ["bulk signal null", () => pawl.bulk({ operation: "signal", filter: 'state == "failed"', signal: wrong(null) }), /^signal: .*not null/],
    ["worker without options", () => pawl.worker(wrong(undefined)), /^worker: /],
    ["worker's option", () => pawl.worker(wrong({ workflows: [echo], maxConcurrency: 3 })), /^worker.maxConcurrency: .*did you mean concurrency\?/],
    ["worker's history limit", () => pawl.worker({ workflows: [echo], historyLimit: wrong({ warn: 5 }) }), /^historyLimit.warn: /],
    ["close with a duration", () => pawl.close(wrong("1s")), /^close: /],
    ["close's option", () => pawl.close(wrong({ timeout: 1 })), /^close.timeout: /],
    ["close drain", () => pawl.close({ drain: wrong({}) }), /^drain: /],
  ];

  test.each(cases)("%s", async (_name, call, path) => {
    const error = await refusalOf((async () => call())(), OptionInvalid);
    expect(error.code).toBe("OPTION_INVALID");
    expect(error.message).toMatch(path);
  });

  test("an unknown workflow name lists the known ones, and says when there is none", async () => {
    const empty = await h.open({ namespace: "nobody-here" });
    expect((await refusalOf(empty.start("nothing-there", 1), WorkflowUnknown)).message).toContain("No workflow is registered");
    const remote = step("remote", () => 1, { taskQueue: "default" });
    const worker = await pawl.worker({ workflows: [echo, defineWorkflow({ name: "a-second", run: async () => 1 })], steps: [remote] });
    const error = await refusalOf(pawl.start("ecko", 1), WorkflowUnknown);
    expect(error.message).toMatch(/"ecko".*Known: a-second, echo\./);
    expect((await refusalOf(pawl.start("echo", 1, { version: "9" }), WorkflowUnknown)).message).toMatch(/"9".*echo/);
    await worker.stop();
    before = await rows();
  });

  test("two different definitions of one name and version; the same one twice is no mistake", async () => {
    const error = await refusalOf(pawl.worker({ workflows: [echo, defineWorkflow({ name: "echo", run: async () => 2 })] }), WorkflowDuplicate);
    expect(error.message).toContain('"echo" with version "1"');
    await (await pawl.worker({ workflows: [echo, echo, defineWorkflow({ name: "echo", version: "2", run: async () => 2 })] })).stop();
    before = await rows();
  });

  test("an input that does not fit its schema, with every path", async () => {
    const strict = defineWorkflow({
      name: "strict",
      input: z.object({ name: z.string(), sizes: z.array(z.number().positive()), owner: z.object({ mail: z.email() }) }),
      run: async () => 1,
    });
    const error = await refusalOf(pawl.start(strict, wrong({ name: 5, sizes: [1, -1, "x"], owner: {} })), InputInvalid);
    expect(error.issues.map(({ path }) => path)).toEqual(["input.name", "input.sizes.1", "input.sizes.2", "input.owner.mail"]);
    for (const { path, message } of error.issues) expect(error.message).toContain(`${path}: ${message}`);
    expect((await refusalOf(pawl.start(strict, wrong(undefined)), InputInvalid)).issues).toHaveLength(1);
    const many = await refusalOf(pawl.start(strict, wrong({ name: "", sizes: Array(500).fill("x"), owner: { mail: "a@b.cd" } })), InputInvalid);
    expect(many.issues).toHaveLength(50);
  });

  test("an input that its starter could not check fails the execution, which says so and can be forked with another", async () => {
    const runner = await h.open({ namespace: "unchecked" });
    const loose = defineWorkflow({ name: "picky", run: async () => 1 });
    const picky = defineWorkflow({ name: "picky", input: z.object({ n: z.number() }), run: async (_ctx, { n }) => n });
    const handle = await runner.start(loose, wrong({ n: "x" }));
    await runner.worker({ workflows: [picky] });
    const cause = await causeOf(handle.result());
    expect(cause).toMatchObject({ code: "INPUT_INVALID" });
    expect(cause.message).not.toContain("Nothing was started");
    expect(cause.message).toContain("The execution was started with it, and fails.");
    expect(await (await handle.fork({ from: 1, input: { n: 5 } })).result()).toBe(5);
    await runner.close();
    before = await rows();
  });

  test.each(unserialisable)("an input with %s, with its path", async (kind, value, path) => {
    const error = await refusalOf(pawl.start(echo, value), ValueNotSerializable);
    expect(error.path).toBe(`input${path}`);
    expect(error.message).toContain(kind);
  });

  test("an input nested 65 or 7,000 levels deep, in less than 50 ms; 64 levels are stored", async () => {
    for (const levels of [65, 7000]) {
      const value = nested(levels);
      const startedAt = performance.now();
      const error = await refusalOf(pawl.start(echo, value), ValueTooDeep);
      expect(performance.now() - startedAt).toBeLessThan(50);
      expect(error.message).toContain("64 levels");
    }
    const other = await h.open();
    const handle = await other.start(echo, nested(64));
    await handle.terminate();
    before = await rows();
  });

  test("an input over 16 MiB", async () => {
    const error = await refusalOf(pawl.start(echo, { text: "x".repeat(16 * 1024 * 1024) }), ValueTooLarge);
    expect(error).toMatchObject({ path: "input", limit: 16 * 1024 * 1024 });
    await refusalOf(pawl.start(echo, "é".repeat(9 * 1024 * 1024)), ValueTooLarge);
    await refusalOf(pawl.start(echo, new Uint8Array(13 * 1024 * 1024)), ValueTooLarge);
  });

  test("the context of a workflow outside of one", () => {
    expect(() => workflowContext()).toThrow(NotInWorkflow);
  });
});

describe("refused when opening", () => {
  const cases: readonly [name: string, options: Parameters<typeof Pawl.open>[0], path: RegExp][] = [
    ...[0, 101, 1.5, -1, "4"].map((poolSize): [string, Parameters<typeof Pawl.open>[0], RegExp] => [
      `poolSize ${poolSize}`,
      { poolSize: wrong(poolSize) },
      /^poolSize: /,
    ]),
    ["schema with a space", { schema: "my pawl" }, /schema/],
    ["schema with a quote", { schema: 'p"; DROP SCHEMA public; --' }, /schema/],
    ["schema empty", { schema: "" }, /schema/],
    ["schema too long", { schema: "s".repeat(64) }, /schema/],
    ["namespace empty", { namespace: "" }, /^namespace: /],
    ["namespace with a space", { namespace: "a b" }, /^namespace: /],
    ["connectTimeout", { connectTimeout: "soon" }, /^connectTimeout: /],
    ["connectTimeout negative", { connectTimeout: -1 }, /^connectTimeout: /],
    ["an option that there is not", wrong({ connectionString: "postgres://db/prod" }), /^Pawl.open.connectionString: there is no such option/],
    ["url that is empty", { url: "" }, /^url: is empty; is the variable set/],
    ["url that is undefined", { url: wrong(undefined) }, /^url: is undefined; is the variable set/],
    ["url of another database", { url: "mysql://localhost/x" }, /^url: /],
    ["url that is none", { url: "localhost" }, /^url: /],
  ];

  test.each(cases)("%s", async (_name, options, path) => {
    const error = await refusalOf(Pawl.open({ url: h.url, logger: silentLogger, ...options }), OptionInvalid);
    expect(error.message).toMatch(path);
  });
});

describe("refused when defining", () => {
  const run = async () => 1;
  const cases: readonly [name: string, call: () => unknown, path: RegExp][] = [
    ["nothing", () => defineWorkflow(wrong(undefined)), /^defineWorkflow: /],
    ["a name with a space", () => defineWorkflow({ name: "a b", run }), /^defineWorkflow.name: /],
    ["no name", () => defineWorkflow(wrong({ run })), /^defineWorkflow.name: /],
    ["a name too long", () => defineWorkflow({ name: "n".repeat(201), run }), /^defineWorkflow.name: /],
    ["no code", () => defineWorkflow(wrong({ name: "a" })), /^workflow "a".run: /],
    ["a version", () => defineWorkflow({ name: "a", version: "1 0", run }), /^workflow "a".version: /],
    ["a version of another type", () => defineWorkflow({ name: "a", version: wrong(1), run }), /^workflow "a".version: /],
    ["a queue", () => defineWorkflow({ name: "a", taskQueue: "", run }), /^workflow "a".taskQueue: /],
    ["a schema", () => defineWorkflow({ name: "a", input: wrong({ type: "object" }), run }), /^workflow "a".input: .*Standard Schema/],
    ["initialInterval", () => defineWorkflow({ name: "a", retry: { initialInterval: "1" }, run }), /retry.initialInterval: /],
    ["maximumInterval", () => defineWorkflow({ name: "a", retry: { maximumInterval: -1 }, run }), /retry.maximumInterval: /],
    ["backoffCoefficient", () => defineWorkflow({ name: "a", retry: { backoffCoefficient: 0.5 }, run }), /retry.backoffCoefficient: /],
    ["backoffCoefficient NaN", () => defineWorkflow({ name: "a", retry: { backoffCoefficient: Number.NaN }, run }), /retry.backoffCoefficient: /],
    ["maximumAttempts", () => defineWorkflow({ name: "a", retry: { maximumAttempts: 1.5 }, run }), /retry.maximumAttempts: /],
    ["maximumAttempts negative", () => defineWorkflow({ name: "a", retry: { maximumAttempts: -1 }, run }), /retry.maximumAttempts: /],
    ["jitter", () => defineWorkflow({ name: "a", retry: { jitter: 1.1 }, run }), /retry.jitter: /],
    ["nonRetryableErrors text", () => defineWorkflow({ name: "a", retry: { nonRetryableErrors: wrong("TypeError") }, run }), /retry.nonRetryableErrors: /],
    ["nonRetryableErrors classes", () => defineWorkflow({ name: "a", retry: { nonRetryableErrors: wrong([TypeError]) }, run }), /retry.nonRetryableErrors: /],
    ["retry of another type", () => defineWorkflow({ name: "a", retry: wrong(3), run }), /retry: /],
    ["an option that there is not", () => defineWorkflow(wrong({ name: "a", taskqueue: "q", run })), /^workflow "a".taskqueue: .*did you mean taskQueue\?/],
    [
      "a retry option that there is not",
      () => defineWorkflow({ name: "a", retry: wrong({ maxAttempts: 1 }), run }),
      /^workflow "a".retry.maxAttempts: .*did you mean maximumAttempts\?/,
    ],
    ["a decorator with a name", () => workflowMethod(wrong("a")), /^@workflow: /],
    ["a decorator's option", () => workflowMethod(wrong({ queue: "q" })), /^@workflow.queue: /],
    ["a step's option", () => step("s", run, wrong({ retries: 3 })), /^step "s".retries: /],
    ["a step's options null", () => step("s", run, wrong(null)), /^step "s": .*not null/],
    ["a step's retry option", () => step("s", run, { retry: wrong({ maxAttempts: 1 }) }), /^step "s".retry.maxAttempts: /],
    ["a step decorator's option", () => step(wrong({ name: "s", timeOut: 5 })), /^@step.timeOut: .*timeout/],
    ["a step without a function", () => step("s", wrong(undefined)), /^step "s": /],
    ["a step without a name", () => step("", () => 1), /^step.name: /],
    ["a step with a control character", () => step("a\u0007", () => 1), /^step.name: /],
  ];

  test.each(cases)("%s", (_name, call, path) => {
    expect(call).toThrow(OptionInvalid);
    expect(call).toThrow(path);
  });
});

describe("inside a workflow", () => {
  let pawl: Pawl;
  let run: (ctx: WorkflowContext) => Promise<unknown> = async () => undefined;
  const changing = defineWorkflow({ name: "changing", retry: { initialInterval: 1 }, run: (ctx) => run(ctx) });
  const execute = (code: typeof run): Promise<unknown> => {
    run = code;
    return pawl.execute(changing, undefined);
  };

  beforeAll(async () => {
    ({ pawl } = await h.run([changing, echo]));
  });

  const calls: readonly [name: string, call: (ctx: WorkflowContext) => Promise<unknown>, path: RegExp][] = [
    ["a step without a name", (ctx) => ctx.step("", () => 1), /^ctx.step name: /],
    ["a step name too long", (ctx) => ctx.step("n".repeat(201), () => 1), /^ctx.step name: /],
    ["a step name of another type", (ctx) => ctx.step(wrong(undefined), () => 1), /^ctx.step name: /],
    ["a step without a function", (ctx) => ctx.step("s", wrong("x")), /^step "s": /],
    ["a step's timeout", (ctx) => ctx.step("s", () => 1, { timeout: -1 }), /^step "s".timeout: /],
    ["a step's heartbeatTimeout", (ctx) => ctx.step("s", () => 1, { heartbeatTimeout: "x" }), /^step "s".heartbeatTimeout: /],
    ["a scheduleToStart without a queue", (ctx) => ctx.step("s", () => 1, { scheduleToStart: "nonsense" }), /^step "s".scheduleToStart: .*taskQueue/],
    ["a step written in place with a queue", (ctx) => ctx.step("s", () => 1, { taskQueue: "gpu" }), /^step "s".taskQueue: .*step\("s", fn/],
    ["a transaction with a queue", (ctx) => ctx.transaction("t", async () => 1, wrong({ taskQueue: "gpu" })), /^transaction "t".taskQueue: .*ctx.child/],
    ["a step's retry", (ctx) => ctx.step("s", () => 1, { retry: { jitter: 2 } }), /^step "s".retry.jitter: /],
    ["a step's option", (ctx) => ctx.step("s", () => 1, wrong({ maxAttempts: 1 })), /^step "s".maxAttempts: /],
    ["a duration for a step's options", (ctx) => ctx.step("s", () => 1, wrong("1s")), /^step "s": .*not a string/],
    ["a step's retry option", (ctx) => ctx.step("s", () => 1, { retry: wrong({ maxAttempts: 1 }) }), /^step "s".retry.maxAttempts: /],
    ["a step's retry of another type", (ctx) => ctx.step("s", () => 1, { retry: wrong("often") }), /^step "s".retry: .*not a string/],
    ["a transaction's option", (ctx) => ctx.transaction("t", async () => 1, wrong({ isolationLevel: "x" })), /^transaction "t".isolationLevel: /],
    ["a child's option", (ctx) => ctx.child(echo, 1, wrong({ id: "x" })), /^ctx.child.id: /],
    ["a child's options null", (ctx) => ctx.child(echo, 1, wrong(null)), /^ctx.child: /],
    ["a wait's option", (ctx) => ctx.signal("s", wrong({ timeOut: 1 })), /^ctx.signal.timeOut: .*timeout/],
    ["a duration for a wait's options", (ctx) => ctx.until(() => false, wrong("1s")), /^ctx.until: .*not a string/],
    ["a limit for the options of ctx.map", (ctx) => ctx.map([1], async () => 1, wrong(3)), /^ctx.map: .*not a number/],
    ["an option of ctx.all", (ctx) => ctx.all([async () => 1], wrong({ limit: 3 })), /^ctx.all.limit: /],
    ["an option of continueAsNew", async (ctx) => ctx.continueAsNew(undefined, wrong({ taskQueue: "q" })), /^ctx.continueAsNew.taskQueue: /],
    ["a sleep of no duration", (ctx) => ctx.sleep(wrong(undefined)), /^ctx.sleep duration: /],
    ["a negative sleep", (ctx) => ctx.sleep(-1), /^ctx.sleep duration: /],
    ["a sleep over five years", (ctx) => ctx.sleep("300 weeks"), /^ctx.sleep duration: /],
    ["a child that is none", (ctx) => ctx.child(wrong("echo"), wrong(1)), /^ctx.child workflow: /],
    ["a child's id", (ctx) => ctx.child(echo, 1, { executionId: "a b" }), /^ctx.child executionId: /],
    ["a child's queue", (ctx) => ctx.child(echo, 1, { taskQueue: "a\u0000" }), /^ctx.child taskQueue: /],
    ["ctx.map of no array", (ctx) => ctx.map(wrong(new Set([1])), async () => 1), /^ctx.map items: /],
    ["ctx.map without a function", (ctx) => ctx.map([1], wrong(undefined)), /^ctx.map fn: /],
    ...[0, -1, 1.5, Number.NaN, "2"].map((value): [string, (ctx: WorkflowContext) => Promise<unknown>, RegExp] => [
      `concurrency ${value}`,
      (ctx) => ctx.map([1], async () => 1, { concurrency: wrong(value) }),
      /^concurrency: /,
    ]),
    ["ctx.all of promises", (ctx) => ctx.all(wrong([Promise.resolve(1)])), /^ctx.all tasks\[0\]: /],
    ["ctx.race of nothing", (ctx) => ctx.race([]), /^ctx.race tasks: /],
    ["ctx.race of values", (ctx) => ctx.race(wrong([1])), /^ctx.race tasks\[0\]: /],
    ["ctx.shield of nothing", (ctx) => ctx.shield(wrong(undefined)), /^ctx.shield: /],
  ];

  test.each(calls)("%s fails the execution and is recorded as nothing else", async (_name, call, path) => {
    run = (ctx) => call(ctx);
    const handle = await pawl.start(changing, undefined);
    const cause = await causeOf(handle.result());
    expect(cause).toMatchObject({ name: "OptionInvalid", code: "OPTION_INVALID" });
    expect(cause.message).toMatch(path);
    expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "ExecutionFailed"]);
  });

  test("can be caught, and the execution goes on as if the call had not been made", async () => {
    expect(
      await execute(async (ctx) => {
        const caught = await (async () => ctx.step("", () => 1))().catch((error: Error) => error.name);
        await ctx.sleep(parkedSleep);
        return [caught, await ctx.step("good", () => 2)];
      }),
    ).toEqual(["OptionInvalid", 2]);
  });

  test.each(unserialisable)("a step's result with %s is an error of the step that is not retried, with its path", async (kind, value, path) => {
    let attempts = 0;
    const cause = await causeOf(
      execute(async (ctx) =>
        ctx.step("make", () => {
          attempts++;
          return value instanceof Promise ? { value } : value;
        }),
      ),
    );
    expect(cause).toMatchObject({ name: "ValueNotSerializable", code: "VALUE_NOT_SERIALIZABLE", path: `result${path}` });
    expect(cause.message).toContain(kind);
    expect(attempts).toBe(1);
  });

  test.each(unserialisable)("a workflow's result with %s fails it, with its path", async (_kind, value, path) => {
    expect(await causeOf(execute(async () => value))).toMatchObject({ name: "ValueNotSerializable", path: `result${path}` });
  });

  test.each(unserialisable)("a child's input with %s fails the call, and no child is started", async (_kind, value, path) => {
    const before = await h.count("pawl.executions WHERE workflow = 'echo'");
    expect(await causeOf(execute(async (ctx) => ctx.child(echo, value)))).toMatchObject({ name: "ValueNotSerializable", path: `input${path}` });
    expect(await h.count("pawl.executions WHERE workflow = 'echo'")).toBe(before);
  });

  test.each(unserialisable)("heartbeat details with %s are refused at the call, with their path, and leave the ones before", async (_kind, value, path) => {
    const seen = await execute(async (ctx) =>
      ctx.step("beat", ({ attempt, heartbeat, lastHeartbeat }) => {
        if (attempt === 2) return lastHeartbeat;
        heartbeat("before");
        try {
          heartbeat(value);
        } catch (error) {
          heartbeat([error]);
        }
        throw new Error("no");
      }),
    );
    expect(seen).toMatchObject([{ name: "ValueNotSerializable", path: `heartbeat${path}` }]);
  });

  test("results over 16 MiB or 64 levels are refused wherever they come from; just below they are stored", async () => {
    const large = "x".repeat(16 * 1024 * 1024);
    let attempts = 0;
    expect(
      await causeOf(
        execute(async (ctx) =>
          ctx.step("large", () => {
            attempts++;
            return large;
          }),
        ),
      ),
    ).toMatchObject({ name: "ValueTooLarge", path: "result" });
    expect(attempts).toBe(1);
    expect(await causeOf(execute(async () => large))).toMatchObject({ name: "ValueTooLarge" });
    expect(await causeOf(execute(async (ctx) => ctx.child(echo, large)))).toMatchObject({ name: "ValueTooLarge", path: "input" });
    expect(await causeOf(execute(async (ctx) => ctx.step("deep", () => nested(65))))).toMatchObject({ name: "ValueTooDeep" });
    expect(await causeOf(execute(async () => nested(7000)))).toMatchObject({ name: "ValueTooDeep" });
    const stored = (await execute(async (ctx) => ctx.step("fits", () => large.slice(2)))) as string;
    expect(stored.length).toBe(16 * 1024 * 1024 - 2);
  });

  test("whatever is thrown fails the execution, and nothing else", async () => {
    const weird: readonly unknown[] = [
      undefined,
      null,
      5,
      Symbol("x"),
      () => 1,
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("trap");
          },
        },
      ),
      Object.create(null),
      Object.assign(new AggregateError([], "without a list"), { errors: undefined }),
      Object.defineProperty(new Error("without a cause"), "cause", {
        get: () => {
          throw new Error("trap");
        },
      }),
    ];
    for (const thrown of weird) {
      const error = await failureOf(
        execute(async () => {
          throw thrown;
        }),
      );
      expect((error as PawlError).code).toBe("EXECUTION_FAILED");
    }
  });

  test("an error as large as you like is cut to a size that can be stored", async () => {
    const cause = await causeOf(
      execute(async (ctx) =>
        ctx.step(
          "huge",
          () => {
            throw Object.assign(new Error("m".repeat(5_000_000)), { data: "d".repeat(5_000_000) });
          },
          { retry: { maximumAttempts: 1 } },
        ),
      ),
    );
    expect(cause.message.length).toBeLessThanOrEqual(16 * 1024);
    expect(cause.message).toContain("[cut]");
  });
});

describe("text that PostgreSQL cannot take as it is", () => {
  const odd = "nul \u0000, lone \ud800 and \udfff, both 😀, quote ' \" \\ $1 and {{ x }}";
  let pawl: Pawl;

  beforeAll(() => expect(odd.isWellFormed()).toBe(false));
  afterAll(() => expect(pawl).toBeDefined());

  test("round trips through inputs, results, errors, heartbeats and step names, and is refused as a reason", async () => {
    const seen: unknown[] = [];
    const workflow = defineWorkflow({
      name: "odd",
      run: async (ctx, input: unknown) => {
        const result = await ctx.step(
          "odd \ud800 \udfff 😀 '\"",
          ({ attempt, heartbeat, lastHeartbeat }) => {
            heartbeat(odd);
            if (attempt === 1) throw Object.assign(new Error(odd), { code: odd, field: odd });
            seen.push(lastHeartbeat);
            return { [odd]: odd };
          },
          { retry: { initialInterval: parkedSleep, jitter: 0 } },
        );
        seen.push(input, result);
        throw Object.assign(new Error(odd), { code: odd, field: odd });
      },
    });
    ({ pawl } = await h.run([workflow]));
    const handle = await pawl.start(workflow, odd);
    expect(await causeOf(handle.result())).toMatchObject({ message: odd, code: odd, field: odd });
    expect(seen).toEqual([odd, odd, { [odd]: odd }]);
    expect((await handle.history())[1]!.event).toMatchObject({ type: "StepAttemptFailed", failure: { message: odd, code: odd } });
    for (const end of ["cancel", "terminate"] as const) {
      const other = await (await h.open({ namespace: "no-worker-here" })).start(echo, 1);
      expect((await refusalOf(other[end]({ reason: odd }), OptionInvalid)).path).toBe("reason");
      await other[end]({ reason: "quote ' \" \\ 😀" });
      expect((await other.history()).at(-1)!.event).toMatchObject({ reason: "quote ' \" \\ 😀" });
    }
  });
});
