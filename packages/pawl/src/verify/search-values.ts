import { isDeepStrictEqual } from "node:util";
import { changedAttributes, type Labels, type StoredAttributes } from "../base/search-values.ts";
import { dataRead } from "./history-entry.ts";
import type { CurrentView } from "./rows.ts";

/** Where a row's labels and attributes are not those that its history gives. They are a projection, like its state. */
export function searchValueProblems({ run, events }: CurrentView): string[] {
  let labels: Labels | undefined;
  let attributes: StoredAttributes | undefined;
  for (const { bytes, event } of events) {
    // Of very large events only the beginning is read, and these may stand behind it.
    if (event === undefined || (event.type === "ExecutionStarted" && bytes >= dataRead && event.attributes === undefined)) return [];
    if (event.type === "ExecutionStarted") ({ labels, attributes } = event);
    else if (event.type === "AttributesSet") attributes = changedAttributes(attributes, event.attributes);
    else if (event.type === "ExecutionResumed") attributes = event.attributes ?? attributes;
  }
  const problems: string[] = [];
  if (!isDeepStrictEqual(run.labels ?? undefined, labels)) problems.push(`its row has the labels ${text(run.labels)}, its history ${text(labels)}`);
  if (!isDeepStrictEqual(run.attributes ?? undefined, attributes))
    problems.push(`its row has the attributes ${text(run.attributes)}, its history ${text(attributes)}`);
  return problems;
}

function text(values: object | null | undefined): string {
  return JSON.stringify(values ?? {}).slice(0, 200);
}
