import { inspect, isDeepStrictEqual } from "node:util";
import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import type { ExecutionHandle } from "../client/execution-handle.ts";
import { stepWorkflows, type ReusableStep } from "../definition/remote-step.ts";
import type { SqlClient } from "../definition/transaction.ts";
import type { AnyWorkflow, InputOf, OutputOf } from "../definition/workflow.ts";
import { CrashUnsafe, ExplorationUnstable } from "./crash-errors.ts";
import { CrashReport, type CrashDifference, type RepeatedStep } from "./crash-report.ts";
import { CrashRun, type CrashOutcome, type CrashPoint, type CrashRunRecord } from "./crash-run.ts";
import { checkSetUp, MemoryDatabase, type SetUp } from "./memory-database.ts";
import type { Mocks } from "./mocks.ts";
import type { TestTime } from "./test-time.ts";

export interface ExploreOptions<Result = unknown> {
  /** Makes the tables that the workflow's SQL finds; called before each run, in a database that is empty again (nothing). */
  readonly setUp?: SetUp;
  /** What the steps have left behind in the world and in your tables, as plain data: looked at after each run, and compared (nothing). */
  readonly effects?: (sql: SqlClient) => unknown;
  /** Clears what `effects` looks at; called before each run. Needed wherever there are effects. */
  readonly reset?: () => void | Promise<void>;
  /** Workflows that it starts as children. */
  readonly workflows?: readonly AnyWorkflow[];
  /** Reusable steps that it runs on other queues: those made with a `taskQueue`. */
  readonly steps?: readonly ReusableStep[];
  /** Mocks for each run, which get new ones each time. */
  readonly mocks?: (mocks: Mocks) => void;
  /** What the world does to the execution while it runs, such as cancelling it. Called once in each run; its process does not crash. */
  readonly interact?: (handle: ExecutionHandle<Result>, time: TestTime) => Promise<void>;
  /** The part of the result that must be the same in every run (all of it). */
  readonly result?: (result: Result) => unknown;
}

const exploreKeys = {
  setUp: true,
  effects: true,
  reset: true,
  workflows: true,
  steps: true,
  mocks: true,
  interact: true,
  result: true,
} satisfies KnownKeys<ExploreOptions>;

interface Observed extends CrashRunRecord {
  readonly effects: unknown;
  /** What there was before the run. */
  readonly before: unknown;
}

/**
 * Runs a workflow once for each point at which its worker can crash, and says where the crash changes how it ends or what its
 * steps leave behind. A crash point comes before and after every commit, before every call of a step's function, and after it
 * before its result is recorded. There the worker stops dead and writes nothing more; another one takes over.
 *
 * All in memory, in virtual time: sleeps, retries and leases cost nothing. A function that is running in the worker when that
 * crashes for another reason has its effects before the next one starts.
 *
 * @throws ExplorationUnstable if two runs without a crash differ already; OptionInvalid; InputInvalid; what `setUp` and `interact` throw
 */
export async function exploreCrashes<W extends AnyWorkflow>(workflow: W, input: InputOf<W>, options: ExploreOptions<OutputOf<W>> = {}): Promise<CrashReport> {
  if (typeof workflow?.run !== "function") throw new OptionInvalid("exploreCrashes workflow", "must be a workflow made by defineWorkflow");
  checkKeys(options, exploreKeys, "exploreCrashes");
  checkSetUp(options.setUp);
  const database = await MemoryDatabase.open();
  try {
    const exploration = new Exploration(database, workflow, input, options as ExploreOptions);
    return await exploration.run();
  } finally {
    await database.close();
  }
}

/**
 * Passes if no crash changes anything: for tests.
 *
 * @throws CrashUnsafe, whose message says where and how; and what `exploreCrashes` throws
 */
export async function assertCrashSafe<W extends AnyWorkflow>(workflow: W, input: InputOf<W>, options?: ExploreOptions<OutputOf<W>>): Promise<void> {
  const report = await exploreCrashes(workflow, input, options);
  if (!report.safe) throw new CrashUnsafe(report);
}

class Exploration {
  readonly #database: MemoryDatabase;
  readonly #workflow: AnyWorkflow;
  readonly #input: unknown;
  readonly #options: ExploreOptions;
  /** All that its worker has. */
  readonly #workflows: readonly AnyWorkflow[];

  constructor(database: MemoryDatabase, workflow: AnyWorkflow, input: unknown, options: ExploreOptions) {
    this.#database = database;
    this.#workflow = workflow;
    this.#input = input;
    this.#options = options;
    const { workflows = [], steps = [] } = options;
    this.#workflows = [...(workflows.includes(workflow) ? workflows : [workflow, ...workflows]), ...stepWorkflows(steps)];
  }

  async run(): Promise<CrashReport> {
    const expected = await this.#life(undefined);
    this.#checkStable(expected, await this.#life(undefined));
    const differences: CrashDifference[] = [];
    const unreached: string[] = [];
    const repeated = new Map<string, RepeatedStep>();
    const words = expected.points.map((point, index) => inWords(point, expected.points[index + 1]));
    for (const [index, point] of expected.points.entries()) {
      const actual = await this.#life(point);
      const crashPoint = words[index]!;
      if (!actual.crashed) unreached.push(crashPoint);
      const repeatedSteps = repeatedIn(actual, expected);
      for (const step of repeatedSteps) {
        if ((repeated.get(step.idempotencyKey)?.calls ?? 0) < step.calls) repeated.set(step.idempotencyKey, step);
      }
      for (const what of ["outcome", "effects"] as const) {
        if (!isDeepStrictEqual(actual[what], expected[what])) {
          differences.push({ crashPoint, what, expected: expected[what], actual: actual[what], repeatedSteps });
        }
      }
    }
    return new CrashReport({
      workflow: this.#workflow.name,
      crashPoints: words,
      unreached,
      differences,
      repeatedSteps: [...repeated.values()],
      outcome: expected.outcome,
      effects: expected.effects,
    });
  }

  async #life(crashAt: CrashPoint | undefined): Promise<Observed> {
    const { mocks, interact, setUp, reset } = this.#options;
    await setUp?.(this.#database.sql);
    await reset?.();
    const before = await this.#look();
    const options = { workflow: this.#workflow, input: this.#input, workflows: this.#workflows, mocks, interact };
    let effects: unknown;
    const record = await new CrashRun(this.#database, options, crashAt).run(async () => {
      effects = await this.#look();
    });
    return { ...record, outcome: this.#comparable(record.outcome), effects, before };
  }

  /** A copy: what is looked at goes on changing. */
  async #look(): Promise<unknown> {
    const effects = await this.#options.effects?.(this.#database.sql);
    try {
      return structuredClone(effects);
    } catch (error) {
      throw new OptionInvalid("effects", `must give plain data that can be compared: ${(error as Error).message}`);
    }
  }

  #comparable(outcome: CrashOutcome): CrashOutcome {
    const { result } = this.#options;
    return result !== undefined && "result" in outcome ? { ...outcome, result: result(outcome.result) } : outcome;
  }

  #checkStable(first: Observed, second: Observed): void {
    const { name } = this.#workflow;
    if (!isDeepStrictEqual(first.before, second.before)) {
      const found = `Before the second run effects() gave ${inspect(second.before)}, before the first one ${inspect(first.before)}.`;
      throw new ExplorationUnstable(name, "what effects() gives at their start", first.before, second.before, `${found} Clear it in reset().`);
    }
    for (const what of ["outcome", "effects"] as const) {
      if (isDeepStrictEqual(first[what], second[what])) continue;
      const found = `First: ${inspect(first[what])}. Second: ${inspect(second[what])}.`;
      const next = "Let steps do the same each time (mock what does not), or compare a part only, with result() or effects().";
      throw new ExplorationUnstable(name, `their ${what}`, first[what], second[what], `${found} ${next}`);
    }
  }
}

/** "after ..." alone does not say how far it had got: what comes next in a run without a crash does. */
function inWords(point: CrashPoint, next: CrashPoint | undefined): string {
  const again = point.occurrence > 1 ? ` (time ${point.occurrence})` : "";
  if (!point.words.startsWith("after the commit") || next?.words.startsWith("before") !== true) return `${point.words}${again}`;
  return `${point.words}${again}, ${next.words}`;
}

function repeatedIn(actual: CrashRunRecord, expected: CrashRunRecord): RepeatedStep[] {
  return [...actual.calls].flatMap(([idempotencyKey, { step, count }]) =>
    count > (expected.calls.get(idempotencyKey)?.count ?? 1) ? [{ step, idempotencyKey, calls: count }] : [],
  );
}
