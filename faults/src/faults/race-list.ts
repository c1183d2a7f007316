import { setTimeout as delay } from "node:timers/promises";
import { ExecutionNotFound, ExecutionStateInvalid, type Pawl } from "pawl";
import { SchedulePoller, silentLogger } from "pawl/internal";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Recorder } from "../recorder.ts";
import type { Rig } from "../rig.ts";
import { waitMs } from "../workflows.ts";
import type { Handicap } from "./handicap.ts";
import { workflows } from "./own-executions.ts";

/** Two clients with connections of their own, and what a race needs to know of its place in the run. */
export interface Round {
  readonly rig: Rig;
  readonly one: Recorder;
  readonly other: Recorder;
  /** Two more, of a namespace without workers. */
  readonly alone: readonly [Pawl, Pawl];
  readonly id: string;
  readonly handicap: Handicap;
}

/** Gives who won, or what must not be. */
type Race = (round: Round) => Promise<{ readonly winner: string; readonly secondWon?: boolean } | { readonly problem: string }>;

/** Each with those who may win it, and how many may run side by side. */
export const races: Readonly<Record<string, { readonly winners: readonly [string, string]; readonly lanes?: number; readonly run: Race }>> = {
  cancel: { winners: ["cancelled", "completed"], run: (round) => stopAgainstEnd(round, "cancelled", () => round.other.cancel(round.id)) },
  terminate: { winners: ["terminated", "completed"], run: (round) => stopAgainstEnd(round, "terminated", () => round.other.terminate(round.id)) },

  children: {
    winners: ["child 1", "child 2"],
    async run({ rig, one, id, handicap }) {
      await one.start(workflows.couple, { n: 7, ms: 0 }, { executionId: id });
      await atGates(rig, [`${id}.1`, `${id}.2`]);
      await handicap.race([() => rig.effects.openGate(`${id}.1`), () => rig.effects.openGate(`${id}.2`)]);
      await one.result(id);
      const [first] = await query<{ position: number }>(
        rig.url,
        `SELECT (data::jsonb ->> 'position')::int AS position FROM pawl.history JOIN pawl.executions USING (run_id)
WHERE namespace = 'default' AND execution_id = $1 AND type = 'ChildCompleted' ORDER BY seq LIMIT 1`,
        [id],
      );
      return first === undefined ? { problem: `${id} got no child's end` } : { winner: `child ${first.position}`, secondWon: first.position === 2 };
    },
  },

  start: {
    winners: ["one", "other"],
    async run({ rig, one, other, id }) {
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
  },

  resume: {
    winners: ["resume", "child"],
    async run({ rig, one, other, id, handicap }) {
      const children = [`${id}.1`, `${id}.2`];
      await one.start(workflows.couple, { n: 3, ms: 0 }, { executionId: id });
      await atGates(rig, children);
      await one.cancel(id);
      await one.result(id);
      for (const child of children) await one.result(child);
      // Their steps begin again and wait again.
      await Promise.all(children.map((child) => one.resume(child)));
      await waitFor("both children run again", () => children.every((child) => rig.effects.begins(`${child}/gate/1`) >= 2));
      const resumed = async (): Promise<void> => void (await other.resume(id));
      await handicap.race([() => children.forEach((child) => rig.effects.openGate(child)), resumed]);
      await one.result(id);
      const [row] = await query<{ late: boolean; state: string }>(
        rig.url,
        `SELECT p.state, (SELECT min(c.finished_at) FROM pawl.executions c WHERE c.namespace = 'default' AND c.execution_id = ANY($2)) > h.at AS late
FROM pawl.executions p JOIN pawl.history h ON h.run_id = p.run_id AND h.type = 'ExecutionResumed' WHERE p.namespace = 'default' AND p.execution_id = $1`,
        [id, children],
      );
      if (row?.state !== "completed") return { problem: `${id} was resumed, and is ${row?.state}` };
      return { winner: row.late ? "resume" : "child", secondWon: row.late };
    },
  },

  // The signal comes before the code has come to where it waits for it, or after.
  wait: {
    winners: ["wait", "signal"],
    async run({ rig, one, other, id, handicap }) {
      await one.start(workflows.receiver, { n: 5, ms: 0 }, { executionId: id });
      await atGates(rig, [id]);
      await handicap.race([() => rig.effects.openGate(id), async () => void (await other.signal(id, "part", 1, `${id}-part`))]);
      const problem = await differs(one, id, 6);
      if (problem !== undefined) return { problem };
      const [signalled, came] = [await seqOf(rig, id, "SignalReceived"), await seqOf(rig, id, "StepCompleted")];
      if (signalled === undefined || came === undefined) return { problem: `${id} has ended without its signal, or its step` };
      const signalFirst = signalled < came;
      return { winner: signalFirst ? "signal" : "wait", secondWon: signalFirst };
    },
  },

  // The signal comes before its time is over, or after; then the code waits once more, and has it.
  timeout: {
    winners: ["timeout", "signal"],
    async run({ rig, one, other, id, handicap }) {
      await one.start(workflows.patient, { n: 5, ms: 0 }, { executionId: id });
      await delay(waitMs * 0.9);
      await handicap.race([() => {}, async () => void (await other.signal(id, "part", 1, `${id}-part`))]);
      const problem = await differs(one, id, 6);
      if (problem !== undefined) return { problem };
      const inTime = (await seqOf(rig, id, "WaitTimedOut")) === undefined;
      return { winner: inTime ? "signal" : "timeout", secondWon: inTime };
    },
  },

  // Paused before a worker has claimed it: then nothing of it begins until it is resumed.
  pause: {
    winners: ["claim", "pause"],
    async run({ rig, one, other, id, handicap }) {
      await handicap.race([async () => void (await one.start(workflows.chain, { n: 1, ms: 0 }, { executionId: id })), () => pauseOnceThere(other.pawl, id)]);
      const [row] = await query<{ state: string; stepped: boolean }>(
        rig.url,
        `SELECT state, EXISTS (SELECT 1 FROM pawl.history h WHERE h.run_id = e.run_id AND h.type = 'StepCompleted') AS stepped
FROM pawl.executions e WHERE namespace = 'default' AND execution_id = $1`,
        [id],
      );
      if (row === undefined) return { problem: `${id} was started, and is not there` };
      // A worker that is asked while the step runs pauses behind it, and gives its claim back: the claim was first.
      const paused = row.state === "paused" && !row.stepped;
      if (paused) {
        await delay(rig.random.whole(0, 50));
        if (rig.effects.begins(`${id}/part-1/1`) > 0) return { problem: `a step of ${id} began while it was paused` };
      }
      await waitFor(`${id} goes on`, async () => {
        const state = await other.pawl.handle(id).status();
        if (state.state !== "paused") return state.state === "completed";
        await other.pawl.handle(id).resume();
        return false;
      });
      const problem = await differs(one, id, 11);
      return problem === undefined ? { winner: paused ? "pause" : "claim", secondWon: paused } : { problem };
    },
  },

  // Two that look for due schedules: each instant is started once, whoever finds it.
  tick: {
    winners: ["one", "other"],
    // Whoever looks fires all that is due.
    lanes: 1,
    async run({ alone, id, handicap }) {
      const [{ schedules }] = alone;
      const schedule = await schedules.create({ scheduleId: id, workflow: workflows.chain, input: { n: 1, ms: 0 }, interval: "1 day" });
      const to = Math.floor(Date.now() / dayMs) * dayMs;
      await schedule.backfill({ from: new Date(to - 2 * dayMs), to: new Date(to), overlap: "allow_all" });
      const fired = [0, 0];
      const looks = alone.map(({ store, namespace, runtime }, index) => async (): Promise<void> => {
        fired[index] = await new SchedulePoller(store, namespace, silentLogger, runtime, 1000, () => {}).fireNow();
      });
      await handicap.race([looks[0]!, looks[1]!]);
      const { recent } = await schedule.describe();
      await schedule.delete();
      for (const { executionId } of recent) await alone[0].handle(executionId).terminate();
      if (recent.length !== 3) return { problem: `schedule ${id} started ${recent.length} executions for 3 instants` };
      if (fired[0] === 0 && fired[1] === 0) return { problem: `schedule ${id} was fired by nobody` };
      return { winner: fired[0] === 0 ? "other" : "one", secondWon: fired[0] === 0 };
    },
  },
};

const dayMs = 86_400_000;

/** Stops an execution as it ends: either may win, and everybody must be told the same. */
async function stopAgainstEnd({ rig, one, other, id, handicap }: Round, stopped: string, stop: () => Promise<unknown>): ReturnType<Race> {
  await one.start(workflows.gated, { n: 5, ms: 0 }, { executionId: id });
  await atGates(rig, [id]);
  let answer: unknown;
  await handicap.race([() => rig.effects.openGate(id), async () => void (answer = await stop())]);
  const results = await Promise.all([one.result(id), other.result(id)]);
  const states = new Set(results.map((result) => (result !== undefined && "value" in result ? result.value.state : "unknown")));
  const [state] = states;
  if (states.size !== 1 || (state !== stopped && state !== "completed")) return { problem: `${id} was seen ${[...states].join(" and ")}` };
  if (typeof answer === "object" && answer !== null && "refused" in answer && state === stopped)
    return { problem: `stopping ${id} was refused, and it is ${state}` };
  return { winner: state, secondWon: state === stopped };
}

function atGates(rig: Rig, gates: readonly string[]): Promise<unknown> {
  return waitFor("the steps stand at their gates", () => gates.every((gate) => rig.effects.isWaiting(gate)));
}

/** Until it is there; then it may have ended already. */
async function pauseOnceThere(pawl: Pawl, executionId: string): Promise<void> {
  const pause = async (): Promise<boolean> => {
    try {
      await pawl.handle(executionId).pause();
      return true;
    } catch (error) {
      if (error instanceof ExecutionNotFound) return false;
      if (error instanceof ExecutionStateInvalid) return true;
      throw error;
    }
  };
  while (!(await pause())) await delay(1);
}

/** What is wrong with the result of an execution, if anything is. */
async function differs(recorder: Recorder, executionId: string, expected: unknown): Promise<string | undefined> {
  const answer = await recorder.result(executionId);
  const value = answer !== undefined && "value" in answer ? answer.value.value : "no result";
  return value === expected ? undefined : `${executionId} gave ${String(value)} instead of ${String(expected)}`;
}

/** Where in its history the first such event is. */
async function seqOf(rig: Rig, executionId: string, type: string): Promise<number | undefined> {
  const [row] = await query<{ seq: number | null }>(
    rig.url,
    "SELECT min(seq)::int AS seq FROM pawl.history JOIN pawl.executions USING (run_id) WHERE namespace = 'default' AND execution_id = $1 AND type = $2",
    [executionId, type],
  );
  return row?.seq ?? undefined;
}
