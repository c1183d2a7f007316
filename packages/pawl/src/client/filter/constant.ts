import type { ASTNode } from "@marcbachmann/cel-js";
import { toMilliseconds } from "../../base/duration.ts";
import { PawlError } from "../../base/errors.ts";
import { isStorable } from "../../base/storable-text.ts";
import type { FilterValue } from "../../store/filter.ts";
import { failAt } from "./fail-at.ts";

/** A part of a filter that depends on no execution. Durations are in milliseconds. */
export type Constant =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "time"; readonly value: { readonly time: number } | { readonly sinceNow: number } }
  | { readonly type: "duration"; readonly value: number };

export function typeOf(value: FilterValue): Constant["type"] {
  return typeof value === "object" ? "time" : (typeof value as "string" | "number" | "boolean");
}

/** @throws FilterInvalid if it is none, or of a form that filters do not know */
export function constantOf(node: ASTNode): Constant {
  switch (node.op) {
    case "value":
      return literal(node, node.args);
    case "-_": {
      const { type, value } = constantOf(node.args);
      return type === "number" ? { type, value: -value } : failAt(node, `a ${type} has no negative.`);
    }
    case "call":
      return called(node, node.args);
    case "+":
    case "-":
      return sum(node, node.op === "+" ? 1 : -1, constantOf(node.args[0]), constantOf(node.args[1]));
    default:
      return failAt(node, "a value must stand here: a string, a number, true, false, timestamp(), duration() or now().");
  }
}

function literal(node: ASTNode, value: unknown): Constant {
  switch (typeof value) {
    case "string":
      return isStorable(value) ? { type: "string", value } : failAt(node, "a string holds no NUL character and no half of a surrogate pair.");
    case "number":
      return { type: "number", value };
    case "boolean":
      return { type: "boolean", value };
    case "bigint":
      if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) return failAt(node, "the number is too large to be exact.");
      return { type: "number", value: Number(value) };
    default:
      if (value === null) return failAt(node, "nothing is null here: ask with has() whether something is there.");
      return failAt(node, "this kind of value cannot be compared; there are strings, numbers, true, false and times.");
  }
}

function called(node: ASTNode, [name, given]: readonly [string, readonly ASTNode[]]): Constant {
  if (name === "now") return given.length === 0 ? { type: "time", value: { sinceNow: 0 } } : failAt(node, "now() takes nothing.");
  if (name !== "timestamp" && name !== "duration") return failAt(node, `there is no ${name}() here; there are timestamp(), duration() and now().`);
  const [argument] = given;
  const text = given.length === 1 && argument !== undefined ? constantOf(argument) : undefined;
  if (text?.type !== "string")
    return failAt(node, `${name}() takes one string, such as ${name === "duration" ? 'duration("1h")' : 'timestamp("2026-11-21T10:00:00Z")'}.`);
  return name === "duration"
    ? { type: "duration", value: milliseconds(argument!, text.value) }
    : { type: "time", value: { time: instant(argument!, text.value) } };
}

const instantForm = /^\d{4}-\d\d-\d\d([Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d))?$/;

function instant(node: ASTNode, text: string): number {
  const time = instantForm.test(text) ? Date.parse(text.toUpperCase()) : Number.NaN;
  return Number.isNaN(time) ? failAt(node, 'this is no time. Write one with its zone, such as "2026-11-21T10:00:00Z", or a date, which begins in UTC.') : time;
}

function milliseconds(node: ASTNode, text: string): number {
  try {
    return toMilliseconds(text, "duration");
  } catch (error) {
    return error instanceof PawlError ? failAt(node, error.message) : failAt(node, "this is no duration.");
  }
}

/** Times move by durations; durations add up. */
function sum(node: ASTNode, sign: 1 | -1, left: Constant, right: Constant): Constant {
  if (left.type === "duration" && right.type === "time" && sign === 1) return moved(right.value, left.value);
  if (right.type === "duration" && left.type === "time") return moved(left.value, sign * right.value);
  if (right.type === "duration" && left.type === "duration") return { type: "duration", value: left.value + sign * right.value };
  return failAt(node, `only times and durations are reckoned with here, as in now() - duration("1h"), not a ${left.type} and a ${right.type}.`);
}

function moved(time: { readonly time: number } | { readonly sinceNow: number }, by: number): Constant {
  return { type: "time", value: "time" in time ? { time: time.time + by } : { sinceNow: time.sinceNow + by } };
}
