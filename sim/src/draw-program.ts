import type { Chance } from "./random.ts";
import type { Program } from "./program.ts";

/** A random program: chains, fan-out and join, races, retries, sleeps, children, in each other. */
export function drawProgram(chance: Chance, depth = 0): Program {
  if (depth === 0 && chance.hits(0.15)) return { do: "wait to be cancelled" };
  if (depth < 2 && chance.hits(0.08)) {
    // A child is often still there when its parent is held, and when that is resumed.
    const child: Program = { do: "child", program: { do: "sleep", ms: 3000 }, own: false };
    const parts = [chance.hits(0.3) ? child : drawProgram(chance, depth + 1), { do: "kill", deaths: chance.whole(1, 4), value: 1 }] as const;
    return chance.hits(0.5) ? { do: "inOrder", parts } : { do: "together", parts, concurrency: 2 };
  }
  // A child ends beside the steps of its parent, often in one commit with one of them.
  if (depth === 0 && chance.hits(0.18)) {
    const steps = Array.from({ length: chance.whole(2, 15) }, (): Program => ({ do: "step", ms: 0, value: 1 }));
    const child: Program = { do: "child", program: { do: "step", ms: 0, value: 1 }, own: false };
    const family: Program = { do: "inOrder", parts: [child, { do: "step", ms: 0, value: 1 }, child] };
    return { do: "together", parts: [family, { do: "inOrder", parts: steps }], concurrency: 2 };
  }
  // Both steps often end in one commit: then the race is over when the child has been asked for, and not started yet.
  if (depth < 2 && chance.hits(0.05)) {
    const step: Program = { do: "step", ms: chance.pick([0, 20]), value: 1 };
    return { do: "race", parts: [{ do: "inOrder", parts: [step, { do: "child", program: drawProgram(chance, depth + 2), own: false }] }, step] };
  }
  const value = chance.whole(1, 1000);
  const kind = depth >= 3 ? chance.pick(leaves) : chance.pick(depth === 0 ? groups : [...leaves, ...groups]);
  const parts = (least: number, most: number): readonly Program[] => Array.from({ length: chance.whole(least, most) }, () => drawProgram(chance, depth + 1));
  switch (kind) {
    case "step":
      return { do: "step", ms: chance.pick([0, 0, 0, 20, 400]), value };
    case "retry": {
      const fails = chance.whole(1, 3);
      return { do: "retry", fails, attempts: fails + chance.whole(0, 2), intervalMs: chance.pick([100, 100, 1000]), value };
    }
    case "fail":
      return { do: "fail" };
    case "sleep":
      return { do: "sleep", ms: chance.pick([1, 50, 240, 260, 1000, 3000]) };
    case "signal":
      return { do: "signal", timeoutMs: chance.pick([100, 1000, 4000]) };
    case "until":
      return { do: "until", bumps: chance.whole(1, 4), timeoutMs: chance.pick([100, 1000, 4000]) };
    case "publish":
      return { do: "publish", value };
    case "remote":
      return { do: "remote", ms: chance.pick([0, 0, 20, 400]), value, inTime: chance.hits(0.3) };
    case "saga":
      return { do: "saga", program: drawProgram(chance, depth + 1) };
    case "child":
      // An id of its own clashes when the program has several such children, as it would for users.
      return { do: "child", program: drawProgram(chance, depth + 1), own: chance.hits(0.1) };
    case "inOrder":
      return { do: "inOrder", parts: parts(1, 5) };
    case "together":
      return { do: "together", parts: parts(2, 5), concurrency: chance.whole(1, 4) };
    case "race":
      return { do: "race", parts: parts(2, 3) };
    case "settle":
      return { do: "settle", parts: parts(2, 4) };
  }
}

/** The same program with labels and attributes set before, beside and after it. */
export function withSearchValues(program: Program, chance: Chance): Program {
  const set = (): Program => ({
    do: "set",
    what: chance.pick(["labels", "attributes"]),
    name: chance.pick(["a", "b"]),
    value: chance.hits(0.3) ? null : chance.whole(1, 9),
  });
  const beside: Program = chance.hits(0.5) ? { do: "together", parts: [program, set(), set()], concurrency: 3 } : program;
  return { do: "inOrder", parts: [set(), beside, set()] };
}

/** The same program with chunks written to a stream, or rows in transactions, before, beside and after it. */
export function withWrites(program: Program, chance: Chance): Program {
  const write = (): Program =>
    chance.hits(0.4)
      ? { do: "transact", fails: chance.pick([0, 0, 1, 2]), value: chance.whole(1, 1000) }
      : chance.hits(0.5)
        ? { do: "tell", chunks: chance.whole(1, 4) }
        : { do: "tokens", chunks: chance.whole(1, 12), fails: chance.pick([0, 0, 1, 2]), ms: chance.pick([0, 0, 2, 60]) };
  // One after the other, so that what happens to the execution meets one.
  const many: Program = { do: "inOrder", parts: Array.from({ length: chance.whole(3, 8) }, () => ({ do: "transact", fails: 0, value: 1 })) };
  return { do: "inOrder", parts: [write(), { do: "together", parts: [program, write(), chance.hits(0.5) ? many : write()], concurrency: 3 }, write()] };
}

/** The same program in an execution that continues as new on its way, and whose children may do so. */
export function withContinuations(program: Program, chance: Chance): Program {
  if (chance.hits(0.2) && program.do !== "wait to be cancelled") return runsWithoutEnd(chance.whole(5, 15));
  const continued = childrenContinued(program, chance);
  const patch = { do: "patched", id: chance.pick(["p", "q"]), value: 0 } as const;
  const changed = chance.hits(0.5) && program.do !== "wait to be cancelled" ? withPatch(continued, patch) : continued;
  if (program.do === "wait to be cancelled" || !chance.hits(0.5)) return changed;
  const beside = drawProgram(chance, 2);
  const part = (): Program => drawProgram(chance, 2);
  return chance.hits(0.5)
    ? { do: "continue", first: part(), beside, next: changed }
    : { do: "continue", first: changed, beside, next: withContinuations(part(), chance) };
}

/** The code comes to the patch first and last, or while something else is being recorded. */
function withPatch(program: Program, patch: Extract<Program, { readonly do: "patched" }>): Program {
  if (patch.id === "p") return { do: "inOrder", parts: [patch, program, patch] };
  const late: Program = { do: "inOrder", parts: [oneStep, oneStep, patch] };
  return { do: "together", parts: [late, { do: "inOrder", parts: [oneStep, oneStep, oneStep, program] }], concurrency: 2 };
}

const oneStep: Program = { do: "step", ms: 0, value: 1 };
/** The answer to the update is recorded after what ends the run. */
export const untilUpdated: Program = { do: "until", bumps: 1, timeoutMs: 1000 };

const sleepingChild: Program = { do: "child", program: { do: "sleep", ms: 3000 }, own: false };
/** Children and grandchildren that sleep longer than the time of any execution that has one, beside steps that keep it awake. */
export const sleepingFamily: Program = {
  do: "together",
  parts: [sleepingChild, sleepingChild, { ...sleepingChild, program: sleepingChild }, { do: "inOrder", parts: Array.from({ length: 20 }, () => oneStep) }],
  concurrency: 4,
};

/** So many runs that have next to nothing to do: whatever time their execution has, it is soon over. */
export function runsWithoutEnd(runs: number, first = oneStep): Program {
  return runs === 1 ? oneStep : { do: "continue", first, beside: oneStep, next: runsWithoutEnd(runs - 1, first) };
}

function childrenContinued(program: Program, chance: Chance): Program {
  switch (program.do) {
    case "child":
      return { ...program, program: withContinuations(program.program, chance) };
    case "saga":
      return { ...program, program: childrenContinued(program.program, chance) };
    case "inOrder":
    case "together":
    case "race":
    case "settle":
      return { ...program, parts: program.parts.map((part) => childrenContinued(part, chance)) };
    default:
      return program;
  }
}

const leaves = ["step", "step", "step", "step", "retry", "sleep", "fail", "signal", "signal", "until", "publish", "remote"] as const;
const groups = ["inOrder", "inOrder", "together", "race", "settle", "child", "child", "saga"] as const;
