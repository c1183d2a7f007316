import { openPawl, silentLogger } from "pawl/internal";
import type { Fault } from "../fault.ts";
import { Recorder } from "../recorder.ts";
import type { Rig } from "../rig.ts";
import { Handicap } from "./handicap.ts";
import { races } from "./race-list.ts";

const lanes = 8;
/** A race that always has the same winner is run for so much longer. */
const extraMs = 20_000;
const problems = new WeakMap<Rig, string[]>();
/** How often all races were run: ids are used once. */
const rounds = new WeakMap<Rig, number>();

/** What is counted. */
const won = (race: string, winner: string): string => `${race}: ${winner}`;

export const raceEnds: Fault = {
  id: "F12",
  title: "two things at the same moment: stops, ends, signals, waits, timeouts, pauses, claims, children, starts, schedules",
  ownLoad: true,
  async inject(rig) {
    const open = (namespace?: string) =>
      openPawl({ url: rig.url, migrate: false, poolSize: 4, logger: silentLogger, ...(namespace === undefined ? {} : { namespace }) });
    const pawls = await Promise.all([open(), open(), open("alone"), open("alone")]);
    const [one, other] = pawls.slice(0, 2).map((pawl, n) => new Recorder(`racer-${n}`, pawl, rig.ownLog));
    const found = problems.get(rig) ?? [];
    problems.set(rig, found);
    const round = rounds.get(rig) ?? 1;
    rounds.set(rig, round + 1);
    for (const [name, race] of Object.entries(races)) {
      const until = performance.now() + (rig.seconds * 1000) / Object.keys(races).length;
      let count = 0;
      const goesOn = (): boolean => {
        if (rig.options.races !== undefined) return count < rig.options.races;
        const now = performance.now();
        return now < until || (now < until + extraMs && race.winners.some((winner) => rig.counted(won(name, winner)) === 0));
      };
      const lane = async (): Promise<void> => {
        // One for each: it learns from one race before the next.
        const handicap = new Handicap(rig.random);
        while (goesOn()) {
          const outcome = await race.run({ rig, one: one!, other: other!, alone: [pawls[2], pawls[3]], id: `${name}-${round}-${count++}`, handicap });
          if ("problem" in outcome) found.push(outcome.problem);
          else {
            rig.count(won(name, outcome.winner));
            if (outcome.secondWon !== undefined) handicap.learn(outcome.secondWon);
          }
        }
      };
      await Promise.all(Array.from({ length: race.lanes ?? lanes }, lane));
    }
    await Promise.all(pawls.map((pawl) => pawl.close()));
  },
  requirements: (rig) =>
    Object.entries(races).flatMap(([name, { winners }]) => {
      const counts = winners.map((winner) => ({ what: won(name, winner), count: rig.counted(won(name, winner)) }));
      const all = counts.reduce((sum, { count }) => sum + count, 0);
      return counts.map((counted) => ({ ...counted, least: Math.max(1, Math.floor(all / 100)) }));
    }),
  check: (rig) => problems.get(rig) ?? [],
};
