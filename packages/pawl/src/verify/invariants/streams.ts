import type { Invariant } from "../invariant.ts";
import { about, resumedAt, type CurrentView } from "../rows.ts";

/**
 * I28. A stream has the offsets 0, 1, 2 without gaps, written under epochs that never fall; what workflow code wrote in this run stands in
 * it exactly where the history says, once.
 *
 * Not judged: what workflow code wrote in the run of an imported document without streams: it was exported by a Pawl that did not write them.
 */
export const streams: Invariant = {
  id: "I28",
  title: "Streams are whole, and workflow code writes once",
  check: (tally) => ({
    run(view) {
      if (view.kind === "past") return;
      for (const { chunks } of view.streams) tally.looked(chunks);
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
    finish({ strays }) {
      for (const { kind, subject, total } of strays)
        if (kind === "chunks") tally.violated({ executionId: subject, detail: `chunks of a stream without an execution (${total} in all)` });
    },
  }),
};

function problemsOf({ events, streams: found }: CurrentView): string[] {
  const problems: string[] = [];
  const since = resumedAt(events).seq;
  const recorded = new Map<string, number[]>();
  for (const { seq, event } of events) {
    if (seq <= since || event?.type !== "StreamWritten") continue;
    const offsets = recorded.get(event.stream);
    if (offsets === undefined) recorded.set(event.stream, [event.offset]);
    else offsets.push(event.offset);
  }
  for (const { stream, chunks, first, last, fallen, written } of found) {
    if (first !== 0 || last !== chunks - 1) problems.push(`stream ${stream} has ${chunks} chunks, with the offsets ${first} to ${last}`);
    if (fallen > 0) problems.push(`stream ${stream} has ${fallen} chunks of an older epoch behind newer ones`);
    const said = (recorded.get(stream) ?? []).toSorted((a, b) => a - b).join(", ");
    if (said !== written.join(", "))
      problems.push(`stream ${stream} has what workflow code wrote at ${written.join(", ") || "no offset"}, its history says ${said || "none"}`);
    recorded.delete(stream);
  }
  // Without any row it may come from a document.
  if (found.length > 0) for (const stream of recorded.keys()) problems.push(`its history says that it wrote to stream ${stream}, which is empty`);
  return problems;
}
