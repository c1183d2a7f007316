import type { StandardSchemaV1 } from "@standard-schema/spec";
import { InputInvalid, NondeterministicCall, type InputIssue } from "../base/errors.ts";
import { handled } from "../base/handled.ts";
import { toFailure } from "../base/values.ts";
import { runAmbient, type SchemaAmbient } from "./ambient.ts";
import type { AnyWorkflow } from "./workflow.ts";

const mostIssues = 50;

type Parsed = { readonly value: unknown } | { readonly issues: readonly InputIssue[] };

type Validate = (schema: StandardSchemaV1, value: unknown) => StandardSchemaV1.Result<unknown> | Promise<StandardSchemaV1.Result<unknown>>;

/**
 * Whether an input fits, before anything is started.
 *
 * @param consequence what a refusal means, where it is not that nothing was started
 * @throws InputInvalid with the path of every issue, at most 50; also where the schema throws
 */
export async function checkStartInput(workflow: AnyWorkflow, input: unknown, consequence?: string): Promise<void> {
  await parseBy(validate, workflow, input, consequence);
}

/**
 * The input as the workflow's code gets it: parsed by its schema, or as it came where there is none.
 *
 * @param consequence what a refusal means
 * @throws InputInvalid; NondeterministicCall where the schema does what workflow code must not
 */
export function parseInput(workflow: AnyWorkflow, input: unknown, consequence: string): Promise<unknown> {
  return parseBy(validateAgain, workflow, input, consequence);
}

async function parseBy(how: Validate, workflow: AnyWorkflow, input: unknown, consequence: string | undefined): Promise<unknown> {
  if (workflow.input === undefined) return input;
  let parsed: Parsed;
  try {
    parsed = parsedBy(await how(workflow.input, input), "input");
  } catch (error) {
    parsed = { issues: [issueOf(error, "input")] };
  }
  if ("issues" in parsed) throw new InputInvalid(workflow.name, parsed.issues, consequence);
  return parsed.value;
}

/** As `parseInput`, where nobody can wait: what an asynchronous schema says is not known yet. @throws InputInvalid, NondeterministicCall */
export function checkInput(workflow: AnyWorkflow, input: unknown, consequence: string): void {
  const parsed = workflow.input === undefined ? undefined : parseNow(validateAgain, workflow.input, input, "input");
  if (parsed !== undefined && "issues" in parsed) throw new InputInvalid(workflow.name, parsed.issues, consequence);
}

/**
 * The payload of a message as the workflow gets it. Its schema must be synchronous: messages are applied in the order of the
 * history, with nothing in between. For one that is not, that throws, or that does what workflow code must not, no payload is right.
 */
export function parsePayload(schema: StandardSchemaV1, payload: unknown): Parsed {
  try {
    return parseNow(validateAgain, schema, payload, "payload") ?? late;
  } catch (error) {
    return { issues: [{ path: "payload", message: (error as NondeterministicCall).message }] };
  }
}

/** What is wrong with the payload of a message that is to be sent; undefined: nothing. */
export function payloadIssues(schema: StandardSchemaV1, payload: unknown): readonly InputIssue[] | undefined {
  const parsed = parseNow(validate, schema, payload, "payload") ?? late;
  return "issues" in parsed ? parsed.issues : undefined;
}

/** Some libraries validate once more, asynchronously, when a schema throws. */
const late: Parsed = {
  issues: [{ path: "payload", message: "the schema throws, or is asynchronous; it must be synchronous: check in a step what needs I/O" }],
};

const validate: Validate = (schema, value) => schema["~standard"].validate(value);

/** As workers call a schema: anew on each replay, so it must be as deterministic as the code. @throws NondeterministicCall */
const validateAgain: Validate = (schema, value) => {
  const ambient: SchemaAmbient = { kind: "schema" };
  const heed = <Result>(result: Result): Result => {
    if (ambient.refused !== undefined) throw ambient.refused;
    return result;
  };
  const result = runAmbient(ambient, () => validate(schema, value));
  return result instanceof Promise ? result.then(heed) : heed(result);
};

/** Undefined: the schema is asynchronous. */
function parseNow(how: Validate, schema: StandardSchemaV1, value: unknown, root: string): Parsed | undefined {
  try {
    const result = handled(how(schema, value));
    return result instanceof Promise ? undefined : parsedBy(result, root);
  } catch (error) {
    return { issues: [issueOf(error, root)] };
  }
}

function parsedBy(result: StandardSchemaV1.Result<unknown>, root: string): Parsed {
  return result.issues === undefined ? { value: result.value } : { issues: issuesOf(root, result.issues) };
}

/** @throws what is a mistake of the schema, and says nothing about the value */
function issueOf(error: unknown, path: string): InputIssue {
  if (error instanceof NondeterministicCall) throw error;
  const { name, message } = toFailure(error);
  return { path, message: `the schema throws ${name}: ${message}` };
}

function issuesOf(root: string, issues: readonly StandardSchemaV1.Issue[]): readonly InputIssue[] {
  return issues.slice(0, mostIssues).map((issue) => ({
    path: [root, ...(issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))].join("."),
    message: issue.message,
  }));
}
