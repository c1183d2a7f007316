import { boolArray, int4Array, textArray, timestamptzArray, uuidArray } from "./binary-arrays.ts";

/** An array parameter of a hot statement: sent in binary to a server, as plain values to an in-process PostgreSQL. */
export type ArrayParameter =
  | { readonly array: "uuid"; readonly values: readonly (string | null)[] }
  | { readonly array: "text"; readonly values: readonly (string | null)[] }
  | { readonly array: "int4"; readonly values: readonly number[] }
  | { readonly array: "bool"; readonly values: readonly boolean[] }
  /** Milliseconds since 1970. */
  | { readonly array: "timestamptz"; readonly values: readonly (number | null)[] };

export type Parameter = ArrayParameter | string | number | boolean | null;

export const uuids = (values: readonly (string | null)[]): ArrayParameter => ({ array: "uuid", values });
export const texts = (values: readonly (string | null)[]): ArrayParameter => ({ array: "text", values });
export const integers = (values: readonly number[]): ArrayParameter => ({ array: "int4", values });
export const booleans = (values: readonly boolean[]): ArrayParameter => ({ array: "bool", values });
export const timestamps = (values: readonly (number | null)[]): ArrayParameter => ({ array: "timestamptz", values });

export function toBinary(parameter: Parameter): unknown {
  if (typeof parameter !== "object" || parameter === null) return parameter;
  switch (parameter.array) {
    case "uuid":
      return uuidArray(parameter.values);
    case "text":
      return textArray(parameter.values);
    case "int4":
      return int4Array(parameter.values);
    case "bool":
      return boolArray(parameter.values);
    case "timestamptz":
      return timestamptzArray(parameter.values);
  }
}
