import type { StandardSchemaV1 } from "@standard-schema/spec";
import { handled } from "../base/handled.ts";
import { InputInvalid, type InputIssue } from "../base/errors.ts";
import { toFailure } from "../base/values.ts";
import type { AnyWorkflow } from "./workflow.ts";

const mostIssues = 50;

type Parsed = { readonly value: unknown } | { readonly issues: readonly InputIssue[] };

/**
 * The input as the workflow's code gets it: parsed by its schema, or as it came where there is none.
 *
 * @throws InputInvalid with the path of every issue, at most 50; also where the schema throws
 */
export async function parseInput(workflow: AnyWorkflow, input: unknown): Promise<unknown> {
  if (workflow.input === undefined) return input;
  let parsed: Parsed;
  try {
    parsed = parsedBy(await workflow.input["~standard"].validate(input), "input");
  } catch (error) {
    parsed = { issues: [thrown(error, "input")] };
  }
  if ("issues" in parsed) throw new InputInvalid(workflow.name, parsed.issues);
  return parsed.value;
}

/** As `parseInput`, where nobody can wait: what an asynchronous schema says is not known yet. @throws InputInvalid */
export function checkInput(workflow: AnyWorkflow, input: unknown): void {
  const parsed = workflow.input === undefined ? undefined : parseNow(workflow.input, input, "input");
  if (parsed !== undefined && "issues" in parsed) throw new InputInvalid(workflow.name, parsed.issues);
}

/**
 * The payload of a message as the workflow gets it. Its schema must be synchronous: messages are applied in the order of the
 * history, with nothing in between. For one that is not, or that throws, no payload is right.
 */
export function parsePayload(schema: StandardSchemaV1, payload: unknown): Parsed {
  // Some libraries validate once more, asynchronously, when a schema throws.
  const late = "the schema throws, or is asynchronous; it must be synchronous: check in a step what needs I/O";
  return parseNow(schema, payload, "payload") ?? { issues: [{ path: "payload", message: late }] };
}

/** Undefined: the schema is asynchronous. */
function parseNow(schema: StandardSchemaV1, value: unknown, root: string): Parsed | undefined {
  try {
    const result = handled(schema["~standard"].validate(value));
    return result instanceof Promise ? undefined : parsedBy(result, root);
  } catch (error) {
    return { issues: [thrown(error, root)] };
  }
}

function parsedBy(result: StandardSchemaV1.Result<unknown>, root: string): Parsed {
  return result.issues === undefined ? { value: result.value } : { issues: issuesOf(root, result.issues) };
}

function thrown(error: unknown, path: string): InputIssue {
  const { name, message } = toFailure(error);
  return { path, message: `the schema throws ${name}: ${message}` };
}

function issuesOf(root: string, issues: readonly StandardSchemaV1.Issue[]): readonly InputIssue[] {
  return issues.slice(0, mostIssues).map((issue) => ({
    path: [root, ...(issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))].join("."),
    message: issue.message,
  }));
}
