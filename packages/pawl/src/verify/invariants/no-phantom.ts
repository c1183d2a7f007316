import { inboxIdOf } from "../../kernel/inbox-id.ts";
import { isWrittenByCode } from "../../kernel/written-by-code.ts";
import type { Invariant } from "../invariant.ts";
import type { ObservedOperation } from "../operation-log.ts";
import type { Evidence, Tally } from "../report.ts";
import { about, forkedAt, resumedAt, wasTakenBack, type CurrentView, type RunView } from "../rows.ts";

/**
 * I10. Nothing happens that nobody asked for. An execution has been started by a parent, which both its row and its first
 * event name, or by a client. With an operation log: by an operation of it, and so were cancels, terminations and resumes, signals and updates.
 * The log has no forks, imports, rollbacks and retries: those are taken from the histories.
 */
export const noPhantom: Invariant = {
  id: "I10",
  title: "Nothing that nobody asked for",
  check(tally, { operations, namespace }) {
    const asked = operations === undefined ? undefined : new Asked(operations);
    /** The execution that is being looked at: what its earlier runs say comes after the latest. */
    let latest: Latest | undefined;
    const judge = (): void => {
      if (latest === undefined || asked === undefined) return;
      for (const detail of asked.unaskedRuns(latest)) tally.violated({ ...about(latest.view), detail });
      if (!latest.isForeign) for (const evidence of latest.unsent) tally.violated(evidence);
    };
    return {
      run(view) {
        tally.looked();
        if (view.kind === "current") {
          judge();
          checkParent(view, tally);
          latest = view.run.namespace === namespace ? { view, isTakenBack: false, isForeign: false, unsent: [] } : undefined;
        }
        if (asked === undefined || latest === undefined) return;
        latest.isTakenBack ||= wasTakenBack(view);
        latest.isForeign ||= isForeign(view);
        for (const detail of asked.unsent(view)) latest.unsent.push({ ...about(view), detail });
        if (asked.isTerminatedUnasked(view)) tally.violated({ ...about(view), detail: "nobody terminated it" });
      },
      finish: judge,
    };
  },
};

function checkParent(view: CurrentView, tally: Tally): void {
  const { parentRunId, parentPosition } = view.run;
  const violated = (detail: string): void => tally.violated({ ...about(view), detail });
  if ((parentRunId === null) !== (parentPosition === null)) return violated("its row has a parent without a call, or a call without a parent");
  const first = view.events[0]?.event;
  if (first?.type !== "ExecutionStarted") return;
  if (first.parent?.position === (parentPosition ?? undefined)) return;
  // A resume, of itself after a cancel or of its parent, takes its parent away.
  if (first.parent !== undefined && parentPosition === null) return;
  violated(
    `it was started by ${first.parent === undefined ? "a client" : `call ${first.parent.position} of ${first.parent.executionId}`}, its row says ${parentPosition === null ? "a client" : `call ${parentPosition} of its parent`}`,
  );
}

/** An execution, and what the log does not say of it. */
interface Latest {
  readonly view: CurrentView;
  isTakenBack: boolean;
  isForeign: boolean;
  /** Messages that the log does not have. */
  readonly unsent: Evidence[];
}

/** Whether a part of its history happened to another execution, or elsewhere: a fork, or an import, which no owner here has written to. */
function isForeign(view: RunView): boolean {
  if (forkedAt(view.events) > 0) return true;
  if (view.events.some(({ event }) => event?.type === "ExecutionQuarantined" && event.failure.name === "Imported")) return true;
  if (view.kind === "past" || view.run.isCommitted) return false;
  const since = resumedAt(view.events).seq;
  return view.events.some(({ seq, type }) => seq > since && isWrittenByCode(type));
}

/** What the log says was asked; an operation that failed was not carried out. */
class Asked {
  readonly #byId = new Map<string, Map<ObservedOperation["operation"], number>>();
  readonly #keys = new Set<string>();
  /** Starts whose answer was lost and whose id was to be made by the client, by workflow. */
  readonly #nameless = new Map<string, number>();

  /** Signals and updates, by execution. */
  readonly #messages = new Map<string, Set<string>>();
  /** Executions that were sent some whose id the log does not tell. */
  readonly #unnamed = new Set<string>();

  constructor(operations: readonly ObservedOperation[]) {
    for (const { operation, outcome, executionId, workflow = "", idempotencyKey, messageId } of operations) {
      if (outcome === "fail") continue;
      if (executionId !== undefined && (operation === "signal" || operation === "update")) {
        if (messageId === undefined) this.#unnamed.add(executionId);
        const sent = this.#messages.get(executionId) ?? new Set<string>();
        this.#messages.set(executionId, sent.add(`${operation}:${messageId}`));
      }
      if (operation === "start" && idempotencyKey !== undefined) this.#keys.add(`${workflow} ${idempotencyKey}`);
      if (executionId !== undefined) {
        const counts = this.#byId.get(executionId) ?? new Map<ObservedOperation["operation"], number>();
        this.#byId.set(executionId, counts.set(operation, (counts.get(operation) ?? 0) + 1));
      } else if (operation === "start") this.#nameless.set(workflow, (this.#nameless.get(workflow) ?? 0) + 1);
    }
  }

  /** What nobody asked for of all runs of an execution together. Retention may have deleted the first, and what they say of a beginning. */
  unaskedRuns({ view, isTakenBack, isForeign: isElsewhere }: Latest): string[] {
    const { executionId, runNumber } = view.run;
    const problems: string[] = [];
    const isOwn = !isStartedByOther(view) && !isElsewhere;
    const first = view.past[0]?.runNumber ?? runNumber;
    if (isOwn && first === 1 && this.#count(executionId, "start") === 0 && !this.#startedWithoutId(view)) problems.push("nobody started it");
    const continued = view.past.filter(({ state }) => state === "continued_as_new").length;
    const resumes = this.#count(executionId, "resume");
    const begun = runNumber - first;
    if (!isTakenBack && !isElsewhere && begun - continued > resumes)
      problems.push(`it has ${begun + 1} runs, after ${resumes} resumes${continued === 0 ? "" : ` and ${continued} continuations`}`);
    // A parent that is cancelled asks its children to stop.
    const isCancelled = view.events.some(({ type }) => type === "CancelRequested" || type === "ExecutionCancelled");
    if (isOwn && isCancelled && this.#count(executionId, "cancel") === 0) problems.push("nobody cancelled it");
    return problems;
  }

  unsent({ run: { executionId }, events }: RunView): string[] {
    if (this.#unnamed.has(executionId)) return [];
    const sent = this.#messages.get(executionId);
    const received = events.flatMap(({ event }) => (event === undefined ? [] : (inboxIdOf(event) ?? [])));
    return received.filter((id) => sent?.has(id) !== true).map((id) => `nobody sent ${id}`);
  }

  /** Its parent may have ended, or its schedule have made room for the next one. */
  isTerminatedUnasked(view: RunView): boolean {
    const isTerminated = view.events.some(({ event }) => event?.type === "ExecutionTerminated" && event.byParent !== true);
    return isTerminated && !isScheduled(view) && this.#count(view.run.executionId, "terminate") === 0;
  }

  #count(executionId: string, operation: ObservedOperation["operation"]): number {
    return this.#byId.get(executionId)?.get(operation) ?? 0;
  }

  #startedWithoutId({ run }: CurrentView): boolean {
    if (run.idempotencyKey !== null && this.#keys.has(`${run.workflow} ${run.idempotencyKey}`)) return true;
    for (const workflow of [run.workflow, ""]) {
      const left = this.#nameless.get(workflow) ?? 0;
      if (left === 0) continue;
      this.#nameless.set(workflow, left - 1);
      return true;
    }
    return false;
  }
}

/** Its schedule started it, and may have stopped it to start the next one. */
function isScheduled({ events }: RunView): boolean {
  const first = events[0]?.event;
  return first?.type === "ExecutionStarted" && first.schedule !== undefined;
}

/** Whether its schedule or a parent started it. Its row may have lost its parent, to a resume, a rollback or retention. */
function isStartedByOther(view: CurrentView): boolean {
  const first = view.events[0]?.event;
  return isScheduled(view) || view.run.parentRunId !== null || (first?.type === "ExecutionStarted" && first.parent !== undefined);
}
