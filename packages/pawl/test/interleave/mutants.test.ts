import { expect, test } from "vitest";
import { exploreScenario } from "./explorer.ts";
import { inArena } from "./in-arena.ts";
import { mutants } from "./mutants.ts";
import { pairs, triples } from "./scenarios.ts";
import type { Mutation } from "./session.ts";

const arena = inArena();

test.each(mutants)(
  "finds $name",
  async ({ mutation, scenario: name }) => {
    const scenario = [...pairs, ...triples].find((each) => each.name === name)!;
    let changed = false;
    const noticed: Mutation = (transaction) => {
      const text = mutation(transaction);
      changed ||= text !== transaction.text;
      return text;
    };
    const { violation } = await exploreScenario(arena(), scenario, { limit: 40, seed: 1, mutation: noticed });
    expect(changed, "the statement no longer has what this mutant changes").toBe(true);
    expect(violation).toBeDefined();
  },
  120_000,
);
