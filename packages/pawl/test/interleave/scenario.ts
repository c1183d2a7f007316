import type { Fixture } from "./fixtures.ts";
import type { Move } from "./moves.ts";

/** Moves that happen at the same time in one state of the database. */
export interface Scenario {
  readonly name: string;
  readonly fixture: Fixture;
  readonly moves: readonly Move[];
}

export const scenario = (fixture: Fixture, ...moves: readonly Move[]): Scenario => ({
  name: `${fixture.name}: ${moves.map((move) => move.name).join(" | ")}`,
  fixture,
  moves,
});

/** Every two of them, and each with itself: two processes may do the same. */
export function pairsOf(fixture: Fixture, ...moves: readonly Move[]): Scenario[] {
  return moves.flatMap((move, index) => moves.slice(index).map((other) => scenario(fixture, move, other)));
}

/** One move with each of others. */
export function pairsWith(fixture: Fixture, move: Move, ...others: readonly Move[]): Scenario[] {
  return others.map((other) => scenario(fixture, move, other));
}

/** The order of run ids decides nothing where one of two moves locks a single execution. */
const locksSeveral = /ask|delete|child|signal|sibling|children|terminate|cancel|release|stop|kill|reap|take over|resume|claim|pause|roll back|retry/;
export const ofSeveral = ({ moves }: Scenario): boolean => moves.every(({ name }) => locksSeveral.test(name));
