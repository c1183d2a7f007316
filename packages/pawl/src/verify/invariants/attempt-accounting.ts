import type { Invariant } from "../invariant.ts";
import { about, type RunView } from "../rows.ts";

/** As in statements/take-over.ts: so many deaths without progress, and the execution is held. */
const deathsUntilHeld = 3;

/**
 * I6. Attempts and deaths are counted. The attempts of a step have no gaps; deaths of workers without progress count 1, 2, 3,
 * and the third one, never an earlier or a later one, holds the execution.
 *
 * Not judged: the number of attempts a retry policy allows, since policies stand in the code and not in the history.
 */
export const attemptAccounting: Invariant = {
  id: "I6",
  title: "Attempts and deaths are counted",
  check: (tally) => ({
    run(view) {
      const looked = (): void => tally.looked();
      for (const detail of [...attemptProblems(view, looked), ...deathProblems(view, looked)]) tally.violated({ ...about(view), detail });
      if (view.kind === "current" && view.run.claims > deathsUntilHeld) {
        tally.violated({ ...about(view), detail: `its row counts ${view.run.claims} claims without progress` });
      }
    },
  }),
};

function attemptProblems({ events }: RunView, looked: () => void): string[] {
  const problems: string[] = [];
  const last = new Map<number, number>();
  for (const { seq, event } of events) {
    if (event === undefined || !("attempt" in event)) continue;
    looked();
    const { position, attempt } = event;
    const before = last.get(position) ?? 0;
    if (attempt > before + 1 || attempt < 1) problems.push(`event ${seq}: attempt ${attempt} of call ${position} follows attempt ${before}`);
    last.set(position, Math.max(before, attempt));
  }
  return problems;
}

const noProgress: ReadonlySet<string> = new Set(["StepStarted", "StepHeartbeat", "ExecutionPaused", "ExecutionUnpaused"]);

function deathProblems({ events }: RunView, looked: () => void): string[] {
  const problems: string[] = [];
  let deaths = 0;
  for (const [index, { seq, type, event }] of events.entries()) {
    if (event?.type === "WorkerLost") {
      looked();
      const { claims } = event;
      const following = events[index + 1]?.type;
      if (claims < 1 || claims > deaths + 1) problems.push(`event ${seq} counts ${claims} claims without progress, the death before it ${deaths}`);
      if (claims > deathsUntilHeld) problems.push(`event ${seq} is death ${claims} without progress`);
      // A resumed run does not keep the event that held its predecessor.
      if (claims >= deathsUntilHeld && following !== "ExecutionQuarantined" && following !== "ExecutionResumed") {
        problems.push(`event ${seq} is death ${claims} without progress, and it was not held`);
      }
      if (claims < deathsUntilHeld && following === "ExecutionQuarantined" && isHeldForDeaths(events[index + 1]!.event)) {
        problems.push(`it was held at death ${claims}`);
      }
      deaths = claims;
    } else if (!noProgress.has(type)) deaths = 0;
  }
  return problems;
}

function isHeldForDeaths(event: RunView["events"][number]["event"]): boolean {
  return event?.type === "ExecutionQuarantined" && event.failure?.name === "WorkerDeaths";
}
