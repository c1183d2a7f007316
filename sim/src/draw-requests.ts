import { drawProgram, runsWithoutEnd, sleepingFamily, untilUpdated, withContinuations, withSearchValues, withWrites } from "./draw-program.ts";
import { drawPlace, type DrawnPlace } from "./draw-queues.ts";
import type { Program } from "./program.ts";
import type { Chance } from "./random.ts";

/** One execution that the clients of a simulation ask for, and what they do with it. */
export interface Request {
  readonly executionId: string;
  readonly program: Program;
  readonly idempotencyKey: string | undefined;
  readonly startAt: number;
  readonly delayMs: number;
  /** 0: as long as it takes. */
  readonly timeoutMs: number;
  /** How often it is started, by whichever client. */
  readonly copies: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly attributes: Readonly<Record<string, number>> | undefined;
  readonly place: DrawnPlace;
  /** So many milliseconds after its start, someone sends it an update. */
  readonly updates: readonly number[];
  /** And a signal. */
  readonly signals: readonly number[];
  readonly stop: { readonly at: number; readonly by: "cancel" | "terminate"; readonly resumeAt: number | undefined } | undefined;
}

/**
 * @param found decides whether there are labels and attributes, apart from everything else that is drawn; so do `writes` and `continuations`
 * @param places decides the places in a queue with limits
 * @param parksMeetRetries whether each begins with a step that is tried again and again, so that it parks until a retry is due
 */
export function drawRequests(
  chance: Chance,
  spanMs: number,
  found: Chance,
  writes: Chance,
  continuations: Chance,
  places: Chance | undefined,
  parksMeetRetries: boolean,
): readonly Request[] {
  const isFound = found.hits(0.3);
  const anyWrites = writes.hits(0.35);
  const continues = continuations.hits(0.3);
  const lateness = continuations.fork("late");
  const late = lateness.hits(0.15) ? lateness : undefined;
  const beating = continuations.fork("beats");
  const beats = beating.hits(0.1) ? beating : undefined;
  const talks = continuations.fork("updates");
  const talk = talks.hits(0.2) ? talks : undefined;
  const taking = continuations.fork("takes");
  const takes = taking.hits(0.12) ? taking : undefined;
  const slowness = continuations.fork("slow");
  const slow = slowness.hits(0.12) ? slowness : undefined;
  // In some, workers have more to do at a time than goes into one commit.
  const count = chance.hits(0.1) ? chance.whole(12, 20) : chance.whole(2, 7);
  return Array.from({ length: count }, (_, index) => {
    const startAt = chance.whole(0, spanMs);
    // Often within the few milliseconds in which it begins.
    const at = startAt + chance.whole(0, chance.pick([30, 300, 3000, 3000]));
    const stops = chance.hits(0.3);
    return {
      executionId: `x${index}`,
      ...searchable(
        continuing(
          writing(hanging(saying(retrying(drawProgram(chance), parksMeetRetries), beats), slow), anyWrites && writes.hits(0.6) ? writes : undefined),
          continues ? continuations : undefined,
        ),
        isFound && found.hits(0.6) ? found : undefined,
      ),
      idempotencyKey: chance.hits(0.2) ? `key${index}` : undefined,
      startAt,
      delayMs: chance.hits(0.15) ? chance.whole(100, 2000) : 0,
      timeoutMs: chance.hits(0.1) ? chance.whole(200, 5000) : 0,
      copies: chance.pick([1, 1, 1, 2, 3]),
      place: places === undefined ? {} : drawPlace(places),
      stop: stops
        ? { at, by: chance.pick(["cancel", "cancel", "terminate"] as const), resumeAt: chance.hits(0.5) ? at + chance.whole(0, 2000) : undefined }
        : undefined,
      updates: [],
      signals: [],
      // An update ends each of its runs.
      ...(talk?.hits(0.5) === true
        ? { program: runsWithoutEnd(talk.whole(3, 10), untilUpdated), updates: Array.from({ length: 12 }, () => talk.whole(20, 3000)) }
        : {}),
      ...(takes?.hits(0.5) === true
        ? {
            program: { do: "take", times: takes.whole(2, 8), timeoutMs: takes.pick([100, 1000, 4000]) } as const,
            signals: Array.from({ length: takes.whole(1, 10) }, () => takes.whole(0, 3000)),
          }
        : {}),
      ...(late?.hits(0.6) === true ? tooLate(late) : {}),
    };
  });
}

/** Its time ends while it goes from one run to the next, or waits for children whose time ends with its own. */
function tooLate(chance: Chance): Pick<Request, "program" | "timeoutMs"> {
  return chance.hits(0.6) ? { program: runsWithoutEnd(40), timeoutMs: chance.whole(30, 400) } : { program: sleepingFamily, timeoutMs: chance.whole(60, 1000) };
}

/** Around everything else: what would come after a continuation is never done. */
function continuing(program: Program, continuations: Chance | undefined): Program {
  return continuations === undefined ? program : withContinuations(program, continuations);
}

/** What waits to be cancelled is known by its program: that stays as it is. */
function changed(program: Program, change: (program: Program) => Program): Program {
  return program.do === "wait to be cancelled" ? program : change(program);
}

function retrying(program: Program, isOn: boolean): Program {
  if (!isOn) return program;
  return changed(program, (before) => ({ do: "inOrder", parts: [{ do: "retry", fails: 3, attempts: 4, intervalMs: 400, value: 1 }, before] }));
}

/** How far it is. */
function saying(program: Program, beats: Chance | undefined): Program {
  if (beats === undefined) return program;
  const beside = (before: Program): Program => ({ do: "together", parts: [{ do: "beat", beats: beats.whole(5, 12), value: 1 }, before], concurrency: 2 });
  return changed(program, (before) => (beats.hits(0.5) ? beside(before) : before));
}

/** With steps whose time is over before they end. */
function hanging(program: Program, slow: Chance | undefined): Program {
  if (slow === undefined) return program;
  const step = (): Program => ({ do: "slow", hangs: slow.pick([0, 1, 1, 2]), over: slow.pick(["timeout", "heartbeatTimeout"] as const), value: 1 });
  const beside = (before: Program): Program => ({ do: "together", parts: [step(), { do: "inOrder", parts: [before, step()] }], concurrency: 2 });
  return changed(program, (before) => (slow.hits(0.6) ? beside(before) : before));
}

function writing(program: Program, chance: Chance | undefined): Program {
  return chance === undefined ? program : changed(program, (before) => withWrites(before, chance));
}

function searchable(program: Program, chance: Chance | undefined): Pick<Request, "program" | "labels" | "attributes"> {
  // What waits to be cancelled is known by its program.
  if (chance === undefined || program.do === "wait to be cancelled") return { program, labels: undefined, attributes: undefined };
  return {
    program: withSearchValues(program, chance),
    labels: chance.hits(0.5) ? { a: String(chance.whole(1, 9)) } : undefined,
    attributes: chance.hits(0.5) ? { a: chance.whole(1, 9) } : undefined,
  };
}
