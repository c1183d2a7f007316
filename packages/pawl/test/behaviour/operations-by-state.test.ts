/** Every operation on an execution in every state that it can be in: what it answers, and in which state that leaves it. */
import { defineWorkflow, PawlError, update, type ExecutionHandle, type Pawl } from "pawl";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, soon } from "./harness.ts";

type Handle = ExecutionHandle;
type Situation = "pending" | "delayed" | "running" | "waiting" | "paused" | "quarantined" | "completed" | "failed" | "cancelled" | "terminated" | "timed_out";

const situations = [
  "pending",
  "delayed",
  "running",
  "waiting",
  "paused",
  "quarantined",
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
] as const satisfies readonly Situation[];

/** The code has changed for those that are to be quarantined: they go on with another call than they have recorded. */
const changed = new Set<string>();

const subject = defineWorkflow({
  name: "subject",
  state: () => ({ n: 0 }),
  signals: { go: z.number() },
  queries: { n: (state: { n: number }) => state.n },
  updates: { add: update(z.number(), (state: { n: number }, by: number) => (state.n += by)) },
  retry: { maximumAttempts: 1 },
  run: async (ctx, situation: Situation) => {
    await ctx.step("first", () => 1);
    await ctx.set("known", 7);
    switch (situation) {
      case "running":
        await ctx.step("busy", (step) => new Promise((_, reject) => step.signal.addEventListener("abort", () => reject(new Error("stopped")))));
        break;
      case "failed":
        throw new Error("no");
      case "timed_out":
        await ctx.sleep("1 day");
        break;
      case "completed":
      case "delayed":
        break;
      case "quarantined":
        if (changed.has(ctx.executionId)) await ctx.step("another call", () => 1);
        else await ctx.signal("go");
        break;
      default:
        await ctx.signal("go");
    }
    return "done";
  },
});

const operations = {
  cancel: (handle: Handle) => handle.cancel(),
  terminate: (handle: Handle) => handle.terminate(),
  pause: (handle: Handle) => handle.pause(),
  resume: (handle: Handle) => handle.resume().then(() => undefined),
  "rollback to the start": (handle: Handle) => handle.rollback({ to: 1 }).then(() => undefined),
  "rollback to a step": (handle: Handle) => handle.rollback({ to: { step: "first" } }).then(() => undefined),
  retry: (handle: Handle) => handle.retry().then(() => undefined),
  fork: (handle: Handle) => handle.fork({ from: 1 }).then((forked) => forked.terminate().catch(() => {})),
  signal: (handle: Handle) => handle.signal("go", 1),
  update: (handle: Handle) => handle.update("add", 2, { timeout: 300 }),
  query: (handle: Handle) => handle.query("n"),
  value: (handle: Handle) => handle.value("known"),
  result: (handle: Handle) => handle.result({ timeout: 500 }),
  history: (handle: Handle) => handle.history().then(({ length }) => length > 0),
} satisfies Record<string, (handle: Handle) => Promise<unknown>>;

type Operation = keyof typeof operations;

const h = harness();
let pawl: Pawl;
/** One for each cell of the table. */
const subjects = new Map<string, Promise<Handle>>();

beforeAll(async () => {
  pawl = await h.open();
  await pawl.worker({ workflows: [subject], concurrency: 50, ...soon });
  for (const operation of Object.keys(operations)) for (const situation of situations) subjects.set(`${operation} ${situation}`, make(situation));
  await Promise.all(subjects.values());
});

let made = 0;

/** An execution that is in that situation. */
async function make(situation: Situation): Promise<Handle> {
  const executionId = `${situation}-${++made}`;
  const handle = (await pawl.start(subject, situation, {
    executionId,
    ...(situation === "pending" ? { taskQueue: "nobody" } : {}),
    ...(situation === "delayed" ? { delay: "1 hour" } : {}),
    ...(situation === "timed_out" ? { timeout: "3s" } : {}),
  })) as Handle;
  const isParked = async (): Promise<void> => expect(await handle.status()).toMatchObject({ state: "running", workerId: null });
  switch (situation) {
    case "pending":
    case "delayed":
      break;
    case "running":
      await eventually(async () => expect((await handle.status()).events).toBeGreaterThan(3));
      break;
    case "waiting":
      await eventually(isParked);
      break;
    case "paused":
      await eventually(isParked);
      await handle.pause();
      break;
    case "quarantined":
      await eventually(isParked);
      changed.add(executionId);
      await handle.update("add", 1, { timeout: 1 }).catch(() => {});
      break;
    case "cancelled":
      await eventually(isParked);
      await handle.cancel();
      break;
    case "terminated":
      await eventually(isParked);
      await handle.terminate();
      break;
    default:
      break;
  }
  await stateOf(handle, situation === "delayed" ? "pending" : situation === "waiting" ? "running" : situation);
  return handle;
}

function stateOf(handle: Handle, state: string): Promise<void> {
  return eventually(async () => expect((await handle.status()).state).toBe(state));
}

async function answer(handle: Handle, operation: Operation): Promise<string> {
  try {
    const value = await operations[operation](handle);
    return value === undefined ? "done" : JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    expect(error.message.length, error.code).toBeGreaterThan(20);
    return error.code;
  }
}

const notNow = "EXECUTION_STATE_INVALID";
const same = Symbol("the state it was in");
type Cell = readonly [answer: string, then: string | typeof same];
const refused: Cell = [notNow, same];
const done: Cell = ["done", same];

/** Of those that have ended. */
const ended = (cell: Cell): Readonly<Record<"completed" | "failed" | "cancelled" | "terminated" | "timed_out", Cell>> => ({
  completed: cell,
  failed: cell,
  cancelled: cell,
  terminated: cell,
  timed_out: cell,
});
const everywhere = (cell: Cell): Readonly<Record<Situation, Cell>> => ({
  pending: cell,
  delayed: cell,
  running: cell,
  waiting: cell,
  paused: cell,
  quarantined: cell,
  ...ended(cell),
});

/** The subject's code decides where those go that begin anew: the paused and the stopped wait again, the failed fail again. */
const again = { completed: ["done", "completed"], failed: ["done", "failed"], cancelled: ["done", "running"], terminated: ["done", "running"] } as const;

const expected: Readonly<Record<Operation, Readonly<Record<Situation, Cell>>>> = {
  cancel: {
    pending: ['"cancelled"', "cancelled"],
    delayed: ['"cancelled"', "cancelled"],
    running: ['"running"', "cancelled"],
    waiting: ['"running"', "cancelled"],
    paused: ['"paused"', "cancelled"],
    quarantined: ['"cancelled"', "cancelled"],
    ...ended(refused),
    cancelled: ['"cancelled"', same],
  },
  terminate: { ...everywhere(["done", "terminated"]), ...ended(refused), terminated: done },
  pause: {
    pending: ['"paused"', "paused"],
    delayed: ['"paused"', "paused"],
    // At its next step boundary, which does not come.
    running: ['"running"', "running"],
    waiting: ['"paused"', "paused"],
    paused: ['"paused"', same],
    quarantined: refused,
    ...ended(refused),
  },
  resume: { ...everywhere(refused), paused: ["done", "running"], quarantined: done, cancelled: ["done", "running"] },
  "rollback to the start": {
    ...again,
    // Nobody takes from its queue.
    pending: ["done", "running"],
    delayed: ["done", "completed"],
    running: ["done", "running"],
    waiting: ["done", "running"],
    paused: ["done", "running"],
    quarantined: ["done", "completed"],
    timed_out: ["done", "timed_out"],
  },
  "rollback to a step": {
    ...again,
    pending: ["OPTION_INVALID", same],
    delayed: ["OPTION_INVALID", same],
    running: ["done", "running"],
    waiting: ["done", "running"],
    paused: ["done", "running"],
    quarantined: ["done", "completed"],
    timed_out: ["done", "timed_out"],
  },
  retry: { ...everywhere(refused), failed: ["done", "failed"], timed_out: ["done", "timed_out"] },
  fork: everywhere(done),
  signal: { ...everywhere(done), waiting: ["done", "completed"], ...ended(refused) },
  update: { ...everywhere(["WAIT_TIMEOUT", same]), running: ["2", same], waiting: ["2", same], ...ended(refused) },
  query: { ...everywhere(["0", same]), quarantined: ["NONDETERMINISM_DETECTED", same] },
  value: { ...everywhere(["7", same]), pending: done, delayed: done },
  result: {
    ...everywhere(["RESULT_TIMEOUT", same]),
    quarantined: ["EXECUTION_QUARANTINED", same],
    completed: ['"done"', same],
    failed: ["EXECUTION_FAILED", same],
    cancelled: ["EXECUTION_CANCELLED", same],
    terminated: ["EXECUTION_TERMINATED", same],
    timed_out: ["EXECUTION_TIMED_OUT", same],
  },
  history: everywhere(["true", same]),
};

test.each(Object.keys(operations) as Operation[])("%s answers as it should in every state", async (operation) => {
  const found = await Promise.all(
    situations.map(async (situation) => {
      const handle = await subjects.get(`${operation} ${situation}`)!;
      const before = (await handle.status()).state;
      const got = await answer(handle, operation);
      const [, then] = expected[operation][situation];
      await stateOf(handle, then === same ? before : then);
      return [situation, got] as const;
    }),
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(situations.map((situation) => [situation, expected[operation][situation][0]])));
});

test.each(Object.keys(operations) as Operation[])("%s finds nothing where there is nothing, or in another namespace", async (operation) => {
  const elsewhere = await h.open({ namespace: "elsewhere" });
  const { executionId } = await subjects.get("history waiting")!;
  expect(await answer(pawl.handle("never-was"), operation)).toBe("EXECUTION_NOT_FOUND");
  expect(await answer(elsewhere.handle(executionId), operation)).toBe("EXECUTION_NOT_FOUND");
});
