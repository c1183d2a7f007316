/** Every operation on an execution in every state that it can be in: what it answers, and in which state that leaves it. */
import { defineWorkflow, PawlError, type BulkOptions, type ExecutionHandle, type OpenTransaction, type Pawl } from "pawl";
import pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, soon } from "./harness.ts";
import { gatheredBy, inSituation, situations, stateIn, subject, type Situation } from "./situations.ts";

type Handle = ExecutionHandle;

const other = defineWorkflow({ name: "other", signals: { go: z.number() }, run: async () => 1 });

/** What is asked of an execution that there is. */
const asked = {
  cancel: (handle) => handle.cancel(),
  terminate: (handle) => handle.terminate(),
  pause: (handle) => handle.pause(),
  resume: (handle) => handle.resume().then(() => undefined),
  "rollback to the start": (handle) => handle.rollback({ to: 1 }).then(() => undefined),
  "rollback to a step": (handle) => handle.rollback({ to: { step: "first" } }).then(() => undefined),
  retry: (handle) => handle.retry().then(() => undefined),
  "fork from the start": (handle) => handle.fork({ from: 1 }).then(leave),
  "fork from a step": (handle) => handle.fork({ from: { step: "first" } }).then(leave),
  signal: (handle) => handle.signal("go", 1),
  "signal in a transaction": (handle) => inTransaction((transaction) => handle.signal("go", 1, { transaction })),
  update: (handle) => handle.update("add", 2, { timeout: 1000 }),
  query: (handle) => handle.query("n"),
  value: (handle) => handle.value("known"),
  "wait for a value": (handle) => handle.value("unset", { wait: true, timeout: 300 }),
  stream: (handle) => chunks(handle, { follow: false }),
  // Of what has ended it must stop by itself.
  "follow a stream": async (handle) =>
    (await handle.status()).finishedAt === null ? chunks(handle, { signal: AbortSignal.timeout(2000) }) : chunks(handle, {}),
  result: (handle) => handle.result({ timeout: 1000 }),
  status: (handle) => handle.status().then(({ state }) => state),
  history: (handle) => handle.history().then(({ length }) => length > 0),
  runs: (handle) => handle.runs().then(({ length }) => length),
  checkpoints: (handle) => handle.checkpoints().then((checkpoints) => checkpoints.map(({ step }) => step)),
  export: (handle, by) => by.exportExecution(handle.executionId).then(({ runs }) => runs.map(({ state }) => state)),
  "import over it": async (handle, by) => by.importExecution(await by.exportExecution(handle.executionId)),
  "import beside it": async (handle, by) => {
    const copy = await by.importExecution(await by.exportExecution(handle.executionId), { executionId: `${handle.executionId}-copy` });
    const { state } = await copy.status();
    await leave(copy);
    return state;
  },
} satisfies Record<string, (handle: Handle, by: Pawl) => Promise<unknown>>;

/** What starts one, if it does not give the one that there is. */
const starts = {
  "start again": (handle, input) => pawl.start(subject, input, { executionId: handle.executionId }).then(whichOf(handle)),
  "start again with another input": (handle) => pawl.start(subject, "running", { executionId: handle.executionId }).then(whichOf(handle)),
  "start again in a transaction": (handle, input) =>
    inTransaction((transaction) => pawl.start(subject, input, { executionId: handle.executionId, transaction })).then(whichOf(handle)),
  "start another workflow": (handle) => pawl.start(other, undefined, { executionId: handle.executionId }).then(whichOf(handle)),
  "start with its idempotency key": async (handle, input) => pawl.start(subject, input, { idempotencyKey: await nameOf(handle) }).then(whichOf(handle)),
  "start with its idempotency key and another input": async (handle) =>
    pawl.start(subject, "waiting for something else" as never, { idempotencyKey: await nameOf(handle) }).then(whichOf(handle)),
  "start with its deduplication id": async (handle) => pawl.start(subject, "waiting", { deduplicationId: await nameOf(handle) }).then(whichOf(handle)),
  "start with its debounce key": async (handle) => pawl.start(subject, "gathering", { debounce: gatheredBy(await nameOf(handle)) }).then(whichOf(handle)),
  signalWithStart: (handle, input) =>
    pawl.signalWithStart(subject, input, { executionId: handle.executionId, signal: { name: "go", payload: 1 } }).then(whichOf(handle)),
  "signalWithStart of another workflow": (handle) =>
    pawl.signalWithStart(other, undefined, { executionId: handle.executionId, signal: { name: "go", payload: 1 } }).then(whichOf(handle)),
} satisfies Record<string, (handle: Handle, input: Situation) => Promise<unknown>>;

type Operation = keyof typeof asked | keyof typeof starts;

/** For what an operation has made beside its subject. */
async function leave(handle: Handle): Promise<void> {
  await handle.terminate().catch(() => {});
}

/** As `inSituation` has named it. */
async function nameOf(handle: Handle): Promise<string> {
  return (await handle.status()).labels["of"]!;
}

function whichOf(handle: Handle): (started: Handle) => Promise<string> {
  return async (started) => {
    if (started.executionId === handle.executionId) return "this one";
    await leave(started);
    return "another one";
  };
}

async function inTransaction<Value>(act: (client: OpenTransaction) => Promise<Value>): Promise<Value> {
  const client = new pg.Client({ connectionString: h.url });
  await client.connect();
  try {
    await client.query("BEGIN");
    const value = await act(client);
    await client.query("COMMIT");
    return value;
  } finally {
    await client.end();
  }
}

async function chunks(handle: Handle, options: { readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<unknown> {
  const found: unknown[] = [];
  for await (const { value } of handle.stream("said", options)) found.push(value);
  return options.signal?.aborted === true ? [...found, "and waits"] : found;
}

const h = harness();
let pawl: Pawl;
/** One for each cell of the table. */
const subjects = new Map<string, Promise<Handle>>();

beforeAll(async () => {
  pawl = await h.open();
  await pawl.worker({ workflows: [subject, other], concurrency: 500, ...soon });
  for (const operation of Object.keys(expected)) for (const situation of situations) subjects.set(`${operation} ${situation}`, inSituation(pawl, situation));
  await Promise.all(subjects.values());
});

function stateOf(handle: Handle, state: string): Promise<void> {
  return eventually(async () => expect((await handle.status()).state).toBe(state));
}

async function answer(operation: () => Promise<unknown>): Promise<string> {
  try {
    const value = await operation();
    return value === undefined ? "done" : typeof value === "string" ? value : JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    expect(error.message.length, error.code).toBeGreaterThan(20);
    return error.code;
  }
}

const notNow = "EXECUTION_STATE_INVALID";
const same = Symbol("the state it was in");
type Cell = readonly [answer: string, then: string | typeof same];
type Row = Readonly<Record<Situation, Cell>>;
const refused: Cell = [notNow, same];
const done: Cell = ["done", same];
const thisOne: Cell = ["this one", same];
const anotherOne: Cell = ["another one", same];
const conflict: Cell = ["EXECUTION_CONFLICT", same];

const inOrder = (cellOf: (situation: Situation) => Cell): Row => Object.fromEntries(situations.map((situation) => [situation, cellOf(situation)])) as Row;
const everywhere = (cell: Cell): Row => inOrder(() => cell);

const endings = ["completed", "failed", "cancelled", "terminated", "timed_out"] as const;
const isEnded = (situation: Situation): boolean => endings.some((ending) => ending === situation);
/** Of those that have ended. */
const ended = (cell: Cell): Readonly<Record<(typeof endings)[number], Cell>> => ({
  completed: cell,
  failed: cell,
  cancelled: cell,
  terminated: cell,
  timed_out: cell,
});
/** Of those that have done nothing yet. */
const before = (cell: Cell): Readonly<Record<"pending" | "delayed" | "gathering", Cell>> => ({ pending: cell, delayed: cell, gathering: cell });
/** Of those that have done nothing and are held. */
const held = (cell: Cell): Readonly<Record<"paused before it began" | "poisoned", Cell>> => ({ "paused before it began": cell, poisoned: cell });
const nothingDone = (cell: Cell): ReturnType<typeof before> & ReturnType<typeof held> => ({ ...before(cell), ...held(cell) });

/**
 * The subject's code decides where those go that begin anew: the paused and the stopped wait again, the failed fail again. A request to
 * pause or to cancel was about what is rolled back.
 */
const again = {
  running: ["done", "running"],
  "asked to pause": ["done", "running"],
  waiting: ["done", "running"],
  "in its second run": ["done", "running"],
  "being cancelled": ["done", "running"],
  paused: ["done", "running"],
  "paused before it began": ["done", "running"],
  quarantined: ["done", "completed"],
  // Nobody takes from its queue.
  poisoned: ["done", "running"],
  completed: ["done", "completed"],
  failed: ["done", "failed"],
  cancelled: ["done", "running"],
  terminated: ["done", "running"],
  timed_out: ["done", "timed_out"],
} as const;

const signalled: Row = { ...everywhere(done), waiting: ["done", "completed"], "in its second run": ["done", "completed"], ...ended(refused) };

const expected: Readonly<Record<Operation, Row>> = {
  cancel: {
    ...before(["cancelled", "cancelled"]),
    running: ["running", "cancelled"],
    "asked to pause": ["running", "cancelled"],
    waiting: ["running", "cancelled"],
    "in its second run": ["running", "cancelled"],
    "being cancelled": ["running", same],
    paused: ["paused", "cancelled"],
    "paused before it began": ["cancelled", "cancelled"],
    quarantined: ["cancelled", "cancelled"],
    poisoned: ["cancelled", "cancelled"],
    ...ended(refused),
    cancelled: ["cancelled", same],
  },
  terminate: { ...everywhere(["done", "terminated"]), ...ended(refused), terminated: done },
  pause: {
    ...before(["paused", "paused"]),
    // At its next step boundary, which does not come.
    running: ["running", same],
    "asked to pause": ["running", same],
    waiting: ["paused", "paused"],
    "in its second run": ["paused", "paused"],
    "being cancelled": refused,
    paused: ["paused", same],
    "paused before it began": ["paused", same],
    quarantined: refused,
    poisoned: refused,
    ...ended(refused),
  },
  resume: {
    ...everywhere(refused),
    "asked to pause": done,
    paused: ["done", "running"],
    "paused before it began": ["done", "pending"],
    quarantined: done,
    // Nobody takes from its queue.
    poisoned: ["done", "running"],
    cancelled: ["done", "running"],
  },
  "rollback to the start": {
    ...again,
    // Nobody takes from its queue.
    pending: ["done", "running"],
    delayed: ["done", "completed"],
    gathering: ["done", "completed"],
  },
  "rollback to a step": { ...again, ...nothingDone(["OPTION_INVALID", same]) },
  retry: { ...everywhere(refused), failed: ["done", "failed"], timed_out: ["done", "timed_out"] },
  "fork from the start": everywhere(done),
  "fork from a step": { ...everywhere(done), ...nothingDone(["OPTION_INVALID", same]) },
  signal: signalled,
  "signal in a transaction": signalled,
  update: {
    ...everywhere(["WAIT_TIMEOUT", same]),
    running: ["2", same],
    waiting: ["2", same],
    "in its second run": ["2", same],
    "being cancelled": ["2", same],
    ...ended(refused),
  },
  query: { ...everywhere(["0", same]), quarantined: ["NONDETERMINISM_DETECTED", same] },
  value: { ...everywhere(["7", same]), ...nothingDone(done) },
  "wait for a value": { ...everywhere(["WAIT_TIMEOUT", same]), ...ended(refused) },
  // What was written before the rollback stays.
  stream: { ...everywhere(['["hello"]', same]), ...nothingDone(["[]", same]), "in its second run": ['["hello","hello"]', same] },
  "follow a stream": {
    ...everywhere(['["hello","and waits"]', same]),
    ...nothingDone(['["and waits"]', same]),
    ...ended(['["hello"]', same]),
    "in its second run": ['["hello","hello","and waits"]', same],
  },
  result: {
    ...everywhere(["RESULT_TIMEOUT", same]),
    quarantined: ["EXECUTION_QUARANTINED", same],
    poisoned: ["EXECUTION_QUARANTINED", same],
    completed: ["done", same],
    failed: ["EXECUTION_FAILED", same],
    cancelled: ["EXECUTION_CANCELLED", same],
    terminated: ["EXECUTION_TERMINATED", same],
    timed_out: ["EXECUTION_TIMED_OUT", same],
  },
  status: inOrder((situation) => [stateIn(situation), same]),
  history: everywhere(["true", same]),
  runs: { ...everywhere(["1", same]), "in its second run": ["2", same] },
  checkpoints: { ...everywhere(['["first"]', same]), ...nothingDone(["[]", same]) },
  export: { ...inOrder((situation) => [JSON.stringify([stateIn(situation)]), same]), "in its second run": ['["running","running"]', same] },
  "import over it": everywhere(conflict),
  // What has not ended would go on with other random numbers, and other children.
  "import beside it": inOrder((situation) => [isEnded(situation) ? situation : "DOCUMENT_INVALID", same]),
  "start again": everywhere(thisOne),
  "start again with another input": everywhere(thisOne),
  "start again in a transaction": everywhere(thisOne),
  "start another workflow": everywhere(conflict),
  "start with its idempotency key": { ...everywhere(thisOne), gathering: anotherOne },
  "start with its idempotency key and another input": { ...everywhere(conflict), gathering: anotherOne },
  "start with its deduplication id": { ...everywhere(thisOne), gathering: anotherOne, ...ended(anotherOne) },
  "start with its debounce key": { ...everywhere(anotherOne), gathering: thisOne },
  signalWithStart: { ...inOrder((situation) => ["this one", signalled[situation][1]]), ...ended(refused) },
  "signalWithStart of another workflow": everywhere(conflict),
};

const perform = (operation: Operation, handle: Handle, situation: Situation): Promise<unknown> =>
  operation in asked ? asked[operation as keyof typeof asked](handle, pawl) : starts[operation as keyof typeof starts](handle, situation);

test.each(Object.keys(expected) as Operation[])("%s answers as it should in every state", async (operation) => {
  const found = await Promise.all(
    situations.map(async (situation) => {
      const handle = await subjects.get(`${operation} ${situation}`)!;
      const was = (await handle.status()).state;
      const got = await answer(() => perform(operation, handle, situation));
      const [, then] = expected[operation][situation];
      await stateOf(handle, then === same ? was : then);
      // What has ended, is held or has begun takes no more starts; whatever else was done to it, it goes on gathering.
      if (situation === "gathering")
        expect(await perform("start with its debounce key", handle, situation), operation).toBe(then === same ? "this one" : "another one");
      return [situation, got] as const;
    }),
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(situations.map((situation) => [situation, expected[operation][situation][0]])));
});

/** A bulk operation counts what the operation answers. */
const inBulk: readonly (readonly [Operation, Omit<BulkOptions, "filter">])[] = [
  ["cancel", { operation: "cancel" }],
  ["terminate", { operation: "terminate" }],
  ["pause", { operation: "pause" }],
  ["resume", { operation: "resume" }],
  ["rollback to the start", { operation: "rollback", to: 1 }],
  ["rollback to a step", { operation: "rollback", to: { step: "first" } }],
  ["retry", { operation: "retry" }],
  ["fork from a step", { operation: "fork", from: { step: "first" } }],
  ["signal", { operation: "signal", signal: { name: "go", payload: 1 } }],
];

test.each(inBulk)("%s does in bulk, in every state, what it does alone", async (operation, options) => {
  const labels = { bulk: operation };
  const handles = await Promise.all(situations.map((situation) => inSituation(pawl, situation, labels)));
  const bulk = await pawl.bulk({ ...options, filter: `labels.bulk == "${operation}"` });
  const answers = situations.map((situation) => expected[operation][situation][0]);
  const skipped = answers.filter((code) => code === notNow).length;
  const failed = answers.filter((code) => code === "OPTION_INVALID").length;
  const { matched, ...progress } = await bulk.result();
  expect({ ...progress, failures: progress.failures.map(({ code }) => code) }).toEqual({
    done: situations.length - skipped - failed,
    skipped,
    failed,
    failures: answers.filter((code) => code === "OPTION_INVALID"),
  });
  expect(matched).toBe(situations.length);
  for (const [index, situation] of situations.entries()) {
    const [, then] = expected[operation][situation];
    await stateOf(handles[index]!, then === same ? stateIn(situation) : then);
  }
});

test.each(Object.keys(asked) as (keyof typeof asked)[])("%s finds nothing where there is nothing, or in another namespace", async (operation) => {
  const elsewhere = await h.open({ namespace: "elsewhere" });
  const { executionId } = await subjects.get("history waiting")!;
  expect(await answer(() => asked[operation](pawl.handle("never-was"), pawl))).toBe("EXECUTION_NOT_FOUND");
  expect(await answer(() => asked[operation](elsewhere.handle(executionId), elsewhere))).toBe("EXECUTION_NOT_FOUND");
});
