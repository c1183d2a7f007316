import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import type { ChildStarted } from "../../kernel/event.ts";
import type { Invariant } from "../invariant.ts";
import { about, resumedAt, type Child, type CurrentView } from "../rows.ts";

/**
 * I21. Parent and child know each other, and a child's end reaches its parent: it is in the parent's history or inbox, unless
 * the parent had ended by itself. Each child stands in its parent's history with its call, and each child that a parked
 * parent waits for exists. That the end is recorded once is I3's. A child that is open when its parent ends gets what its policy says.
 *
 * A parent that was resumed asks how its children ended when it is claimed, and its history may not have kept their starts.
 */
export const parentAndChild: Invariant = {
  id: "I21",
  title: "A child's end reaches its parent",
  check: (tally) => ({
    run(view) {
      if (view.kind !== "current") return;
      const { run, children } = view;
      if (run.parentRunId !== null) {
        tally.looked();
        if (run.parentExecutionId === null) tally.violated({ ...about(view), detail: `its parent, run ${run.parentRunId}, does not exist` });
      }
      const calls = readCalls(view);
      for (const child of children) {
        tally.looked();
        const detail = problemOf(view, calls, child);
        if (detail !== undefined) tally.violated({ ...about(view), detail });
      }
      for (const detail of awaitedInVain(view, calls)) tally.violated({ ...about(view), detail });
    },
  }),
};

interface Calls {
  readonly started: ReadonlyMap<number, { readonly event: ChildStarted; readonly seq: number }>;
  readonly ended: ReadonlySet<number>;
  /** When and with which event this run began, if it goes on from an earlier one. */
  readonly resumed: { readonly seq: number; readonly at: number };
}

function readCalls({ events }: CurrentView): Calls {
  const started = new Map<number, { event: ChildStarted; seq: number }>();
  const ended = new Set<number>();
  for (const { seq, event } of events) {
    if (event?.type === "ChildStarted") started.set(event.position, { event, seq });
    // A step on another queue that nobody had begun in time.
    else if (event?.type === "StepFailed" && started.has(event.position)) ended.add(event.position);
    else if (event?.type === "ChildCompleted" || event?.type === "ChildFailed") ended.add(event.position);
  }
  return { started, ended, resumed: resumedAt(events) };
}

function problemOf({ run }: CurrentView, { started, ended, resumed }: Calls, child: Child): string | undefined {
  const name = `${child.executionId} (call ${child.position})`;
  const start = started.get(child.position);
  if (start === undefined) return child.createdAt <= resumed.at ? undefined : `its child ${name} is not in its history`;
  if (start.event.executionId !== child.executionId)
    return `call ${child.position} started ${start.event.executionId}, and ${child.executionId} says that it was it`;
  if (start.event.workflow !== child.workflow) return `its child ${name} was started as ${start.event.workflow} and is ${child.workflow}`;
  if (child.told === false) return `it has ended, and its child ${name} is ${child.state} and was not told`;
  if (!isTerminal(child.state as ExecutionState) || isTerminal(run.state as ExecutionState)) return undefined;
  if (ended.has(child.position) || run.messages.includes(messageId(child.position))) return undefined;
  // Its end had nowhere to go while the parent was over; whoever claims the new run asks for it, if not yet then later.
  const isStillToAsk = run.claim !== undefined || run.task !== undefined || run.state !== "running";
  const isAskedFor = child.finishedAt !== null && child.finishedAt <= resumed.at && isStillToAsk;
  return isAskedFor ? undefined : `its child ${name} is ${child.state}, and it was not told`;
}

/** While it is claimed, its worker may just be writing that the child could not be started. */
function awaitedInVain({ run, children }: CurrentView, { started, ended, resumed }: Calls): string[] {
  if (run.state !== "running" || run.claim !== undefined) return [];
  const known = new Set(children.map(({ position }) => position));
  const problems: string[] = [];
  for (const [position, { event, seq }] of started) {
    if (seq <= resumed.seq || known.has(position) || ended.has(position) || run.messages.includes(messageId(position))) continue;
    problems.push(`it waits for its child ${event.executionId} (call ${position}), which does not exist or is not its child`);
  }
  return problems;
}

function messageId(position: number): string {
  return `child:${position}`;
}
