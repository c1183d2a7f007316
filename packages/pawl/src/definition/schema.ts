import { InputInvalid, type InputIssue } from "../base/errors.ts";
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
  const issues = result.issues.slice(0, mostIssues).map((issue): InputIssue => ({
    path: ["input", ...(issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))].join("."),
    message: issue.message,
  }));
  throw new InputInvalid(workflow.name, issues);
}
