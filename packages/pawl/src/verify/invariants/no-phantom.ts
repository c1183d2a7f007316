import { inboxIdOf } from "../../kernel/inbox-id.ts";
import type { Invariant } from "../invariant.ts";
import type { ObservedOperation } from "../operation-log.ts";
import type { Tally } from "../report.ts";
import { about, type CurrentView, type RunView } from "../rows.ts";

/**
 * I10. Nothing happens that nobody asked for. An execution has been started by a parent, which both its row and its first
 * event name, or by a client. With an operation log: by an operation of it, and so were cancels, terminations and resumes, signals and updates.
 */
export const noPhantom: Invariant = {
  id: "I10",
  title: "Nothing that nobody asked for",
  check(tally, { operations, namespace }) {
    const asked = operations === undefined ? undefined : new Asked(operations);
    return {
      run(view) {
        tally.looked();
        if (view.kind === "current") checkParent(view, tally);
        if (asked !== undefined && view.run.namespace === namespace) for (const detail of asked.unasked(view)) tally.violated({ ...about(view), detail });
      },
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

  unasked(view: RunView): string[] {
    const { executionId } = view.run;
    // Its schedule started it, and may have stopped it to start the next one.
    const first = view.events[0]?.event;
    const scheduled = first?.type === "ExecutionStarted" && first.schedule !== undefined;
    const count = (operation: ObservedOperation["operation"]): number => this.#byId.get(executionId)?.get(operation) ?? 0;
    const problems: string[] = [];
    const has = (type: string): boolean => view.events.some((entry) => entry.type === type);
    if (view.kind === "current") {
      const { parentRunId, runNumber } = view.run;
      const wasForked = view.events.some(({ type }) => type === "ExecutionForked");
      if (parentRunId === null && !scheduled && !wasForked && count("start") === 0 && !this.#startedWithoutId(view)) problems.push("nobody started it");
      // The log has no rollbacks and retries.
      const wasRolledBack = view.events.some(({ event }) => event?.type === "ExecutionResumed" && event.operation !== undefined);
      const continued = view.past.filter(({ state }) => state === "continued_as_new").length;
      // Retention may have deleted the first ones.
      const begun = runNumber - (view.past[0]?.runNumber ?? runNumber);
      if (!wasRolledBack && begun - continued > count("resume"))
        problems.push(`it has ${begun + 1} runs, after ${count("resume")} resumes${continued === 0 ? "" : ` and ${continued} continuations`}`);
      // A parent that is cancelled asks its children to stop.
      if (parentRunId === null && !scheduled && count("cancel") === 0 && (has("CancelRequested") || has("ExecutionCancelled")))
        problems.push("nobody cancelled it");
    }
    for (const { event } of view.events) {
      const id = event === undefined ? undefined : inboxIdOf(event);
      const isAsked = id === undefined || this.#unnamed.has(executionId) || this.#messages.get(executionId)?.has(id) === true;
      if (!isAsked) problems.push(`nobody sent ${id}`);
    }
    if (has("ExecutionTerminated") && !scheduled && count("terminate") === 0) problems.push("nobody terminated it");
    return problems;
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
