import { setTimeout as delay } from "node:timers/promises";
import { openPawl, silentLogger } from "pawl/internal";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Fault } from "../fault.ts";
import { Recorder } from "../recorder.ts";
import type { Rig } from "../rig.ts";
import { workflows } from "./own-executions.ts";

const lanes = 8;
const problems = new WeakMap<Rig, string[]>();
/** How often all races were run: ids are used once. */
const rounds = new WeakMap<Rig, number>();

/** Two clients with connections of their own, and what a race needs to know of its place in the run. */
interface Round {
  readonly rig: Rig;
  readonly one: Recorder;
  readonly other: Recorder;
  readonly id: string;
  readonly handicap: Handicap;
}

/**
 * By how much the second one is held back, in milliseconds; below zero, the first. Whoever wins is given more to carry: one
 * statement is faster than a step that has to end first, and only what is close is a race.
 */
class Handicap {
  ms = 0;
  #stepMs = 0;

  /** Twice as much for each win in a row. */
  learn(secondWon: boolean): void {
    const sign = secondWon ? 1 : -1;
    this.#stepMs = Math.sign(this.#stepMs) === sign ? this.#stepMs * 2 : sign * leastStepMs;
    this.ms = Math.max(-mostMs, Math.min(mostMs, this.ms + this.#stepMs));
  }
}

const leastStepMs = 5;
const mostMs = 2000;

/** Gives who won, or what must not be. */
type Race = (round: Round) => Promise<{ readonly winner: string; readonly secondWon?: boolean } | { readonly problem: string }>;

const races: Readonly<Record<string, Race>> = {
  cancel: (round) => stopAgainstEnd(round, "cancelled", () => round.other.cancel(round.id)),
  terminate: (round) => stopAgainstEnd(round, "terminated", () => round.other.terminate(round.id)),

  async children({ rig, one, id, handicap }) {
    await one.start(workflows.couple, { n: 7, ms: 0 }, { executionId: id });
    await atGates(rig, [`${id}.1`, `${id}.2`]);
    await together(rig, handicap, [() => rig.effects.openGate(`${id}.1`), () => rig.effects.openGate(`${id}.2`)]);
    await one.result(id);
    const [first] = await query<{ position: number }>(
      rig.url,
      `SELECT (data::jsonb ->> 'position')::int AS position FROM pawl.history JOIN pawl.executions USING (run_id)
WHERE execution_id = $1 AND type = 'ChildCompleted' ORDER BY seq LIMIT 1`,
      [id],
    );
    return first === undefined ? { problem: `${id} got no child's end` } : { winner: `child ${first.position}`, secondWon: first.position === 2 };
  },

  async start({ rig, one, other, id }) {
    const [even, odd] = rig.random.chance(0.5) ? [one, other] : [other, one];
    const starts = Array.from({ length: 50 }, (_, n) =>
      (n % 2 === 0 ? even : odd).start(workflows.chain, { n: 1, ms: 0 }, { executionId: `${id}-${n}`, idempotencyKey: id }),
    );
    const ids = new Set((await Promise.all(starts)).map((answer) => (answer !== undefined && "value" in answer ? answer.value.executionId : "none")));
    const [winner] = ids;
    if (ids.size !== 1 || winner === undefined || winner === "none") return { problem: `50 starts with the key ${id} gave ${[...ids].join(", ")}` };
    await one.result(winner);
    return { winner: (Number(winner.slice(id.length + 1)) % 2 === 0 ? even : odd) === one ? "one" : "other" };
  },

  async resume({ rig, one, other, id, handicap }) {
    const children = [`${id}.1`, `${id}.2`];
    await one.start(workflows.couple, { n: 3, ms: 0 }, { executionId: id });
    await atGates(rig, children);
    await one.cancel(id);
    await one.result(id);
    for (const child of children) await one.result(child);
    // Their steps begin again and wait again.
    await Promise.all(children.map((child) => one.resume(child)));
    await waitFor("both children run again", () => children.every((child) => rig.effects.begins(`${child}/1`) >= 2));
    const resumed = async (): Promise<void> => void (await other.resume(id));
    await together(rig, handicap, [() => children.forEach((child) => rig.effects.openGate(child)), resumed]);
    await one.result(id);
    const [row] = await query<{ late: boolean; state: string }>(
      rig.url,
      `SELECT p.state, (SELECT min(c.finished_at) FROM pawl.executions c WHERE c.execution_id = ANY($2)) > h.at AS late
FROM pawl.executions p JOIN pawl.history h ON h.run_id = p.run_id AND h.type = 'ExecutionResumed' WHERE p.execution_id = $1`,
      [id, children],
    );
    if (row?.state !== "completed") return { problem: `${id} was resumed, and is ${row?.state}` };
    return { winner: row.late ? "resume" : "child", secondWon: row.late };
  },
};

export const raceEnds: Fault = {
  id: "F12",
  title: "two things at the same moment: stops and ends, two children, 50 starts of one key, resume and a late child",
  ownLoad: true,
  async inject(rig) {
    const pawls = await Promise.all([1, 2].map(() => openPawl({ url: rig.url, migrate: false, poolSize: 4, logger: silentLogger })));
    const [one, other] = pawls.map((pawl, n) => new Recorder(`racer-${n}`, pawl, rig.ownLog));
    const found = problems.get(rig) ?? [];
    problems.set(rig, found);
    const round = rounds.get(rig) ?? 1;
    rounds.set(rig, round + 1);
    for (const [name, race] of Object.entries(races)) {
      const until = performance.now() + (rig.seconds * 1000) / Object.keys(races).length;
      let count = 0;
      const handicap = new Handicap();
      const lane = async (): Promise<void> => {
        while (performance.now() < until) {
          const outcome = await race({ rig, one: one!, other: other!, id: `${name}-${round}-${count++}`, handicap });
          if ("problem" in outcome) found.push(outcome.problem);
          else {
            rig.count(`${name}: ${outcome.winner}`);
            if (outcome.secondWon !== undefined) handicap.learn(outcome.secondWon);
          }
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
    }
    await Promise.all(pawls.map((pawl) => pawl.close()));
  },
  requirements: (rig) =>
    ["cancel: cancelled", "cancel: completed", "terminate: terminated", "terminate: completed", "children: child 1", "children: child 2"]
      .concat(["start: one", "start: other", "resume: resume", "resume: child"])
      .map((what) => {
        const name = what.slice(0, what.indexOf(":"));
        const all = [...rig.counts].reduce((sum, [key, count]) => (key.startsWith(`${name}:`) ? sum + count : sum), 0);
        return { what, count: rig.counted(what), least: Math.max(1, Math.floor(all / 100)) };
      }),
  check: (rig) => problems.get(rig) ?? [],
};

/** Stops an execution as it ends: either may win, and everybody must be told the same. */
async function stopAgainstEnd({ rig, one, other, id, handicap }: Round, stopped: string, stop: () => Promise<unknown>): ReturnType<Race> {
  await one.start(workflows.gated, { n: 5, ms: 0 }, { executionId: id });
  await atGates(rig, [id]);
  let answer: unknown;
  await together(rig, handicap, [() => rig.effects.openGate(id), async () => void (answer = await stop())]);
  const results = await Promise.all([one.result(id), other.result(id)]);
  const states = new Set(results.map((result) => (result !== undefined && "value" in result ? result.value.state : "unknown")));
  const [state] = states;
  if (states.size !== 1 || (state !== stopped && state !== "completed")) return { problem: `${id} was seen ${[...states].join(" and ")}` };
  if (typeof answer === "object" && answer !== null && "refused" in answer && state === stopped)
    return { problem: `stopping ${id} was refused, and it is ${state}` };
  return { winner: state, secondWon: state === stopped };
}

function atGates(rig: Rig, gates: readonly string[]): Promise<unknown> {
  return waitFor("the steps stand at their gates", () => gates.every((gate) => rig.effects.isWaiting(gate)), 60_000);
}

/** In either order, a few milliseconds apart. */
async function together(rig: Rig, { ms }: Handicap, [first, second]: readonly [() => Promise<void> | void, () => Promise<void> | void]): Promise<void> {
  const after = async (wait: number, action: () => Promise<void> | void): Promise<void> => {
    await delay(Math.max(0, wait) + rig.random.whole(0, 12));
    await action();
  };
  await Promise.all([after(-ms, first), after(ms, second)]);
}
