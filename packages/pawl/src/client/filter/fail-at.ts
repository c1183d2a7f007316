import type { ASTNode } from "@marcbachmann/cel-js";
import { FilterInvalid } from "../../base/errors.ts";

/** @throws FilterInvalid at the beginning of this part of the filter */
export function failAt(node: ASTNode, reason: string): never {
  throw new FilterInvalid(node.start + 1, reason);
}
