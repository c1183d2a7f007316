import { changed, type Labels, type StoredAttributes } from "../base/search-values.ts";
import type { Event } from "./event.ts";

/** What the row of a run with these events must have; undefined where it has none. */
export interface SearchValuesOfRun {
  readonly labels: Labels | undefined;
  readonly attributes: StoredAttributes | undefined;
}

export const noSearchValues: SearchValuesOfRun = { labels: undefined, attributes: undefined };

export function searchValuesOf(events: Iterable<Event>): SearchValuesOfRun {
  let values = noSearchValues;
  for (const event of events) values = searchValuesAfter(values, event);
  return values;
}

export function searchValuesAfter(before: SearchValuesOfRun, event: Event): SearchValuesOfRun {
  switch (event.type) {
    case "ExecutionStarted":
      return { labels: event.labels, attributes: event.attributes };
    case "LabelsSet":
      return { ...before, labels: changed(before.labels, event.labels) };
    case "AttributesSet":
      return { ...before, attributes: changed(before.attributes, event.attributes) };
    case "ExecutionResumed":
      return {
        labels: event.labels === undefined ? before.labels : changed(undefined, event.labels),
        attributes: event.attributes === undefined ? before.attributes : changed(undefined, event.attributes),
      };
    default:
      return before;
  }
}
