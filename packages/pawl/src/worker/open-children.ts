import type { ParentClosePolicy } from "../definition/context.ts";
import type { Event } from "../kernel/event.ts";
import type { ChildMessage, Message } from "../store/operations.ts";

interface OpenChild {
  readonly runId: string;
  readonly executionId: string;
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
    if (event.type === "ChildStarted") {
      const { runId, executionId, parentClosePolicy: policy = "cancel" } = event;
      this.#open.set(event.position, { runId, executionId, policy, asked: false });
    } else if (event.type === "ChildCompleted" || event.type === "ChildFailed") this.#open.delete(event.position);
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

  /** The same for children that have gone on in another run than this one, and so have not got it. */
  cancelledLater(runId: string): readonly ChildMessage[] {
    const data = this.#reason("was cancelled");
    const asked = [...this.#open.values()].filter((child) => child.runId === runId && child.asked);
    return asked.map(({ executionId }) => ({ executionId, messageId: "cancel", type: "CancelRequested", data, reachedRunId: runId }));
  }

  /** What they are told before the parent's end is written; also those that were asked to cancel, in a run that may be over. */
  parentEnded(state: string): readonly ChildMessage[] {
    const data = this.#reason(endings[state] ?? "has ended");
    return [...this.#open.values()].flatMap(({ executionId, policy }): ChildMessage[] => {
      if (policy === "abandon") return [];
      if (policy === "cancel") return [{ executionId, messageId: "cancel", type: "CancelRequested", data }];
      return [{ executionId, messageId: "terminate", type: "ExecutionTerminated", data: `{"byParent":true,${data.slice(1)}` }];
    });
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
