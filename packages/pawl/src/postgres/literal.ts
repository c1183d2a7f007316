import type { Parameter } from "./parameters.ts";

/** A parameter of a statement, written out as SQL. */
export function literal(parameter: Parameter): string {
  if (parameter === null) return "NULL";
  if (typeof parameter !== "object") return typeof parameter === "string" ? quote(parameter) : String(parameter);
  return quote(
    `{${parameter.values.map((value) => element(parameter.array === "timestamptz" && value !== null ? new Date(Number(value)).toISOString() : value)).join(",")}}`,
  );
}

function element(value: string | number | boolean | null): string {
  if (value === null) return "NULL";
  return typeof value === "string" ? `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : String(value);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
