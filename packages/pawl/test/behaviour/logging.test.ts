/** What steps and workflow code log says what it is about, and is not said again on replay. */
import { defineWorkflow, OptionInvalid, Pawl, type LogFields, type Logger } from "pawl";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { eventually, gate, harness, quickly, soon } from "./harness.ts";

const h = harness();

type Line = readonly [level: string, message: string, fields?: LogFields];

/** As pino does it. */
function structured(lines: Line[], fields?: LogFields): Logger {
  const write =
    (level: string) =>
    (message: string): void =>
      void lines.push(fields === undefined ? [level, message] : [level, message, fields]);
  return { info: write("info"), warn: write("warn"), error: write("error"), child: (more) => structured(lines, { ...fields, ...more }) };
}

const talking = defineWorkflow({
  name: "talking",
  retry: quickly,
  signals: { go: z.null() },
  async run(ctx) {
    ctx.log.info("begins");
    await ctx.step("try", ({ attempt, log }) => {
      log.warn(`attempt ${attempt}`);
      if (attempt === 1) throw new Error("once");
    });
    ctx.log.info("waits");
    await ctx.signal("go");
    ctx.log.error("ends");
  },
});

test("lines have the ids of their execution, and those of steps name step and attempt", async () => {
  const lines: Line[] = [];
  const pawl = await h.open({ logger: structured(lines) });
  const first = await pawl.worker({ workflows: [talking], ...soon });
  const handle = await pawl.start(talking, undefined, { executionId: "talking" });
  await expect.poll(async () => (await handle.history()).at(-1)!.event.type).toBe("WaitStarted");
  // Another worker replays what has been.
  await first.stop();
  await pawl.worker({ workflows: [talking], ...soon });
  await pawl.handle("talking").signal("go", null);
  await handle.result();
  const fields = { executionId: "talking", runId: handle.runId, workflow: "talking" };
  expect(lines).toEqual([
    ["info", "begins", fields],
    ["warn", "attempt 1", { ...fields, step: "try", attempt: 1 }],
    ["warn", "attempt 2", { ...fields, step: "try", attempt: 2 }],
    ["info", "waits", fields],
    ["error", "ends", fields],
  ]);
});

test("a signal that nobody may ever get is said once, with its id and why", async () => {
  const lines: Line[] = [];
  const pawl = await h.open({ logger: structured(lines) });
  const first = await pawl.worker({ workflows: [talking], ...soon });
  const handle = await pawl.start(talking, undefined, { executionId: "unread" });
  await expect.poll(async () => (await handle.history()).at(-1)!.event.type).toBe("WaitStarted");
  const anybody = pawl.handle("unread");
  await anybody.signal("typo", 1, { signalId: "one" });
  await anybody.signal("go", "away", { signalId: "two" });
  await expect.poll(() => lines.filter(([, message]) => message.startsWith("signal"))).toHaveLength(2);
  // Another worker replays them.
  await first.stop();
  await pawl.worker({ workflows: [talking], ...soon });
  await handle.signal("go", null);
  await handle.result();
  const fields = { executionId: "unread", runId: handle.runId, workflow: "talking" };
  expect(lines.filter(([, message]) => message.startsWith("signal"))).toEqual([
    ["warn", 'signal "typo" (one): workflow "talking" declares none of that name; nobody gets it unless its code waits for it', fields],
    ["warn", expect.stringMatching(/^signal "go" \(two\): its payload does not fit its schema and nobody gets it \(payload: /), fields],
  ]);
});

test("a logger without fields gets them in the text", async () => {
  const lines: string[] = [];
  const said = gate();
  const info = (message: string): void => {
    lines.push(message);
    if (message.startsWith("hello")) said.open();
  };
  const logger: Logger = { info, warn: () => {}, error: () => {} };
  const pawl = await h.open({ logger });
  const plain = defineWorkflow({ name: "plain", run: (ctx) => ctx.step("say", ({ log }) => log.info("hello")) });
  await pawl.worker({ workflows: [plain], ...soon });
  const handle = await pawl.start(plain, undefined, { executionId: "p" });
  await said.opened;
  expect(lines.filter((line) => line.startsWith("hello"))).toEqual([`hello (executionId=p runId=${handle.runId} workflow=plain step=say attempt=1)`]);
});

test("code that waits for something else than a durable call is warned of once, and nobody who waits as they should", async () => {
  const lines: Line[] = [];
  const never = new Promise<void>(() => {});
  const stuck = defineWorkflow({
    name: "stuck",
    run: async (ctx) => {
      await ctx.step("a", () => 1);
      await never;
    },
  });
  // What it waits for lost its race: no signal goes there any more.
  const lost = defineWorkflow({
    name: "lost",
    signals: { go: z.null() },
    run: async (ctx) => {
      await ctx.race([() => ctx.signal("go"), () => ctx.step("wins", () => 1)]);
      await never;
    },
  });
  const long = gate();
  const fine = defineWorkflow({
    name: "fine",
    signals: { go: z.null() },
    run: async (ctx) => {
      await ctx.step("long", () => long.opened);
      await ctx.race([() => ctx.signal("go"), () => ctx.sleep("1 day")]);
    },
  });
  const retried = defineWorkflow({
    name: "retried",
    run: async (ctx) =>
      ctx.step("fails", () => {
        throw new Error("no");
      }),
  });
  const pawl = await h.open({ logger: structured(lines) });
  await pawl.worker({ workflows: [stuck, lost, fine, retried], ...soon });
  const handle = await pawl.start(stuck, undefined, { executionId: "stuck" });
  const others = await Promise.all([pawl.start(fine, undefined), pawl.start(retried, undefined)]);
  const fields = { executionId: "stuck", runId: handle.runId, workflow: "stuck" };
  const warned = ["warn", expect.stringMatching(/no durable call/), fields];
  await eventually(() => expect(lines).toEqual([warned]));
  long.open();
  // As long again as it takes to be warned of: another one is, and the first is not once more.
  const second = await pawl.start(stuck, undefined, { executionId: "stuck-2" });
  await eventually(() => expect(lines).toEqual([warned, ["warn", expect.any(String), { ...fields, executionId: "stuck-2", runId: second.runId }]]));
  const third = await pawl.start(lost, undefined, { executionId: "lost" });
  await eventually(() => expect(lines[2]).toEqual(["warn", warned[1], { executionId: "lost", runId: third.runId, workflow: "lost" }]));
  expect((await third.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepCompleted"]);
  await Promise.all([handle, second, third, ...others].map((one) => one.terminate()));
});

test("an embedded server that is opened is told, with the place of its data; an empty DATABASE_URL opens none", async () => {
  const home = await mkdtemp(join(tmpdir(), "pawl-told-"));
  const directory = join(home, "data");
  const lines: Line[] = [];
  try {
    vi.stubEnv("DATABASE_URL", "");
    await expect(Pawl.open({ directory, logger: structured(lines) })).rejects.toThrow(/^DATABASE_URL: is empty; is the variable set/);
    await expect(Pawl.open({ url: undefined as never, directory })).rejects.toThrow(OptionInvalid);
    expect(lines).toEqual([]);
    // Null says so, whatever the environment has.
    vi.stubEnv("DATABASE_URL", "postgres://127.0.0.1:1/nowhere");
    const pawl = await Pawl.open({ url: null, directory, logger: structured(lines) });
    await pawl.close();
    expect(lines).toContainEqual(["info", `embedded PostgreSQL opened; its data is in ${directory}`]);
  } finally {
    vi.unstubAllEnvs();
    await rm(home, { recursive: true, force: true });
  }
});
