import { Environment, ParseError, type ASTNode } from "@marcbachmann/cel-js";
import { FilterInvalid } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { latestStates, stateProblem } from "../../kernel/execution-state.ts";
import { textTests, type ComparisonOperator, type Filter, type FilterField, type FilterValue, type TextTest } from "../../store/filter.ts";
import { constantOf, typeOf, type Constant } from "./constant.ts";
import { fieldOf } from "./field.ts";
import { failAt } from "./fail-at.ts";

// Only its parser is used: nothing of a filter is ever evaluated here, so its functions and their costs do not matter.
const parser = new Environment({
  limits: { maxAstNodes: limits.filterNodes, maxDepth: limits.filterDepth, maxListElements: limits.filterList, maxCallArguments: 4, maxMapEntries: 1 },
});

/**
 * A filter written in CEL, as the tree that a store takes: fields of an execution compared with constants.
 *
 * @throws FilterInvalid with the position of what is wrong, counted from 1
 */
export function parseFilter(text: unknown): Filter {
  if (typeof text !== "string") throw new FilterInvalid(1, "a filter is a text such as 'state == \"failed\"'.");
  if (text.length > limits.filterLength)
    throw new FilterInvalid(limits.filterLength + 1, `it has ${text.length} characters; a filter has at most ${limits.filterLength}.`);
  if (text.trim() === "") throw new FilterInvalid(1, "it is empty. Leave it out to find everything.");
  let ast: ASTNode;
  try {
    ({ ast } = parser.parse(text));
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const summary = error.summary.replace(/\.$/, "");
    throw new FilterInvalid(
      (error.range?.start ?? 0) + 1,
      error.code === "limit_exceeded" ? `${summary}: it is too large. Split it into several.` : `${summary}.`,
    );
  }
  return condition(ast);
}

function condition(node: ASTNode): Filter {
  switch (node.op) {
    case "&&":
    case "||":
      return { kind: node.op === "&&" ? "and" : "or", of: operands(node.op, node).map(condition) };
    case "!_":
      return { kind: "not", of: condition(node.args) };
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return comparison(node, node.op, node.args);
    case "in":
      return membership(node.args);
    case "rcall":
      return textTest(node, node.args);
    case "call":
      if (node.args[0] === "has") return presence(node, node.args[1]);
      return failAt(node, `${node.args[0]}() is no condition here. ${known}`);
    case ".":
    case "[]": {
      // `attributes.urgent` alone means that it is true.
      const field = fieldOf(node);
      if (field.of !== "attribute") return failAt(node, "only an attribute that is true or false can stand alone. Compare it with something.");
      return { kind: "compare", field, operator: "==", value: true };
    }
    default:
      return failAt(node, `this is no condition. ${known}`);
  }
}

const known = "A filter is made of == != < <= > >= in && || ! startsWith endsWith contains has() timestamp() duration() now().";

/** `a && b && c` is one list: a chain as long as a filter may be is then no deeper than one. */
function operands(op: "&&" | "||", node: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  let left = node;
  while (left.op === op) {
    found.unshift(left.args[1]);
    left = left.args[0];
  }
  return [left, ...found];
}

const mirrored: Readonly<Record<ComparisonOperator, ComparisonOperator>> = { "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

function comparison(node: ASTNode, operator: ComparisonOperator, [left, right]: readonly [ASTNode, ASTNode]): Filter {
  const [leftIs, rightIs] = [isField(left), isField(right)];
  if (leftIs === rightIs)
    return failAt(node, leftIs ? "two fields cannot be compared with each other, only a field with a value." : "no field is compared here.");
  const field = fieldOf(leftIs ? left : right);
  const valueNode = leftIs ? right : left;
  const towards = leftIs ? operator : mirrored[operator];
  const value = valueFor(field, valueNode, constantOf(valueNode));
  const isEquality = towards === "==" || towards === "!=";
  if (!isEquality && (typeof value === "boolean" || (field.of === "text" && field.name === "state")))
    return failAt(node, `${typeof value === "boolean" ? "true and false" : "states"} have no order: only == and != can be asked.`);
  return { kind: "compare", field, operator: towards, value };
}

function membership([item, list]: readonly [ASTNode, ASTNode]): Filter {
  // `"team" in labels` is CEL for has(labels.team).
  if (list.op === "id" && (list.args === "labels" || list.args === "attributes")) {
    const name = constantOf(item);
    if (name.type !== "string") return failAt(item, `a name in ${list.args} is a string.`);
    return { kind: "has", field: { of: list.args === "labels" ? "label" : "attribute", name: name.value } };
  }
  const field = fieldOf(item);
  if (list.op !== "list") return failAt(list, 'the right side of "in" is a list of values such as ["a", "b"].');
  if (list.args.length === 0) return failAt(list, "the list is empty: nothing would be found.");
  const values = list.args.map((element) => valueFor(field, element, constantOf(element)));
  const odd = values.findIndex((value) => typeOf(value) !== typeOf(values[0]!));
  if (odd >= 0)
    return failAt(list.args[odd]!, `the values of one list are of one type; this is a ${typeOf(values[odd]!)}, the first is a ${typeOf(values[0]!)}.`);
  return { kind: "in", field, values };
}

function textTest(node: ASTNode, [name, on, given]: readonly [string, ASTNode, readonly ASTNode[]]): Filter {
  if (!(textTests as readonly string[]).includes(name)) return failAt(node, `there is no ${name}() here; there are ${textTests.join(", ")}.`);
  const field = fieldOf(on);
  const [argument] = given;
  if (given.length !== 1 || argument === undefined) return failAt(node, `${name}() takes one text.`);
  const text = constantOf(argument);
  if (text.type !== "string") return failAt(argument, `${name}() takes a string, not a ${text.type}.`);
  if (field.of === "time" || field.of === "number") return failAt(on, `${field.name} is a ${field.of}, not a string.`);
  return { kind: "text", field, test: name as TextTest, text: text.value };
}

function presence(node: ASTNode, given: readonly ASTNode[]): Filter {
  const [argument] = given;
  if (given.length !== 1 || argument === undefined) return failAt(node, "has() takes one field, such as has(labels.team).");
  return { kind: "has", field: fieldOf(argument) };
}

function isField(node: ASTNode): boolean {
  return node.op === "id" || node.op === "." || node.op === "[]";
}

/** @throws FilterInvalid if the field never has a value of this type */
function stateOf(node: ASTNode, state: string): string {
  const problem = stateProblem(state, latestStates);
  return problem === undefined ? state : failAt(node, `${problem}.`);
}

function valueFor(field: FilterField, node: ASTNode, constant: Constant): FilterValue {
  if (constant.type === "duration") return failAt(node, 'a duration is compared with nothing. Write a time, such as now() - duration("1h").');
  const value = constant.value;
  const { type } = constant;
  switch (field.of) {
    case "text":
      if (type !== "string") return failAt(node, `${field.name} is a string, and this is a ${type}.`);
      if (field.name !== "state") return value;
      return stateOf(node, constant.value);
    case "number":
      return type === "number" ? value : failAt(node, `${field.name} is a number, and this is a ${type}.`);
    case "label":
      return type === "string" ? value : failAt(node, `a label is a string, and this is a ${type}. Write "${field.name}" as an attribute to compare it so.`);
    case "time":
      return type === "time"
        ? value
        : failAt(node, `${field.name} is a time, and this is a ${type}. Write timestamp("2026-11-21T10:00:00Z") or now() - duration("1h").`);
    case "attribute":
      return value;
  }
}

/** For `groupBy`: what stands for one field. @throws FilterInvalid */
export function parseField(text: string): FilterField {
  if (text.length > limits.filterLength) throw new FilterInvalid(1, "it is too long for the name of a field.");
  try {
    return fieldOf(parser.parse(text).ast);
  } catch (error) {
    if (error instanceof ParseError) throw new FilterInvalid((error.range?.start ?? 0) + 1, `${error.summary.replace(/\.$/, "")}.`);
    throw error;
  }
}
