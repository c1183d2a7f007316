import type { Arena } from "./arena.ts";
import type { Chooser, Grain, Run } from "./controller.ts";
import { claimBy, takeOverFrom, type Hands, type Move } from "./moves.ts";
import type { Scenario } from "./scenario.ts";
import { following, searchOrders, seededRandom } from "./search.ts";
import type { Mutation } from "./session.ts";
import { workers } from "./world.ts";

export interface Exploration {
  readonly limit: number;
  readonly seed: number;
  /** Statements sent in place of Pawl's own, while outcomes are still judged by what Pawl's own do. */
  readonly mutation?: Mutation;
  /** Only this one order. */
  readonly order?: string;
}

interface Violation {
  readonly order: string;
  readonly problem: string;
  readonly trace: readonly string[];
}

export interface Report {
  readonly scenario: Scenario;
  readonly orders: number;
  readonly isExhaustive: boolean;
  /** Orders in which two transactions were open at one time. */
  readonly overlapped: number;
  readonly blocked: number;
  readonly deadlocks: number;
  /** How many orders ended as each order of whole transactions does. */
  readonly winners: ReadonlyMap<string, number>;
  /** Outcomes that orders of whole transactions have and no order with overlapping ones had. */
  readonly missing: readonly string[];
  readonly violation: Violation | undefined;
}

/**
 * Runs the moves of a scenario in many orders and judges each: every statement must look as if it happened at one moment, so
 * what the moves gave and what they left behind must be what some order of whole transactions gives and leaves. Those orders
 * are run first. Besides, no statement may fail or be part of a deadlock, and no state may break an invariant, neither right
 * after the run nor after a reaper and a worker came by.
 */
export async function exploreScenario(arena: Arena, scenario: Scenario, { limit, seed, mutation, order }: Exploration): Promise<Report> {
  const allowed = await wholeOutcomes(arena, scenario, "as they are");
  let isWeakenedKnown = false;
  const judged = new Map<string, string | undefined>();
  const winners = new Map<string, number>();
  const overlappedWinners = new Set<string>();
  const total = { orders: 0, overlapped: 0, blocked: 0, deadlocks: 0 };
  let violation: Violation | undefined;

  const explore = async (choose: Chooser): Promise<Run | undefined> => {
    const run = await runOrder(arena, scenario.fixture, scenario.moves, choose, "gates", mutation);
    const outcome = await outcomeOf(arena, run);
    total.orders++;
    total.overlapped += Number(run.overlapped);
    total.blocked += run.blocked;
    total.deadlocks += run.deadlocks;
    if (!judged.has(outcome)) judged.set(outcome, run.failures.length > 0 ? undefined : await broken(arena));
    // There are many ways to skip something, and most scenarios need none of them.
    if (!allowed.has(outcome) && run.failures.length === 0 && !isWeakenedKnown) {
      isWeakenedKnown = true;
      for (const [text, name] of await wholeOutcomes(arena, scenario, "weakened")) if (!allowed.has(text)) allowed.set(text, name);
    }
    const winner = allowed.get(outcome);
    if (winner !== undefined) {
      winners.set(winner, (winners.get(winner) ?? 0) + 1);
      if (run.overlapped) overlappedWinners.add(winner);
    }
    let problem: string | undefined;
    if (run.failures.length > 0) problem = `failed: ${run.failures.join("; ")}`;
    else if (run.deadlocks > 0) problem = "deadlock";
    else if (winner === undefined)
      problem = `no order of whole transactions ends like this:\n${outcome}\n\nbut:\n${[...allowed].map(([text, name]) => `[${name}]\n${text}`).join("\n\n")}`;
    problem ??= judged.get(outcome);
    if (problem === undefined) return run;
    violation = { order: run.order, problem, trace: run.trace };
    return undefined;
  };

  let isExhaustive = false;
  if (order === undefined) isExhaustive = await searchOrders({ limit, random: seededRandom(seed) }, explore);
  else await explore(following(order));
  const missing = [...new Set(allowed.values())].filter((winner) => !winner.includes("~") && !overlappedWinners.has(winner));
  return { scenario, ...total, isExhaustive, winners, missing, violation };
}

/** What the orders of whole transactions give, by the shortest name of one that does; `~` marks moves that skipped something. */
async function wholeOutcomes(arena: Arena, scenario: Scenario, which: "as they are" | "weakened"): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>();
  for (const { moves, marks } of variants(scenario.moves)) {
    if ((marks === "") !== (which === "as they are")) continue;
    await searchOrders({ limit: 500, random: Math.random }, async (choose) => {
      const run = await runOrder(arena, scenario.fixture, moves, choose, "transactions");
      // Whoever waited for a user's open transaction went on in the middle of a statement. An order in which it comes later has nobody wait.
      if (run.blocked > 0) return run;
      const outcome = await outcomeOf(arena, run);
      const begun = run.trace.filter((line) => line.includes(" begin ")).map((line) => line[0]!);
      if (!outcomes.has(outcome)) outcomes.set(outcome, begun.join("") + marks);
      const problem = run.failures.length > 0 ? run.failures.join("; ") : await broken(arena);
      if (problem !== undefined)
        throw new Error(`${scenario.name}: wrong even in the order ${begun.join("")} of whole transactions: ${problem}\n${run.trace.join("\n")}`);
      return run;
    });
  }
  return outcomes;
}

/** The moves themselves first, then with any of them replaced by something weaker. */
function variants(moves: readonly Move[]): { readonly moves: readonly Move[]; readonly marks: string }[] {
  let found: { readonly moves: readonly Move[]; readonly marks: string }[] = [{ moves: [], marks: "" }];
  moves.forEach((move, index) => {
    const kept = found.map(({ moves: before, marks }) => ({ moves: [...before, move], marks }));
    const weakened = (move.weaker ?? []).flatMap((weaker) =>
      found.map(({ moves: before, marks }) => ({ moves: [...before, weaker], marks: `${marks}~${String.fromCharCode(65 + index)}` })),
    );
    found = [...kept, ...weakened];
  });
  return found;
}

async function runOrder(arena: Arena, fixture: Scenario["fixture"], moves: readonly Move[], choose: Chooser, grain: Grain, mutation?: Mutation): Promise<Run> {
  const cursors = await arena.restore(fixture.name, (gateway) => fixture.build(gateway));
  const cursor: Hands["cursor"] = (executionId) => cursors.get(executionId)!;
  for (const session of arena.controller.sessions) session.mutation = mutation;
  return arena.controller.run(
    moves.map(
      (move) =>
        ({ gateway, store, users }) =>
          move.run({ gateway, store, users, cursor }),
    ),
    choose,
    grain,
  );
}

async function outcomeOf(arena: Arena, run: Run): Promise<string> {
  return [...run.results.map((result, index) => `${String.fromCharCode(65 + index)}: ${result}`), await arena.state()].join("\n");
}

/** What is wrong now, or once the reaper has come by and a worker has claimed what is due. */
async function broken(arena: Arena): Promise<string | undefined> {
  const problems = await arena.problems();
  if (problems.length > 0) return problems.join("\n");
  const hands = { gateway: arena.gateway } as Hands;
  const names = Object.entries(workers);
  for (const dead of await arena.deadWorkersWithClaims()) {
    const [name] = names.find(([, id]) => id === dead) ?? [];
    await takeOverFrom(name as keyof typeof workers).run(hands);
  }
  const left = await arena.deadWorkersWithClaims();
  if (left.length > 0) return "a dead worker keeps its claims";
  await claimBy("two").run(hands);
  const later = await arena.problems();
  return later.length > 0 ? `after a reaper and a claim: ${later.join("\n")}` : undefined;
}
