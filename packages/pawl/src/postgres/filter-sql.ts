import { sql, type SQL } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import type { AttributeValue, StoredAttribute } from "../base/search-values.ts";
import { executionStates } from "../kernel/execution-state.ts";
import type { ComparisonOperator, Filter, FilterField, FilterValue, TextTest } from "../store/filter.ts";
import type { Tables } from "./schema.ts";

type Executions = Tables["executions"];

/**
 * A filter as a condition on `executions`. Names and values are parameters, operators come from the tables below; no text of
 * the user's is ever part of a statement.
 *
 * A comparison with what is not there gives NULL, which counts as false: AND and OR keep it so, and what negates says IS NOT
 * TRUE. Nothing is wrapped in `coalesce`, which would hide the condition from the indexes. `@>` and `?` are what the GIN
 * index on labels and attributes answers, so every condition on an attribute holds one of them.
 */
export function filterCondition(executions: Executions, filter: Filter): SQL {
  switch (filter.kind) {
    case "and":
    case "or":
      return sql`(${sql.join(
        filter.of.map((part) => filterCondition(executions, part)),
        filter.kind === "and" ? sql` AND ` : sql` OR `,
      )})`;
    case "not":
      return sql`(${filterCondition(executions, filter.of)} IS NOT TRUE)`;
    case "compare":
      if (filter.operator === "!=" && isState(filter.field)) return stateCondition(executions, otherThan([filter.value as string]));
      return filter.operator === "!="
        ? sql`(${comparison(executions, filter.field, "==", filter.value)} IS NOT TRUE)`
        : comparison(executions, filter.field, filter.operator, filter.value);
    case "in":
      return membership(executions, filter.field, filter.values);
    case "text":
      return textCondition(executions, filter.field, filter.test, filter.text);
    case "has":
      return presence(executions, filter.field);
  }
}

const operators: Readonly<Record<Exclude<ComparisonOperator, "!=">, SQL>> = {
  "==": sql`=`,
  "<": sql`<`,
  "<=": sql`<=`,
  ">": sql`>`,
  ">=": sql`>=`,
};

function comparison(executions: Executions, field: FilterField, operator: Exclude<ComparisonOperator, "!=">, value: FilterValue): SQL {
  const sign = operators[operator];
  switch (field.of) {
    case "text":
      if (operator === "==" && isState(field)) return stateCondition(executions, [value as string]);
      // By code point, as CEL has it, whatever the database's collation; for equality that makes no difference, but for an index.
      return operator === "==" ? equality(executions, field.name, sql`= ${value}`) : sql`(${textOf(executions, field.name)} COLLATE "C" ${sign} ${value})`;
    case "number":
      return sql`(${numberOf(executions, field.name)} ${sign} ${value}::float8)`;
    case "time":
      return sql`(${executions[field.name]} ${sign} ${timeValue(executions, value)})`;
    case "label":
      return operator === "=="
        ? contains(executions.labels, field.name, value as string)
        : sql`((${executions.labels} ->> ${field.name}::text) COLLATE "C" ${sign} ${value})`;
    case "attribute":
      if (operator === "==" && !isSinceNow(value)) return contains(executions.attributes, field.name, value);
      return attributeCondition(executions, field.name, typeOf(value), (attribute) =>
        typeof value === "object"
          ? sql`${attribute} ${sign} date_part('epoch', ${timeValue(executions, value)}) * 1000`
          : typeof value === "number"
            ? sql`${attribute} ${sign} ${value}::float8`
            : sql`${attribute} COLLATE "C" ${sign} ${value}`,
      );
  }
}

type TextField = Extract<FilterField, { readonly of: "text" }>["name"];

/** An empty key is that of an execution without one, which was claimed from a queue with limits. */
function textOf(executions: Executions, name: TextField): SQL {
  return name === "key" ? sql`nullif(${executions.queueKey}, '')` : sql`${executions[name]}`;
}

type NumberField = Extract<FilterField, { readonly of: "number" }>["name"];

/** An execution without a priority has 0. */
function numberOf(executions: Executions, name: NumberField): SQL {
  return sql`coalesce(${executions[name]}, 0)`;
}

/** As the indexes hold it: that on keys has no empty ones. */
function equality(executions: Executions, name: TextField, equals: SQL): SQL {
  return name === "key" ? sql`(${executions.queueKey} <> '' AND ${executions.queueKey} ${equals})` : sql`(${executions[name]} ${equals})`;
}

function isState(field: FilterField): boolean {
  return field.of === "text" && field.name === "state";
}

export function otherThan(states: readonly string[]): readonly string[] {
  return executionStates.filter((state) => !states.includes(state));
}

/** What has not begun to wait for a person, and may be claimed. */
const claimable: readonly string[] = ["pending", "running"];

/**
 * An execution is in one of these states, said so that indexes can answer it: those of what did not simply complete, of what is claimed, and
 * of what is open and not claimed. Of those that completed there is none.
 */
export function stateCondition(executions: Executions, states: readonly string[]): SQL {
  const among = (some: readonly string[]): SQL => sql`${executions.state} = ANY(${textArray(some)}::text[])`;
  const open = states.filter((state) => claimable.includes(state));
  if (states.includes("completed") || open.length === 0) return sql`(${among(states)})`;
  const others = states.filter((state) => !claimable.includes(state));
  const exceptional = others.length === 0 ? sql`` : sql` OR ${among(others)}`;
  const { workerId } = executions;
  return sql`((${workerId} IS NULL AND ${among(open)}) OR (${workerId} IS NOT NULL AND ${among(open)})${exceptional})`;
}

function membership(executions: Executions, field: FilterField, values: readonly FilterValue[]): SQL {
  if (isState(field)) return stateCondition(executions, values as readonly string[]);
  // One array for a column, so that an index can be asked once; the others are a few conditions that their index can answer.
  if (field.of === "text") return equality(executions, field.name, sql`= ANY(${textArray(values as readonly string[])}::text[])`);
  return sql`(${sql.join(
    values.map((value) => comparison(executions, field, "==", value)),
    sql` OR `,
  )})`;
}

/** The text form of an array: drivers differ in how they send one. */
function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function textCondition(executions: Executions, field: FilterField, test: TextTest, text: string): SQL {
  const within = (value: SQL): SQL => {
    switch (test) {
      case "startsWith":
        return sql`starts_with(${value}, ${text})`;
      case "endsWith":
        return sql`(right(${value}, length(${text}::text)) = ${text})`;
      case "contains":
        return sql`(strpos(${value}, ${text}) > 0)`;
    }
  };
  switch (field.of) {
    case "text":
      return within(textOf(executions, field.name));
    case "label":
      return sql`(${executions.labels} ? ${field.name}::text AND ${within(sql`(${executions.labels} ->> ${field.name}::text)`)})`;
    default:
      return attributeCondition(executions, field.name, "string", within);
  }
}

function presence(executions: Executions, field: FilterField): SQL {
  switch (field.of) {
    case "label":
      return sql`(${executions.labels} ? ${field.name}::text)`;
    case "attribute":
      return sql`(${executions.attributes} ? ${field.name}::text)`;
    case "text":
      return sql`(${textOf(executions, field.name)} IS NOT NULL)`;
    case "number":
      return sql`true`; // Every execution has its numbers.
    case "time":
      return sql`(${executions[field.name]} IS NOT NULL)`;
  }
}

type AttributeType = "string" | "number" | "boolean" | "time";

/** CASE, because nothing else keeps PostgreSQL from converting values of other types first. */
function attributeCondition(executions: Executions, name: string, type: AttributeType, condition: (attribute: SQL) => SQL): SQL {
  const { attributes } = executions;
  const json = sql`${attributes} -> ${name}::text`;
  const text = sql`(${attributes} ->> ${name}::text)`;
  const value = type === "number" ? sql`${text}::float8` : type === "time" ? sql`((${json}) ->> 'time')::float8` : text;
  const jsonType = type === "time" ? "object" : type;
  return sql`(${attributes} ? ${name}::text AND CASE WHEN jsonb_typeof(${json}) = ${jsonType} THEN ${condition(value)} END)`;
}

function contains(column: Executions["labels"] | Executions["attributes"], name: string, value: StoredAttribute): SQL {
  return sql`(${column} @> ${JSON.stringify({ [name]: value })}::jsonb)`;
}

function timeValue(executions: Executions, value: FilterValue): SQL {
  if (isSinceNow(value)) {
    // Its own clock, and the one that tests and simulations set. As a subquery, because a volatile function is asked for every
    // row otherwise, and no index can help.
    const { schema } = getTableConfig(executions);
    return sql`(SELECT ${sql.identifier(schema!)}.current_time_of_pawl() + ${value.sinceNow}::float8 * interval '1 millisecond')`;
  }
  return sql`to_timestamp(${(value as { readonly time: number }).time}::float8 / 1000)`;
}

function isSinceNow(value: FilterValue): value is { readonly sinceNow: number } {
  return typeof value === "object" && "sinceNow" in value;
}

function typeOf(value: FilterValue): AttributeType {
  return typeof value === "object" ? "time" : (typeof value as AttributeType);
}

/** What `groupBy` groups by. */
export function groupValue(executions: Executions, field: FilterField): SQL {
  switch (field.of) {
    case "label":
      return sql`${executions.labels} ->> ${field.name}::text`;
    case "attribute":
      return sql`${executions.attributes} -> ${field.name}::text`;
    case "text":
      return textOf(executions, field.name);
    case "number":
      return numberOf(executions, field.name);
    case "time":
      return sql`${executions[field.name]}`;
  }
}

export function readGroupValue(value: unknown): AttributeValue | null {
  if (typeof value === "object" && value !== null && "time" in value) return new Date((value as { readonly time: number }).time);
  return value as AttributeValue | null;
}
