import { inboxIdOf, updateInboxId } from "../../kernel/inbox-id.ts";
import type { Invariant } from "../invariant.ts";
import { about, type RunView } from "../rows.ts";

/**
 * I11. Signals and updates arrive once: no id twice in a history. An update is answered once, after it was read.
 *
 * A resume sends those that came after the cancel request to the next run; each run is judged on its own.
 */
export const messages: Invariant = {
  id: "I11",
  title: "Signals and updates arrive once",
  check: (tally) => ({
    run(view) {
      for (const detail of problemsOf(view, () => tally.looked())) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf(view: RunView, looked: () => void): string[] {
  const problems: string[] = [];
  const received = new Set<string>();
  const answered = new Set<string>();
  for (const { seq, event } of view.events) {
    const id = event === undefined ? undefined : inboxIdOf(event);
    if (id !== undefined) {
      looked();
      if (received.has(id)) problems.push(`event ${seq}: ${id} was received already`);
      received.add(id);
    } else if (event?.type === "UpdateCompleted" || event?.type === "UpdateRejected") {
      looked();
      const update = updateInboxId(event.updateId);
      if (!received.has(update)) problems.push(`event ${seq}: a reply to ${update}, which was never received`);
      else if (answered.has(update)) problems.push(`event ${seq}: ${update} was answered already`);
      answered.add(update);
    }
  }
  return problems;
}
