import { expect, test } from "vitest";
import { exploreScenario } from "./explorer.ts";
import { inArena } from "./in-arena.ts";
import { shortTier } from "./short-tier.ts";

const arena = inArena();

test.each(shortTier.triples)(
  "$name",
  async (scenario) => {
    const report = await exploreScenario(arena(), scenario, { limit: 16, seed: 1 });
    expect(report.violation).toBeUndefined();
    // A race that only one can win, or that never happens, would show nothing.
    expect(report.overlapped).toBeGreaterThan(0);
    expect(report.winners.size).toBeGreaterThan(1);
  },
  120_000,
);
