import type { ASTNode } from "@marcbachmann/cel-js";
import { limits } from "../../base/limits.ts";
import { isStorable } from "../../base/storable-text.ts";
import { numberFields, textFields, timeFields, type FilterField } from "../../store/filter.ts";
import { failAt } from "./fail-at.ts";

const fieldNames = [...textFields, ...numberFields, ...timeFields, "labels.<name>", "attributes.<name>"];

/** The field that a part of a filter names: `state` (or `status`), `labels.team`, `labels["a/b"]`. @throws FilterInvalid */
export function fieldOf(node: ASTNode): FilterField {
  if (node.op === "id") {
    // What other systems call it.
    const name = node.args === "status" ? "state" : node.args;
    const text = textFields.find((field) => field === name);
    if (text !== undefined) return { of: "text", name: text };
    const number = numberFields.find((field) => field === name);
    if (number !== undefined) return { of: "number", name: number };
    const time = timeFields.find((field) => field === name);
    if (time !== undefined) return { of: "time", name: time };
    if (name === "labels" || name === "attributes") return failAt(node, `say which one: ${name}.<name>${name === "labels" ? ' or labels["<name>"]' : ""}.`);
    return failAt(node, `there is no field "${name.slice(0, 60)}"; there are ${fieldNames.join(", ")}.`);
  }
  if (node.op !== "." && node.op !== "[]") return failAt(node, `a field must stand here: ${fieldNames.join(", ")}.`);
  const [of, which] = node.args;
  const name = typeof which === "string" ? which : which.op === "value" && typeof which.args === "string" ? which.args : undefined;
  if (of.op !== "id" || (of.args !== "labels" && of.args !== "attributes"))
    return failAt(node, "only labels and attributes have names of their own, and what they hold has none.");
  if (name === undefined) return failAt(node, `between the brackets stands a name in quotes, such as ${of.args}["team"].`);
  if (name.length > limits.searchNameLength || !isStorable(name))
    return failAt(node, `no name has more than ${limits.searchNameLength} characters, a NUL or half of a surrogate pair.`);
  return { of: of.args === "labels" ? "label" : "attribute", name };
}
