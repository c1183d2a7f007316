/** Every operation on a schedule in every state that it can be in: what it answers, and in which state that leaves it. */
import { defineWorkflow, PawlError, type Pawl, type ScheduleHandle } from "pawl";
import { beforeAll, expect, test } from "vitest";
import { harness } from "./harness.ts";

const situations = ["active", "paused", "ended"] as const;
type Situation = (typeof situations)[number];

const work = defineWorkflow({ name: "work", run: async () => 1 });

const operations = {
  describe: (handle) => handle.describe().then(({ state }) => state),
  "update of the input": (handle) => handle.update({ input: 2 }),
  "update of the times": (handle) => handle.update({ cron: "0 0 1 1 *", endAt: null }),
  pause: (handle) => handle.pause("a note"),
  resume: (handle) => handle.resume(),
  trigger: (handle) => handle.trigger().then(async (started) => (await started.status()).state),
  backfill: (handle) => handle.backfill({ from: "2020-01-01T00:00:00Z", to: "2020-01-02T00:00:00Z" }),
  stopBackfills: (handle) => handle.stopBackfills(),
  "create, keeping": (handle, by) => create(by, handle.scheduleId, "keep"),
  "create, updating": (handle, by) => create(by, handle.scheduleId, "update"),
  create: (handle, by) => create(by, handle.scheduleId, "fail"),
  delete: (handle) => handle.delete(),
} satisfies Record<string, (handle: ScheduleHandle, by: Pawl) => Promise<unknown>>;

type Operation = keyof typeof operations;

async function create(by: Pawl, scheduleId: string, ifExists: "fail" | "keep" | "update"): Promise<void> {
  await by.schedules.create({ scheduleId, workflow: work, cron: "0 0 1 1 *", ifExists });
}

const h = harness();
let pawl: Pawl;

beforeAll(async () => {
  pawl = await h.open();
});

/** A schedule that is in that state; it fires in no test. */
async function make(situation: Situation, scheduleId: string): Promise<ScheduleHandle> {
  const times = { cron: "0 0 1 1 *", ...(situation === "ended" ? { endAt: "2021-01-01T00:00:00Z" } : {}) };
  const handle = await pawl.schedules.create({ scheduleId, workflow: work, ...times });
  if (situation === "paused") await handle.pause();
  return handle;
}

async function answer(operation: Operation, handle: ScheduleHandle, by: Pawl): Promise<string> {
  try {
    const value = await operations[operation](handle, by);
    return value === undefined ? "done" : JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    expect(error.message.length, error.code).toBeGreaterThan(20);
    return error.code;
  }
}

const gone = "SCHEDULE_NOT_FOUND";
type Cell = readonly [answer: string, then: Situation | typeof gone];
/** It answers the same everywhere, and the state stays. */
const everywhere = (says: string): Readonly<Record<Situation, Cell>> => ({ active: [says, "active"], paused: [says, "paused"], ended: [says, "ended"] });

const expected: Readonly<Record<Operation, Readonly<Record<Situation, Cell>>>> = {
  describe: { active: ['"active"', "active"], paused: ['"paused"', "paused"], ended: ['"ended"', "ended"] },
  "update of the input": everywhere("done"),
  "update of the times": { ...everywhere("done"), ended: ["done", "active"] },
  pause: { active: ["done", "paused"], paused: ["done", "paused"], ended: ["done", "paused"] },
  resume: { active: ["done", "active"], paused: ["done", "active"], ended: ["done", "ended"] },
  trigger: everywhere('"pending"'),
  // The range is to be gone through.
  backfill: { ...everywhere("done"), ended: ["done", "active"] },
  stopBackfills: everywhere("0"),
  "create, keeping": everywhere("done"),
  "create, updating": { ...everywhere("done"), ended: ["done", "active"] },
  create: everywhere("SCHEDULE_CONFLICT"),
  delete: { active: ["done", gone], paused: ["done", gone], ended: ["done", gone] },
};

test.each(Object.keys(operations) as Operation[])("%s answers as it should in every state", async (operation) => {
  for (const situation of situations) {
    const handle = await make(situation, `${situation}-${operation.replaceAll(/[ ,]+/g, "-")}`);
    expect(JSON.parse(await answer("describe", handle, pawl)), "before").toBe(situation);
    const [says, then] = expected[operation][situation];
    expect(await answer(operation, handle, pawl), situation).toBe(says);
    const after = await answer("describe", handle, pawl);
    expect(after === gone ? after : JSON.parse(after), `${situation}, after`).toBe(then);
  }
});

const creates: readonly Operation[] = ["create", "create, keeping", "create, updating"];
const others = (Object.keys(operations) as Operation[]).filter((operation) => !creates.includes(operation));

test.each(others)("%s finds nothing where there is nothing, or in another namespace", async (operation) => {
  const elsewhere = await h.open({ namespace: "elsewhere" });
  const { scheduleId } = await make("active", `there-${operation.replaceAll(" ", "-")}`);
  expect(await answer(operation, pawl.schedules.get("never-was"), pawl)).toBe(gone);
  expect(await answer(operation, elsewhere.schedules.get(scheduleId), elsewhere)).toBe(gone);
  expect(await answer("describe", pawl.schedules.get(scheduleId), pawl)).toBe('"active"');
});

test.each(creates)("%s makes one where there is none, and another one in another namespace", async (operation) => {
  const elsewhere = await h.open({ namespace: `elsewhere-${operation.replaceAll(/[ ,]+/g, "-")}` });
  const { scheduleId } = await make("paused", `twice-${operation.replaceAll(/[ ,]+/g, "-")}`);
  expect(await answer(operation, elsewhere.schedules.get(scheduleId), elsewhere)).toBe("done");
  expect(await answer("describe", elsewhere.schedules.get(scheduleId), elsewhere)).toBe('"active"');
  expect(await answer("describe", pawl.schedules.get(scheduleId), pawl)).toBe('"paused"');
});
