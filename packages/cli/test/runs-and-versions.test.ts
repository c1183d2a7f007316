/** Runs and versions on the command line. */
import { defineWorkflow, type Pawl } from "pawl";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";

const schema = { "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) => ({ value: value as null }) } };
const countdown = defineWorkflow({
  name: "countdown",
  run: async (ctx, left: number): Promise<string> => {
    await ctx.step("count", () => left);
    return left === 0 ? "lift-off" : ctx.continueAsNew(left - 1);
  },
});
const move = (version: string) =>
  defineWorkflow({
    name: "move",
    version,
    signals: { go: schema },
    async run(ctx, first: boolean) {
      const before = first ? await ctx.step("first", () => `done in ${version}`) : "nothing";
      await ctx.signal("go");
      return `${before}, went on in ${version}`;
    },
  });
let project: Project;
let library: Pawl;

beforeAll(async () => {
  project = await makeProject();
  library = await project.open();
  await library.worker({ workflows: [countdown, move("1"), move("2")] });
  await library.execute(countdown, 2, { executionId: "rocket" });
});

afterAll(() => project.remove());

test("versions says what nothing needs any more", async () => {
  const { stdout } = await project.pawl("versions");
  expect(stdout.split("\n")[1]).toMatch(/^countdown +1 +none +1 +can be removed$/);
  const { versions } = await project.json<{ readonly versions: readonly { readonly removable: boolean }[] }>("versions", "countdown");
  expect(versions).toMatchObject([{ workflow: "countdown", version: "1", open: {}, ended: {}, schedules: 0, removable: true }]);
  await library.start(move("1"), false, { executionId: "given-up" });
  await library.handle("given-up").cancel();
  await library
    .handle("given-up")
    .result()
    .catch(() => {});
  expect((await project.pawl("versions", "move")).stdout).toMatch(/^move +1 +none .* can be removed; not to be retried then: 1 cancelled$/m);
});

test("what is under way is moved to another version", async () => {
  const pawl = (...args: string[]) => project.pawl(...args);
  const wanted = 'workflow == "move" && version == "1" && state != "cancelled"';
  for (const executionId of ["at-start", "after-step"]) await library.start(move("1"), executionId === "after-step", { executionId });
  await expect.poll(async () => (await library.handle("after-step").checkpoints()).length).toBe(1);
  expect(await pawl("bulk", "pause", "--filter", wanted, "--wait")).toMatchObject({ code: 0 });
  await expect.poll(async () => (await library.count({ filter: `${wanted} && state == "paused"` })).count).toBe(2);
  const forked = await pawl("bulk", "fork", "--filter", wanted, "--from", "latest", "--to-version", "2", "--id", "to-2", "--wait");
  expect(forked).toMatchObject({ code: 0, stdout: "2 of 2 done\n" });
  expect((await pawl("bulk", "terminate", "--filter", wanted, "--wait")).stdout).toBe("2 of 2 done\n");
  for (const id of ["at-start", "after-step"]) await library.handle(`${id}.to-2`).signal("go", null);
  expect(await library.handle("at-start.to-2").result()).toBe("nothing, went on in 2");
  expect(await library.handle("after-step.to-2").result()).toBe("done in 1, went on in 2");
  const one = await project.json<{ readonly executionId: string }>("fork", "after-step", "--from", "latest", "--to-version", "2");
  await library.handle(one.executionId).signal("go", null);
  expect(await library.handle(one.executionId).result()).toBe("done in 1, went on in 2");
});

test("runs lists all of them, and history shows any of them", async () => {
  const { code, stdout } = await project.pawl("runs", "rocket");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^RUN +STATE +VERSION +EVENTS +BEGUN +TOOK +RUN ID$/);
  expect(lines.slice(1).map((line) => line.trim().split(/ +/).slice(0, 4))).toEqual([
    ["1", "continued_as_new", "1", "3"],
    ["2", "continued_as_new", "1", "3"],
    ["3", "completed", "1", "3"],
  ]);
  const second = await project.pawl("history", "rocket", "--run", "2");
  expect(second.stdout).toMatch(/ExecutionStarted +continued from .*"count":1/);
  expect(second.stdout).toContain("ExecutionContinuedAsNew");
  const { runs } = await project.json<{ readonly runs: readonly { readonly runId: string }[] }>("runs", "rocket");
  const first = await project.json<{ readonly runNumber: number }>("history", "rocket", "--run", runs[0]!.runId);
  expect(first.runNumber).toBe(1);
  expect(await project.pawl("history", "rocket", "--run", "9")).toMatchObject({ code: 2, stderr: expect.stringContaining("pawl runs rocket") as string });
});

test("checkpoints and fork take a run's number too, rollback and retry only the latest one's", async () => {
  const { checkpoints } = await project.json<{ readonly checkpoints: readonly { readonly runId: string }[] }>("checkpoints", "rocket", "--run", "1");
  const { runs } = await project.json<{ readonly runs: readonly { readonly runId: string }[] }>("runs", "rocket");
  expect(checkpoints).toMatchObject([{ seq: 2, step: "count", runId: runs[0]!.runId }]);
  expect(await project.pawl("fork", "rocket", "--from", "count", "--run", "1", "--id", "rocket-2")).toMatchObject({ code: 0 });
  const { events } = await project.json<{ readonly events: readonly object[] }>("history", "rocket-2", "--run", "1");
  expect(events[2]).toMatchObject({ type: "ExecutionForked", fromRunId: runs[0]!.runId });
  for (const command of [["checkpoints"], ["fork", "--from", "1"], ["rollback", "--to", "1"], ["retry"]])
    expect(await project.pawl(command[0]!, "rocket", ...command.slice(1), "--run", "9")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("pawl runs rocket") as string,
    });
  for (const command of [["rollback", "--to", "1"], ["retry"]])
    expect(await project.pawl(command[0]!, "rocket", ...command.slice(1), "--run", "2")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("It has gone on as another run meanwhile") as string,
    });
  expect(await project.pawl("rollback", "rocket", "--to", "1", "--run", "3")).toMatchObject({ code: 0, stdout: "rocket goes on as run 4\n" });
});
