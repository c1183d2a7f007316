/** Runs and versions on the command line. */
import { defineWorkflow } from "pawl";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project } from "./support/cli.ts";

const countdown = defineWorkflow({
  name: "countdown",
  run: async (ctx, left: number): Promise<string> => {
    await ctx.step("count", () => left);
    return left === 0 ? "lift-off" : ctx.continueAsNew(left - 1);
  },
});
let project: Project;

beforeAll(async () => {
  project = await makeProject();
  const pawl = await project.open();
  await pawl.worker({ workflows: [countdown] });
  await pawl.execute(countdown, 2, { executionId: "rocket" });
});

afterAll(() => project.remove());

test("versions says what nothing needs any more", async () => {
  const { stdout } = await project.pawl("versions");
  expect(stdout.split("\n")[1]).toMatch(/^countdown +1 +none +1 +can be removed$/);
  const { versions } = await project.json<{ readonly versions: readonly { readonly removable: boolean }[] }>("versions", "countdown");
  expect(versions).toMatchObject([{ workflow: "countdown", version: "1", open: {}, schedules: 0, removable: true }]);
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
