import { expect, test } from "vitest";
import { exploreScenario } from "./explorer.ts";
import { inArena } from "./in-arena.ts";
import type { Scenario } from "./scenario.ts";

/** A test for each scenario, with the few orders that there is time for. */
export function exploreInTests(scenarios: readonly Scenario[]): void {
  const arena = inArena();
  test.each(scenarios)(
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
}
