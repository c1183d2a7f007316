import { changedAttributes, type Labels, type StoredAttributes } from "../base/search-values.ts";
import type { Event } from "./event.ts";

/** What the row of a run with these events must have; undefined where it has none. */
export interface SearchValuesOfRun {
  readonly labels: Labels | undefined;
  readonly attributes: StoredAttributes | undefined;
}

export function searchValuesOf(events: Iterable<Event>): SearchValuesOfRun {
  let labels: Labels | undefined;
  let attributes: StoredAttributes | undefined;
  for (const event of events) {
    if (event.type === "ExecutionStarted") ({ labels, attributes } = event);
    else if (event.type === "AttributesSet") attributes = changedAttributes(attributes, event.attributes);
    else if (event.type === "ExecutionResumed") attributes = event.attributes ?? attributes;
  }
  return { labels, attributes };
}
