import { isDeepStrictEqual } from "node:util";
import type { Event } from "../kernel/event.ts";
import { searchValuesOf } from "../kernel/search-values.ts";
import type { CurrentView } from "./rows.ts";

/** Where a row's labels and attributes are not those that its history gives. They are a projection, like its state. */
export function searchValueProblems({ run, events }: CurrentView): string[] {
  const known: Event[] = [];
  for (const { event } of events) {
    if (event === undefined) return [];
    known.push(event);
  }
  const { labels, attributes } = searchValuesOf(known);
  return [...differences("label", run.labels, labels), ...differences("attribute", run.attributes, attributes)];
}

function differences(what: string, row: Readonly<Record<string, unknown>> | null, history: Readonly<Record<string, unknown>> | undefined): string[] {
  const problems: string[] = [];
  for (const name of new Set([...Object.keys(row ?? {}), ...Object.keys(history ?? {})])) {
    const [here, there] = [row?.[name], history?.[name]];
    if (!isDeepStrictEqual(here, there)) problems.push(`its row has the ${what} ${name} ${text(here)}, its history ${text(there)}`);
  }
  return problems;
}

function text(value: unknown): string {
  return value === undefined ? "not" : JSON.stringify(value).slice(0, 100);
}
