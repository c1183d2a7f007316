/**
 * What a filter asks of an execution: a tree without text of the user's in it but values and names, which a store compares
 * and never runs. It is true or false, never unknown: a comparison with what is not there, or with a value of another type,
 * is false, and `!=` is the opposite of `==`.
 */
export type Filter =
  | { readonly kind: "and" | "or"; readonly of: readonly Filter[] }
  | { readonly kind: "not"; readonly of: Filter }
  | { readonly kind: "compare"; readonly field: FilterField; readonly operator: ComparisonOperator; readonly value: FilterValue }
  /** The values are of one type. */
  | { readonly kind: "in"; readonly field: FilterField; readonly values: readonly FilterValue[] }
  | { readonly kind: "text"; readonly field: FilterField; readonly test: TextTest; readonly text: string }
  | { readonly kind: "has"; readonly field: FilterField };

export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";

export const textTests = ["startsWith", "endsWith", "contains"] as const;
export type TextTest = (typeof textTests)[number];

/** A time is in milliseconds since 1970, or so many from the database's present time. */
export type FilterValue = string | number | boolean | { readonly time: number } | { readonly sinceNow: number };

/** Columns that hold text, numbers and times, and what their names in a filter are. */
export const textFields = ["state", "workflow", "version", "taskQueue", "key", "executionId"] as const;
export const numberFields = ["priority"] as const;
export const timeFields = ["createdAt", "startedAt", "finishedAt"] as const;

export type FilterField =
  | { readonly of: "text"; readonly name: (typeof textFields)[number] }
  | { readonly of: "number"; readonly name: (typeof numberFields)[number] }
  | { readonly of: "time"; readonly name: (typeof timeFields)[number] }
  | { readonly of: "label"; readonly name: string }
  | { readonly of: "attribute"; readonly name: string };
