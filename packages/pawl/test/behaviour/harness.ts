/** What every behaviour test needs: a database of its own, Pawls on it that are closed again, and a look at the invariants. */
import { randomUUID } from "node:crypto";
import { type AnyWorkflow, defineWorkflow, type Pawl, PawlError, type PawlOptions, type Worker, type WorkerOptions } from "pawl";
import { openPawl, silentLogger, type Interceptor } from "pawl/internal";
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";

interface Harness {
  readonly url: string;
  /** Opens a Pawl on this file's database; it is closed after the test, or after all tests when `beforeAll` opened it. */
  open(options?: Omit<PawlOptions, "url">, intercept?: Interceptor): Promise<Pawl>;
  /** A Pawl with a worker that looks for work every few milliseconds. */
  run(workflows: readonly AnyWorkflow[], options?: Omit<WorkerOptions, "workflows">): Promise<{ readonly pawl: Pawl; readonly worker: Worker }>;
  count(sql: string, ...parameters: unknown[]): Promise<number>;
}

/** Sets up one database for all tests of a file. After each test its Pawls are closed and the invariants are checked. */
export function harness(): Harness {
  let database: FreshDatabase | undefined;
  const opened: Pawl[] = [];
  const shared: Pawl[] = [];
  let testing = false;
  const url = (): string => database!.url;
  const open: Harness["open"] = async (options = {}, intercept) => {
    const pawl = await openPawl({ logger: silentLogger, ...options, url: url() }, intercept);
    (testing ? opened : shared).push(pawl);
    return pawl;
  };
  beforeAll(async () => {
    database = await freshDatabase();
    await (await openPawl({ url: database.url, logger: silentLogger })).close();
    await installTerminalGuard(database.url);
  });
  beforeEach(() => {
    testing = true;
  });
  afterEach(async () => {
    testing = false;
    await Promise.all(opened.splice(0).map((pawl) => pawl.close({ drain: 0 })));
    await checkInvariants(url());
  });
  afterAll(async () => {
    await Promise.all(shared.map((pawl) => pawl.close({ drain: 0 })));
    await database?.drop();
  });
  return {
    get url() {
      return url();
    },
    open,
    async run(workflows, options) {
      const pawl = await open();
      return { pawl, worker: await pawl.worker({ workflows, ...soon, ...options }) };
    },
    async count(sql, ...parameters) {
      const [row] = await query<{ readonly n: number }>(url(), `SELECT count(*)::int AS n FROM ${sql}`, parameters);
      return row!.n;
    },
  };
}

/** Worker options for tests: parked executions are found at once. */
export const soon = { pollInterval: 10 } as const;

/** A retry policy that does not keep a test waiting. */
export const quickly = { initialInterval: 1, backoffCoefficient: 1 } as const;

/** Longer than an execution waits in memory: it is parked, and replayed when it goes on. */
export const parkedSleep = 270;

/** A promise to be settled from outside. */
interface Gate<Value = void> {
  readonly opened: Promise<Value>;
  open(value: Value): void;
}

export function gate<Value = void>(): Gate<Value> {
  let open!: (value: Value) => void;
  const opened = new Promise<Value>((resolve) => (open = resolve));
  return { opened, open };
}

/** A workflow with a step that ends when it is told to, and one after it. */
export function twoSteps(name = "two-steps") {
  const begun = gate();
  const letGo = gate<string>();
  const ran: string[] = [];
  const workflow = defineWorkflow({
    name,
    run: async (ctx) => {
      const first = await ctx.step("first", () => {
        ran.push("first");
        begun.open();
        return letGo.opened;
      });
      return ctx.step("second", () => {
        ran.push("second");
        return `${first} and second`;
      });
    },
  });
  return { workflow, begun, letGo, ran };
}

/** The error a promise is rejected with; fails the test when it is not. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return error as Error;
  }
  throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
}

/** The Pawl error a promise is rejected with, by class. */
export async function refusalOf<E extends PawlError>(promise: Promise<unknown>, kind: new (...args: never[]) => E): Promise<E> {
  const error = await failureOf(promise);
  expect(error, error.stack ?? error.message).toBeInstanceOf(kind);
  return error as E;
}

/** The error that an execution ended with: the cause of what `result()` throws. */
export async function causeOf(result: Promise<unknown>): Promise<Error & { readonly code?: string | number }> {
  const error = await failureOf(result);
  expect(error.cause, error.message).toBeInstanceOf(Error);
  return error.cause as Error & { readonly code?: string | number };
}

/** Asks again and again until the check no longer throws. */
export function eventually<Value>(check: () => Value | Promise<Value>, timeout = 120_000): Promise<Value> {
  return vi.waitFor(check, { timeout, interval: 5 });
}

/** A worker claims the one execution of that workflow in a task queue and does nothing with it. Gives the id of the worker. */
export async function claimIdly({ namespace, store }: Pawl, workflow: string, taskQueue: string): Promise<string> {
  const workerId = randomUUID();
  const served = { workerId, namespace, taskQueues: [taskQueue], definitions: [`${workflow}@1`] };
  const process = { host: "elsewhere", pid: 1, pidStarted: "" };
  await store.registerWorker({ ...served, ...process, definitionQueues: [taskQueue], concurrency: 1, leaseMs: 60_000 });
  // Who has taken it over from the one before may be another worker, which is not done yet.
  await eventually(async () => expect((await store.claim({ ...served, limit: 1, suspects: true })).executions).toHaveLength(1));
  return workerId;
}
