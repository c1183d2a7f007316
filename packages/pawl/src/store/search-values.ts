import { checkAttributes, checkLabels, type Attributes, type Labels } from "../base/search-values.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import type { SearchValuesOfRun } from "../kernel/search-values.ts";
import type { StartOperation } from "./operations.ts";

/** Labels and attributes of a start as its first event has them, and as its row does. Nothing where there are none. */
export interface SearchValues {
  readonly found: Pick<ExecutionStarted, "labels" | "attributes">;
  readonly searchable: Pick<StartOperation, "labels" | "attributes">;
}

const none: SearchValues = { found: {}, searchable: {} };

/** As the row of a run has them: JSON, null where there are none. */
export function rowValues({ labels, attributes }: SearchValuesOfRun): { readonly labels: string | null; readonly attributes: string | null } {
  return { labels: labels === undefined ? null : JSON.stringify(labels), attributes: attributes === undefined ? null : JSON.stringify(attributes) };
}

/** @throws OptionInvalid */
export function searchValues(givenLabels: Labels | undefined, givenAttributes: Attributes | undefined, path: string): SearchValues {
  if (givenLabels === undefined && givenAttributes === undefined) return none;
  const labels = checkLabels(givenLabels, `${path} labels`);
  const attributes = checkAttributes(givenAttributes, `${path} attributes`);
  return {
    found: { ...(labels === undefined ? {} : { labels }), ...(attributes === undefined ? {} : { attributes }) },
    searchable: {
      ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
      ...(attributes === undefined ? {} : { attributes: JSON.stringify(attributes) }),
    },
  };
}
