import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProject, type Project, type Running } from "./support/cli.ts";
import { workflowsFile } from "./support/workflows.ts";

let project: Project;
let worker: Running;

beforeAll(async () => {
  project = await makeProject();
  await project.write({ "package.json": '{"type":"module"}', "workflows.ts": workflowsFile });
  await project.open();
  worker = project.start(["worker", "workflows.ts"]);
  await worker.printed("ready:");
});

afterAll(async () => {
  worker.process.kill("SIGINT");
  await worker.outcome;
  await project.remove();
});

const create = ["schedule", "create", "yearly", "greet", "--cron", "0 0 1 1 *", "--time-zone", "Europe/Berlin", "--input", '{"name":"Ann"}'];

test("a schedule is made, shown, paused, resumed, triggered, backfilled and deleted", async () => {
  const created = await project.pawl(...create);
  expect(created).toMatchObject({ code: 0, stdout: "yearly starts greet@1: cron 0 0 1 1 * (Europe/Berlin)\n" });
  expect(created.stderr).toMatch(/^Next: \d{4}-12-31T23:00:00Z, /);
  expect((await project.pawl("schedule", "list")).stdout).toMatch(/^ID +WORKFLOW +STATE +NEXT +WHEN\nyearly +greet@1 +active +\d{4}-12-31T23:00:00Z +cron/);

  expect(await project.pawl("schedule", "pause", "yearly", "--note", "holidays")).toMatchObject({ code: 0, stdout: "yearly is paused\n" });
  const shown = await project.pawl("schedule", "show", "yearly");
  expect(shown.stdout).toMatch(/State +paused \(holidays\)/);
  expect(shown.stdout).toMatch(/Input +\{"name":"Ann"\}/);
  expect(await project.json("schedule", "resume", "yearly")).toMatchObject({ scheduleId: "yearly", state: "active" });

  const { executionId } = await project.json<{ executionId: string }>("schedule", "trigger", "yearly");
  expect(executionId).toMatch(/^yearly:trigger:/);
  const range = ["--from", "2024-06-01", "--to", "2025-06-01"];
  expect(await project.pawl("schedule", "backfill", "yearly", ...range)).toMatchObject({ code: 0 });
  await expect
    .poll(async () => (await project.json<{ recent: { executionId: string }[] }>("schedule", "show", "yearly")).recent, { timeout: 120_000 })
    .toMatchObject([{ executionId: "yearly:2024-12-31T23:00:00Z" }]);

  expect(await project.pawl("schedule", "delete", "yearly")).toMatchObject({ code: 0, stdout: "yearly is deleted\n" });
  expect(await project.json("schedule", "list")).toEqual({ schedules: [], nextCursor: null });
});

test("calendar entries are taken as text and as JSON, shown as text, and changed", async () => {
  const office = ["schedule", "create", "office", "greet", "--input", '{"name":"Ann"}'];
  const created = await project.pawl(...office, "--calendar", "hour=9,17 dayOfWeek=MON-FRI", "--calendar", '{"hour":12,"dayOfWeek":"saturday"}');
  expect(created).toMatchObject({ code: 0, stdout: "office starts greet@1: calendar hour=9,17 dayOfWeek=MON-FRI; hour=12 dayOfWeek=SAT (UTC)\n" });
  expect(created.stderr).toMatch(/^Next: \d{4}-\d\d-\d\dT(09|12|17):00:00Z, /);
  const yearly = ["--calendar", "month=DEC dayOfMonth=24 hour=18", "--time-zone", "Europe/Berlin"];
  const updated = await project.json<{ timing: object }>("schedule", "update", "office", ...yearly);
  expect(updated.timing).toEqual({ kind: "calendar", entries: [{ month: [12], dayOfMonth: [24], hour: [18] }], timeZone: "Europe/Berlin" });

  const [field, value, json, both, never] = await Promise.all([
    project.pawl(...office, "--calendar", "hours=9"),
    project.pawl(...office, "--calendar", "hour=9 dayOfWeek=MON-FRYDAY"),
    project.pawl(...office, "--calendar", '{"dayOfWeek":"mon"}'),
    project.pawl(...office, "--calendar", "hour=9", "--at", "2027-01-01T00:00:00Z"),
    project.pawl(...office, "--calendar", "month=FEB dayOfMonth=31"),
  ]);
  expect(field.stderr).toMatch(/--calendar: there is no field "hours"; there are second, minute, hour, .*\[OPTION_INVALID\]/);
  expect(value.stderr).toContain('"MON-FRYDAY" is no dayOfWeek. It takes numbers from 0 to 6 or names such as MON,');
  expect(json.stderr).toContain(`calendar.dayOfWeek: must be a whole number from 0 to 6, the name of a weekday such as "monday", an array of such`);
  expect(both.stderr).toContain("--at cannot be given together with --calendar");
  expect(never.stderr).toContain("never comes");
  for (const refused of [field, value, json, both, never]) expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(await project.pawl("schedule", "delete", "office")).toMatchObject({ code: 0 });
});

test("what is wrong is said: an unknown id with exit code 1, wrong times and a taken id", async () => {
  const [nobody, twice, wrong] = await Promise.all([
    project.pawl("schedule", "show", "nobody"),
    project.pawl("schedule", "create", "s", "greet", "--cron", "@daily", "--interval", "1h"),
    project.pawl("schedule", "create", "s", "greet", "--cron", "99 * * * *"),
  ]);
  expect(nobody).toMatchObject({ code: 1 });
  expect(nobody.stderr).toContain("SCHEDULE_NOT_FOUND");
  expect(twice).toMatchObject({ code: 2 });
  expect(twice.stderr).toContain("interval: cannot be given together with cron");
  expect(wrong.stderr).toMatch(/cron\[0\]: cannot be read: Invalid value for minute: 99/);
  expect(await project.pawl("schedule", "create", "taken", "greet", "--interval", "1d")).toMatchObject({ code: 0 });
  const again = await project.pawl("schedule", "create", "taken", "greet", "--interval", "2d");
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("SCHEDULE_CONFLICT");
  const ifExists = (what: string) => project.pawl("schedule", "create", "taken", "greet", "--interval", "2d", "--if-exists", what);
  expect(await ifExists("keep")).toMatchObject({ code: 0, stdout: "taken starts greet@1: every 1d\n" });
  expect(await ifExists("update")).toMatchObject({ code: 0, stdout: "taken starts greet@1: every 2d\n" });
  expect(await ifExists("replace")).toMatchObject({ code: 2, stderr: expect.stringContaining('"replace" is none of fail, keep, update') as string });
});

test("update changes what is named and leaves the rest: input, policies and bounds", async () => {
  const policies = ["--overlap", "buffer_one", "--jitter", "5m", "--catch-up", "2h", "--maximum-runs", "9", "--end-at", "2099-01-01"];
  expect(await project.pawl("schedule", "create", "kept", "greet", "--interval", "1d", "--input", '{"name":"Ann"}', ...policies)).toMatchObject({ code: 0 });
  const kept = { overlap: "buffer_one", jitterMs: 300_000, catchUpMs: 7_200_000, input: { name: "Ann" } };
  const changed = await project.pawl("schedule", "update", "kept", "--interval", "2d");
  expect(changed).toMatchObject({ code: 0, stdout: "kept starts greet@1: every 2d\n" });
  expect(changed.stderr).toMatch(/^Next: \d{4}-/);
  const timing = { kind: "interval", everyMs: 172_800_000, offsetMs: 0 };
  expect(await project.json("schedule", "show", "kept")).toMatchObject({ ...kept, timing, maximumRuns: 9, endAt: "2099-01-01T00:00:00.000Z" });
  const unbound = ["--end-at", "none", "--maximum-runs", "none", "--start-at", "2026-01-01T12:00:00+02:00"];
  expect(await project.json("schedule", "update", "kept", ...unbound)).toMatchObject({
    ...kept,
    timing,
    maximumRuns: null,
    startAt: "2026-01-01T10:00:00.000Z",
    endAt: null,
  });
  expect(await project.json("schedule", "update", "kept", "--input", '{"name":"Bob"}')).toMatchObject({ ...kept, timing, input: { name: "Bob" } });
  await project.pawl("schedule", "pause", "kept");
  expect((await project.pawl("schedule", "update", "kept", "--jitter", "1m")).stderr).toContain("It is paused.");

  const [nothing, nobody, unknown, wrong] = await Promise.all([
    project.pawl("schedule", "update", "kept"),
    project.pawl("schedule", "update", "nobody", "--jitter", "1m"),
    project.pawl("schedule", "update", "kept", "--workflow", "nothing-such"),
    project.pawl("schedule", "update", "kept", "--maximum-runs", "few"),
  ]);
  expect(nothing).toMatchObject({ code: 2 });
  expect(nothing.stderr).toContain("Nothing is named that should change");
  expect(nobody).toMatchObject({ code: 1 });
  expect(nobody.stderr).toContain("SCHEDULE_NOT_FOUND");
  expect(unknown.stderr).toContain("WORKFLOW_UNKNOWN");
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.stderr).toContain("It must be a whole number, or none.");
});

test("a backfill is stopped", async () => {
  await project.pawl("schedule", "create", "daily", "greet", "--interval", "1d", "--input", '{"name":"Ann"}');
  expect(await project.pawl("schedule", "backfill", "daily", "--from", "1970-01-01", "--to", "2020-01-01")).toMatchObject({ code: 0 });
  expect(await project.pawl("schedule", "stop-backfills", "daily")).toMatchObject({ code: 0, stdout: "daily is not backfilled any more\n" });
  expect(await project.json("schedule", "show", "daily")).toMatchObject({ backfills: [], state: "active" });
  expect(await project.pawl("schedule", "stop-backfills", "daily")).toMatchObject({ code: 0, stdout: "daily had no backfill to stop\n" });
  expect(await project.json("schedule", "stop-backfills", "daily")).toEqual({ scheduleId: "daily", stopped: 0 });
  expect(await project.pawl("schedule", "stop-backfills", "nobody")).toMatchObject({ code: 1 });
});

test("times to come are dates, times with a zone, or so long from now", async () => {
  const now = Date.now();
  const bounds = ["--start-at", "1h", "--end-at", "30d"];
  const times = ["--at", "7d", "--at", "2099-12-24", "--at", "2099-12-24T18:00:00+01:00"];
  const soon = ["schedule", "create", "soon", "greet", "--input", '{"name":"Ann"}', ...bounds, ...times];
  const made = await project.json<{ startAt: string; endAt: string; timing: { at: number[] } }>(...soon);
  const near = (time: number, distance: number): void => expect(Math.abs(time - now - distance)).toBeLessThan(600_000);
  near(Date.parse(made.startAt), 3_600_000);
  near(Date.parse(made.endAt), 30 * 86_400_000);
  const [first, ...others] = made.timing.at;
  near(first!, 7 * 86_400_000);
  expect(others).toEqual([Date.UTC(2099, 11, 24), Date.UTC(2099, 11, 24, 17)]);
  for (const text of ["2099-12-24T18:00:00", "2099-13-24", "tomorrow"]) {
    const refused = await project.pawl("schedule", "update", "soon", "--end-at", text);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/--end-at: .*\[OPTION_INVALID\]/);
  }
});

test("executions are started with labels, attributes, a timeout and a place in their queue, which update changes and takes away", async () => {
  const made = ["schedule", "create", "marked", "greet", "--interval", "1d", "--input", '{"name":"Ann"}'];
  const marks = ["--label", "team=red", "--label", "env=prod", "--attribute", "pages=7", "--attribute", "due=2026-12-24T18:00:00Z"];
  expect(await project.pawl(...made, ...marks, "--timeout", "2h", "--key", "none", "--priority", "-5")).toMatchObject({ code: 0 });
  const expected = {
    labels: { team: "red", env: "prod" },
    attributes: { pages: 7, due: "2026-12-24T18:00:00.000Z" },
    timeoutMs: 7_200_000,
    key: "none",
    priority: -5,
  };
  const told = async (...command: readonly string[]): Promise<unknown> => {
    const { labels, attributes, timeoutMs, key, priority } = await project.json<typeof expected>("schedule", ...command);
    return { labels, attributes, timeoutMs, key, priority };
  };
  expect(await told("show", "marked")).toEqual(expected);
  const { stdout } = await project.pawl("schedule", "show", "marked");
  for (const line of [
    /^Timeout +2h$/m,
    /^Queue key +none$/m,
    /^Priority +-5$/m,
    /^Labels +\{"env":"prod","team":"red"\}$/m,
    /^Attributes +\{"due":"2026-12-24T18:00:00.000Z","pages":7\}$/m,
  ])
    expect(stdout).toMatch(line);

  const { executionId } = await project.json<{ executionId: string }>("schedule", "trigger", "marked");
  const found = await project.json<{ executions: { executionId: string }[] }>("list", "--filter", 'labels.team == "red" && key == "none" && priority == -5');
  expect(found.executions).toMatchObject([{ executionId }]);

  expect(await told("update", "marked", "--label", "team=blue", "--priority", "3")).toEqual({ ...expected, labels: { team: "blue" }, priority: 3 });
  const removed = ["--label", "none", "--attribute", "none", "--timeout", "none", "--key", "none", "--priority", "none"];
  expect(await told("update", "marked", ...removed)).toEqual({ labels: {}, attributes: {}, timeoutMs: null, key: null, priority: 0 });
  expect((await project.pawl("schedule", "show", "marked")).stdout).not.toMatch(/^(Timeout|Queue key|Priority|Labels|Attributes) /m);

  const [label, mixed, priority, timeout] = await Promise.all([
    project.pawl(...made, "--label", "none"),
    project.pawl("schedule", "update", "marked", "--label", "none", "--label", "team=red"),
    project.pawl("schedule", "update", "marked", "--priority", "first"),
    project.pawl("schedule", "update", "marked", "--timeout", "soon"),
  ]);
  expect(label.stderr).toContain('--label: "none" is not of the form name=value');
  expect(mixed.stderr).toContain('--label: "none" is not of the form name=value');
  expect(priority.stderr).toContain("priority: must be a whole number from -1000 (first) to 1000 (last)");
  expect(timeout.stderr).toContain("timeout");
  for (const refused of [label, mixed, priority, timeout]) expect(refused).toMatchObject({ code: 2, stdout: "" });
});
