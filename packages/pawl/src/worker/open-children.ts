import type { ParentClosePolicy } from "../definition/context.ts";
import type { Event } from "../kernel/event.ts";
import type { Message } from "../store/operations.ts";

interface OpenChild {
  readonly runId: string;
  readonly policy: ParentClosePolicy;
  /** It was asked to cancel. */
  asked: boolean;
}

/** Children whose start is recorded and whose end is not, and what becomes of them when their parent is cancelled or ends. */
export class OpenChildren {
  readonly #open = new Map<number, OpenChild>();
  readonly #executionId: string;

  constructor(executionId: string) {
    this.#executionId = executionId;
  }

  /** Takes notice of a recorded event. */
  note(event: Event): void {
    if (event.type === "ChildStarted") this.#open.set(event.position, { runId: event.runId, policy: event.parentClosePolicy ?? "cancel", asked: false });
    else if (event.type === "ChildCompleted" || event.type === "ChildFailed") this.#open.delete(event.position);
  }

  /** A cancel request of the parent goes on to the child, whose own code decides how it ends; also to one that is terminated at the end. */
  cancelled(runId: string): Message | undefined {
    for (const child of this.#open.values()) {
      if (child.runId !== runId || child.policy === "abandon" || child.asked) continue;
      child.asked = true;
      return { toRunId: runId, messageId: "cancel", type: "CancelRequested", data: this.#reason("was cancelled") };
    }
    return undefined;
  }

  /** What goes to them in the commit that ends the parent. */
  parentEnded(state: string): readonly Message[] {
    const messages: Message[] = [];
    for (const { runId, policy, asked } of this.#open.values()) {
      const data = this.#reason(endings[state] ?? "has ended");
      if (policy === "terminate")
        messages.push({ toRunId: runId, messageId: "terminate", type: "ExecutionTerminated", data: `{"byParent":true,${data.slice(1)}` });
      else if (policy === "cancel" && !asked) messages.push({ toRunId: runId, messageId: "cancel", type: "CancelRequested", data });
    }
    this.#open.clear();
    return messages;
  }

  #reason(what: string): string {
    return JSON.stringify({ reason: `its parent ${this.#executionId} ${what}` });
  }
}

const endings: Readonly<Record<string, string>> = {
  completed: "has completed",
  failed: "has failed",
  cancelled: "was cancelled",
  terminated: "was terminated",
  timed_out: "has timed out",
};
