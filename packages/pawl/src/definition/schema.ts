import type { StandardSchemaV1 } from "@standard-schema/spec";
import { InputInvalid, OptionInvalid, type InputIssue } from "../base/errors.ts";
import type { AnyWorkflow } from "./workflow.ts";

const mostIssues = 50;

/**
 * The input as the workflow's code gets it: parsed by its schema, or as it came where there is none.
 *
 * @throws InputInvalid with the path of every issue, at most 50.
 */
export async function parseInput(workflow: AnyWorkflow, input: unknown): Promise<unknown> {
  if (workflow.input === undefined) return input;
  let result = workflow.input["~standard"].validate(input);
  if (result instanceof Promise) result = await result;
  if (result.issues === undefined) return result.value;
  throw new InputInvalid(workflow.name, issuesOf("input", result.issues));
}

/** As `parseInput`, where nobody can wait: what an asynchronous schema says is not known yet. @throws InputInvalid */
export function checkInput(workflow: AnyWorkflow, input: unknown): void {
  const result = workflow.input?.["~standard"].validate(input);
  if (result instanceof Promise) result.catch(() => {});
  else if (result?.issues !== undefined) throw new InputInvalid(workflow.name, issuesOf("input", result.issues));
}

/**
 * The payload of a message as the workflow gets it. Its schema must be synchronous: messages are applied in the order of the
 * history, with nothing in between.
 *
 * @throws OptionInvalid for an asynchronous schema
 */
export function parsePayload(schema: StandardSchemaV1, payload: unknown): { readonly value: unknown } | { readonly issues: readonly InputIssue[] } {
  const result = schema["~standard"].validate(payload);
  if (result instanceof Promise) throw new OptionInvalid("schema", "of a signal or an update must be synchronous; check in a step what needs I/O");
  return result.issues === undefined ? { value: result.value } : { issues: issuesOf("payload", result.issues) };
}

function issuesOf(root: string, issues: readonly StandardSchemaV1.Issue[]): readonly InputIssue[] {
  return issues.slice(0, mostIssues).map((issue) => ({
    path: [root, ...(issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))].join("."),
    message: issue.message,
  }));
}
