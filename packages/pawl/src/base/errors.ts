/**
 * Every error Pawl throws on purpose. Each class has a stable `code` (for programs) and a message that says what was
 * wrong, where, and what to do next (for people). A failure stored in a history is data (`failure.ts`), not one of these.
 */
export abstract class PawlError extends Error {
  /** Stable identifier, e.g. `EXECUTION_NOT_FOUND`. Never reused for another meaning. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A name, id, option or duration is not of the form its parameter takes. `path` names the parameter. */
export class OptionInvalid extends PawlError {
  readonly code = "OPTION_INVALID";
  readonly path: string;
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.path = path;
  }
}

/** A filter cannot be understood. `position` is where, counted in characters from 1. */
export class FilterInvalid extends PawlError {
  readonly code = "FILTER_INVALID";
  readonly position: number;
  constructor(position: number, reason: string) {
    super(`filter: at position ${position}: ${reason}`);
    this.position = position;
  }
}

/** A document that should be an exported execution is none. `path` says where in it. Nothing was imported. */
export class DocumentInvalid extends PawlError {
  readonly code = "DOCUMENT_INVALID";
  readonly path: string;
  constructor(path: string, reason: string) {
    super(`document: ${path}: ${reason} Nothing was imported.`);
    this.path = path;
  }
}

/** An execution is too large for a document: what was exported could not be imported again. */
export class DocumentTooLarge extends PawlError {
  readonly code = "DOCUMENT_TOO_LARGE";
  readonly executionId: string;
  constructor(executionId: string, most: string) {
    super(
      `Execution "${executionId}" cannot be exported: a document holds at most ${most}, and it has more. ` +
        `Read its runs one by one: \`pawl runs ${executionId}\`, \`pawl history ${executionId} --run <n> --json\`.`,
    );
    this.executionId = executionId;
  }
}

/** One place where an input does not fit its schema. */
export interface InputIssue {
  readonly path: string;
  readonly message: string;
}

/** An input does not fit the workflow's schema; `issues` lists every path (at most 50). */
export class InputInvalid extends PawlError {
  readonly code = "INPUT_INVALID";
  readonly issues: readonly InputIssue[];
  /** @param consequence what that means where it was found, and what to do */
  constructor(workflow: string, issues: readonly InputIssue[], consequence = "Nothing was started. Correct the input and start again.") {
    super(
      `The input of workflow "${workflow}" does not fit its schema:\n` +
        issues.map((issue) => `  ${issue.path}: ${issue.message}`).join("\n") +
        `\n${consequence}`,
    );
    this.issues = issues;
  }
}

/** A value holds something that cannot be stored (function, symbol, class instance, promise, ...). `path` says where. */
export class ValueNotSerializable extends PawlError {
  readonly code = "VALUE_NOT_SERIALIZABLE";
  readonly path: string;
  constructor(path: string, kind: string) {
    super(
      `${path} is ${kind}, which cannot be stored. Pawl stores JSON values plus undefined, Date, BigInt, Uint8Array, Map, Set and Error; ` +
        `convert it to one of these before you pass or return it.`,
    );
    this.path = path;
  }
}

/** A value is larger than the limit, in bytes of its stored form. */
export class ValueTooLarge extends PawlError {
  readonly code = "VALUE_TOO_LARGE";
  readonly path: string;
  readonly bytes: number;
  readonly limit: number;
  constructor(path: string, bytes: number, limit: number) {
    super(
      `${path} takes ${bytes} bytes when stored; the limit is ${limit}. Store the data elsewhere (a file, a table, an object store) and pass a reference to it.`,
    );
    this.path = path;
    this.bytes = bytes;
    this.limit = limit;
  }
}

/** A value is nested deeper than the limit. Checked before the database sees it. */
export class ValueTooDeep extends PawlError {
  readonly code = "VALUE_TOO_DEEP";
  readonly path: string;
  readonly limit: number;
  constructor(path: string, limit: number) {
    super(`${path} is nested more than ${limit} levels deep. Flatten it, or store it as one string.`);
    this.path = path;
    this.limit = limit;
  }
}

/** No worker or client here knows a workflow of this name and version. */
export class WorkflowUnknown extends PawlError {
  readonly code = "WORKFLOW_UNKNOWN";
  constructor(name: string, known: readonly string[]) {
    super(
      `There is no workflow "${name}" here. ` +
        (known.length > 0 ? `Known: ${known.join(", ")}.` : "No workflow is registered.") +
        ` Check the spelling, or pass the definition to pawl.worker({ workflows: [...] }).`,
    );
  }
}

/** Two different definitions were given the same name and version. */
export class WorkflowDuplicate extends PawlError {
  readonly code = "WORKFLOW_DUPLICATE";
  constructor(name: string, version: string) {
    super(`Two different workflows are named "${name}" with version "${version}". Rename one of them or give it another version.`);
  }
}

/** There is no execution with this id in this namespace. */
export class ExecutionNotFound extends PawlError {
  readonly code = "EXECUTION_NOT_FOUND";
  readonly executionId: string;
  constructor(executionId: string) {
    super(`There is no execution "${executionId}". Check the id, the namespace and the database; \`pawl list\` shows what is there.`);
    this.executionId = executionId;
  }
}

/** The id or idempotency key is taken by an execution of another workflow or with another input. */
export class ExecutionConflict extends PawlError {
  readonly code = "EXECUTION_CONFLICT";
  readonly executionId: string;
  constructor(executionId: string, reason: string) {
    super(`Execution "${executionId}" already exists and ${reason}. Choose another id, or use pawl.handle("${executionId}") to reach the existing one.`);
    this.executionId = executionId;
  }
}

/** The operation does not apply to the state the execution is in, e.g. `resume` of a running one. */
export class ExecutionStateInvalid extends PawlError {
  readonly code = "EXECUTION_STATE_INVALID";
  readonly executionId: string;
  readonly state: string;
  constructor(executionId: string, state: string, operation: string, nextStep: string) {
    super(`Execution "${executionId}" is ${state}, so it cannot be ${operation}. ${nextStep}`);
    this.executionId = executionId;
    this.state = state;
  }
}

/** There is no schedule with this id in this namespace. */
export class ScheduleNotFound extends PawlError {
  readonly code = "SCHEDULE_NOT_FOUND";
  readonly scheduleId: string;
  constructor(scheduleId: string) {
    super(`There is no schedule "${scheduleId}". Check the id, the namespace and the database; \`pawl schedule list\` shows what is there.`);
    this.scheduleId = scheduleId;
  }
}

/** The id is taken by another schedule. */
export class ScheduleConflict extends PawlError {
  readonly code = "SCHEDULE_CONFLICT";
  readonly scheduleId: string;
  constructor(scheduleId: string) {
    super(
      `Schedule "${scheduleId}" already exists. Choose another id, change it with pawl.schedules.get("${scheduleId}").update(...), ` +
        `or create it with ifExists: "update" or "keep".`,
    );
    this.scheduleId = scheduleId;
  }
}

/** The execution ended `failed`; `cause` is the error its code threw. */
export class ExecutionFailed extends PawlError {
  readonly code = "EXECUTION_FAILED";
  readonly executionId: string;
  constructor(executionId: string, workflow: string, cause: Error) {
    super(`Execution "${executionId}" of workflow "${workflow}" failed: ${cause.message}`, { cause });
    this.executionId = executionId;
  }
}

/**
 * Cancellation. Thrown by the next durable call inside a cancelled execution (catch it to clean up, then throw it on),
 * and by `result()` of an execution that ended `cancelled`.
 */
export class ExecutionCancelled extends PawlError {
  readonly code = "EXECUTION_CANCELLED";
  readonly executionId: string;
  constructor(executionId: string, reason?: string) {
    super(`Execution "${executionId}" was cancelled${reason ? `: ${reason}` : ""}.`);
    this.executionId = executionId;
  }
}

/** The execution ended `terminated`: it was stopped at once and no code ran. */
export class ExecutionTerminated extends PawlError {
  readonly code = "EXECUTION_TERMINATED";
  readonly executionId: string;
  constructor(executionId: string, reason?: string) {
    super(`Execution "${executionId}" was terminated${reason ? `: ${reason}` : ""}.`);
    this.executionId = executionId;
  }
}

/** The execution ended `timed_out`: it took longer than its `timeout`, or than its parent's. */
export class ExecutionTimedOut extends PawlError {
  readonly code = "EXECUTION_TIMED_OUT";
  readonly executionId: string;
  constructor(executionId: string, timeoutMs?: number) {
    super(
      `Execution "${executionId}" did not end within ${timeoutMs === undefined ? "its time" : `${timeoutMs} ms`}. ` +
        `Retry it, which gives it its time again and keeps what it has done, or allow more time where it is started or defined, and start it anew.`,
    );
    this.executionId = executionId;
  }
}

/** The execution is held for a person, after repeated worker deaths or because its code no longer fits its history. */
export class ExecutionQuarantined extends PawlError {
  readonly code = "EXECUTION_QUARANTINED";
  readonly executionId: string;
  constructor(executionId: string, cause: Error) {
    super(`Execution "${executionId}" is quarantined: ${cause.message} Fix the cause, then run \`pawl resume ${executionId}\`.`, { cause });
    this.executionId = executionId;
  }
}

/** The history of a run has grown to its limit, so its execution failed. `events` and `characters` are what it has. */
export class HistoryTooLong extends PawlError {
  readonly code = "HISTORY_TOO_LONG";
  readonly events: number;
  readonly characters: number;
  constructor(
    executionId: string,
    size: { readonly events: number; readonly characters: number },
    limit: { readonly events: number; readonly characters: number },
  ) {
    super(
      `The history of execution "${executionId}" has ${size.events} events with ${size.characters} characters; the limit is ${limit.events} events and ` +
        `${limit.characters} characters. Let its workflow continue as new (ctx.continueAsNew) before, when ctx.continueAsNewSuggested says so, or give parts of the work to children.`,
    );
    this.events = size.events;
    this.characters = size.characters;
  }
}

/**
 * Thrown by `ctx.continueAsNew` to leave the workflow's code, whose run is over by then. Catching it changes nothing; it is
 * never the outcome of an execution.
 */
export class ContinuedAsNew extends PawlError {
  readonly code = "CONTINUED_AS_NEW";
  readonly executionId: string;
  constructor(executionId: string) {
    super(`This run of execution "${executionId}" is over: it continues as new. Let this error pass; nothing the code still does is recorded.`);
    this.executionId = executionId;
  }
}

/** `result({ timeout })` ran out before the execution ended. The execution goes on. */
export class ResultTimeout extends PawlError {
  readonly code = "RESULT_TIMEOUT";
  readonly executionId: string;
  constructor(executionId: string, timeoutMs: number) {
    super(`Execution "${executionId}" did not end within ${timeoutMs} ms. It goes on; ask again, or wait without a timeout.`);
    this.executionId = executionId;
  }
}

/** What of a step took too long. */
export type StepTime = "timeout" | "heartbeatTimeout" | "totalTimeout";

/**
 * One attempt of a step took longer than its `timeout`, or was not heard of within its `heartbeatTimeout`, and is retried like any failure; or
 * all of them together took longer than `totalTimeout`, and that is final: `cause` is what the last one failed with.
 */
export class StepTimeout extends PawlError {
  readonly code = "STEP_TIMEOUT";
  readonly step: string;
  constructor(step: string, timeoutMs: number, time: StepTime, options?: { readonly cause?: unknown }) {
    super(`Step "${step}" ${tooLong(timeoutMs, time)}`, options);
    this.step = step;
  }
}

function tooLong(timeoutMs: number, time: StepTime): string {
  switch (time) {
    case "timeout":
      return `did not finish within ${timeoutMs} ms. Raise its timeout, or make it stop when its AbortSignal fires.`;
    case "heartbeatTimeout":
      return `called no heartbeat for ${timeoutMs} ms. Call it more often, raise its heartbeatTimeout, or make it stop when its AbortSignal fires.`;
    case "totalTimeout":
      return `did not finish within ${timeoutMs} ms, all its attempts together. Raise its totalTimeout, or catch this error to go on without it.`;
  }
}

/** No worker began a step on another queue within its `scheduleToStart`. */
export class StepNotStarted extends PawlError {
  readonly code = "STEP_NOT_STARTED";
  readonly step: string;
  constructor(step: string, taskQueue: string, scheduleToStartMs: number) {
    super(
      `No worker began step "${step}" on queue "${taskQueue}" within ${scheduleToStartMs} ms. Start a worker with { steps: [...], taskQueues: ["${taskQueue}"] }, ` +
        `raise its scheduleToStart, or catch this error to go on without it.`,
    );
    this.step = step;
  }
}

/** What workflow code waited for did not come in time. */
export class WaitTimeout extends PawlError {
  readonly code = "WAIT_TIMEOUT";
  constructor(what: string, timeoutMs: number) {
    super(`${what} did not come within ${timeoutMs} ms. Catch this error to go on without it, or allow more time.`);
  }
}

/** The workflow has closed this stream; nothing follows. A step that writes to it is not tried again. */
export class StreamClosed extends PawlError {
  readonly code = "STREAM_CLOSED";
  readonly nonRetryable = true;
  readonly executionId: string;
  readonly stream: string;
  constructor(executionId: string, stream: string) {
    super(`Stream "${stream}" of execution "${executionId}" is closed. Write before the workflow closes it, or to a stream of another name.`);
    this.executionId = executionId;
    this.stream = stream;
  }
}

/** A stream has as many chunks as it may have. A step that writes to it is not tried again. */
export class StreamFull extends PawlError {
  readonly code = "STREAM_FULL";
  readonly nonRetryable = true;
  readonly executionId: string;
  readonly stream: string;
  constructor(executionId: string, stream: string, limit: number) {
    super(`Stream "${stream}" of execution "${executionId}" has ${limit} chunks, the most it may have. Write larger chunks, or use several streams.`);
    this.executionId = executionId;
    this.stream = stream;
  }
}

/** A step on another queue is an execution of its own, and cannot write to a stream of the one that called it. It is not tried again. */
export class StreamOutOfReach extends PawlError {
  readonly code = "STREAM_OUT_OF_REACH";
  readonly nonRetryable = true;
  readonly stream: string;
  constructor(stream: string, step: string) {
    super(
      `Step "${step}" has a taskQueue, so it is an execution of its own and cannot write to stream "${stream}" of the execution that called it. ` +
        `Make it a workflow and start it with ctx.child(workflow, input, { taskQueue }): its steps can write to streams, which pawl.handle(<id of the child>).stream("${stream}") reads. ` +
        `Or run the step in place, without a taskQueue.`,
    );
    this.stream = stream;
  }
}

/** A signal or the input of an update does not fit its schema; `issues` lists every path (at most 50). */
export class PayloadInvalid extends PawlError {
  readonly code = "PAYLOAD_INVALID";
  readonly issues: readonly InputIssue[];
  constructor(what: string, issues: readonly InputIssue[]) {
    super(
      `The payload of ${what} does not fit its schema:\n` +
        issues.map((issue) => `  ${issue.path}: ${issue.message}`).join("\n") +
        `\nNothing was changed. Correct it and send it again.`,
    );
    this.issues = issues;
  }
}

/** The workflow has no signal, query or update of this name. */
export class MessageUnknown extends PawlError {
  readonly code = "MESSAGE_UNKNOWN";
  constructor(workflow: string, kind: "signal" | "query" | "update", name: string, known: readonly string[]) {
    super(`Workflow "${workflow}" has no ${kind} "${name}". ${known.length > 0 ? `It has: ${known.join(", ")}.` : `It has none.`} Check the spelling.`);
  }
}

/** A query is answered by the workflow's code, and this process does not have it. */
export class QueryNeedsCode extends PawlError {
  readonly code = "QUERY_NEEDS_CODE";
  readonly executionId: string;
  constructor(executionId: string, query: string, workflow: string, version: string) {
    super(
      `Query "${query}" to execution "${executionId}" needs the code of workflow "${workflow}" in version "${version}", which this process does not have. ` +
        `Ask with pawl.handle(id, workflow), or from a process with a worker for it; or let the workflow publish what others read with ctx.set, and read it with handle.value.`,
    );
    this.executionId = executionId;
  }
}

/** An update was rejected by the workflow; `cause` is what its function threw, or a `PayloadInvalid`. */
export class UpdateRejected extends PawlError {
  readonly code = "UPDATE_REJECTED";
  constructor(executionId: string, name: string, cause: Error) {
    super(`Execution "${executionId}" rejected the update "${name}": ${cause.message}`, { cause });
  }
}

/** Workflow code no longer makes the durable calls that its history records. The execution is quarantined, not failed. */
export class NondeterminismDetected extends PawlError {
  readonly code = "NONDETERMINISM_DETECTED";
  /** What the history has at this position, e.g. `step "charge"`. */
  readonly recorded: string;
  /** What the code did there, e.g. `sleep`, or `nothing`. */
  readonly called: string;
  readonly position: number;
  constructor(position: number, recorded: string, called: string) {
    super(
      `Workflow code does not fit its history at durable call ${position}: the history has ${recorded}, the code made ${called}. ` +
        `Restore the order of durable calls (or give the changed workflow a new version), then resume the execution.` +
        (called === "nothing"
          ? " If the code has not changed, it waits before that for something that is no durable call, such as an import, crypto.subtle or I/O: do that in a step."
          : ""),
    );
    this.position = position;
    this.recorded = recorded;
    this.called = called;
  }
}

/** A recorded history that was handed over is not one, or not whole. `path` names what is wrong. */
export class HistoryInvalid extends PawlError {
  readonly code = "HISTORY_INVALID";
  readonly path: string;
  readonly #reason: string;
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}. Record it with \`pawl history <id> --json\` or with recordHistory().`);
    this.path = path;
    this.#reason = reason;
  }

  /** The same, of a history that is a part of something. */
  within(part: string): HistoryInvalid {
    return new HistoryInvalid(`${part}.${this.path}`, this.#reason);
  }
}

/** Workflow code outside a step, or a schema, used a clock, randomness, a timer or the network, which cannot be replayed. */
export class NondeterministicCall extends PawlError {
  readonly code = "NONDETERMINISTIC_CALL";
  constructor(call: string, replacement: string, caller: "code" | "schema") {
    super(
      caller === "code"
        ? `Workflow code called ${call}, which gives another answer on replay. Use ${replacement} instead, or move the call into a step.`
        : `A schema called ${call}, which gives another answer on replay. Give the value with what is started or sent, or use ${replacement} in workflow code.`,
    );
  }
}

/** Something that only makes sense inside a running workflow was called outside one. */
export class NotInWorkflow extends PawlError {
  readonly code = "NOT_IN_WORKFLOW";
  constructor(call: string, nextStep: string) {
    super(`${call} was called outside a running workflow. ${nextStep}`);
  }
}

/**
 * A durable call was made from inside a step, or another call that counts on replay, where the step does not run. Only workflow code makes
 * them. The step is not tried again.
 */
export class DurableCallInStep extends PawlError {
  readonly code = "DURABLE_CALL_IN_STEP";
  readonly nonRetryable = true;
  constructor(call: string, step: string) {
    super(
      `${call} was called inside step "${step}", which does not run on replay. It belongs in workflow code: call it before the step or after it; ` +
        `inside, call plain functions.`,
    );
  }
}

/** A retry policy was not met: the failure is final whatever attempts remain. Throw it from a step to stop retrying. */
export class NonRetryable extends PawlError {
  readonly code = "NON_RETRYABLE";
}

/**
 * The function of a transactional step began, committed or rolled back by itself. Pawl does that, together with the step's result; the step
 * fails at once.
 */
export class TransactionControlInvalid extends PawlError {
  readonly code = "TRANSACTION_CONTROL_INVALID";
  readonly nonRetryable = true;
  constructor(what: string) {
    super(
      `The function of a transactional step ${what}: Pawl begins and ends its transaction, together with the step's result. Return to commit, throw to roll back, ` +
        `use SAVEPOINT and ROLLBACK TO for a part, and do not call the transaction function of Drizzle, Kysely or the like on its client.`,
    );
  }
}

/** The database cannot be reached. Tried with back-off until the time allowed for it ran out. */
export class DatabaseUnreachable extends PawlError {
  readonly code = "DATABASE_UNREACHABLE";
  constructor(where: string, waitedMs: number, cause: unknown) {
    super(
      `No database at ${where} after ${Math.round(waitedMs / 1000)} s: ${cause instanceof Error ? cause.message || cause.name : String(cause)}. ` +
        `Check that PostgreSQL runs there and that DATABASE_URL is right, or unset DATABASE_URL to use the embedded one.`,
      { cause },
    );
  }
}

/** The server is older or newer than the versions Pawl runs on. */
export class DatabaseVersionUnsupported extends PawlError {
  readonly code = "DATABASE_VERSION_UNSUPPORTED";
  constructor(found: string, supported: string) {
    super(`The database is PostgreSQL ${found}; Pawl needs ${supported}. Upgrade the server, or point DATABASE_URL at another one.`);
  }
}

/** The schema in the database was made by a newer Pawl than this one. */
export class SchemaTooNew extends PawlError {
  readonly code = "SCHEMA_TOO_NEW";
  constructor(found: number, known: number) {
    super(`The database schema is at migration ${found}, this Pawl knows up to ${known}. Upgrade Pawl here; never run an older one against it.`);
  }
}

/** The schema has not been created or not been brought up to date, and migrating was switched off. */
export class SchemaOutdated extends PawlError {
  readonly code = "SCHEMA_OUTDATED";
  constructor(found: number, needed: number) {
    super(`The database schema is at migration ${found}, this Pawl needs ${needed}. Run \`pawl migrate\`.`);
  }
}

/** PostgreSQL ran out of disk space. Nothing acknowledged is lost; work goes on when there is room again. */
export class DatabaseDiskFull extends PawlError {
  readonly code = "DATABASE_DISK_FULL";
  constructor(cause: unknown) {
    super(`The database has no disk space left. Nothing acknowledged is lost. Free some space; Pawl goes on by itself.`, { cause });
  }
}

/** The embedded PostgreSQL could not be started. */
export class EmbeddedStartFailed extends PawlError {
  readonly code = "EMBEDDED_START_FAILED";
  constructor(reason: string, nextStep: string, options?: ErrorOptions) {
    super(`The embedded PostgreSQL did not start: ${reason}. ${nextStep}`, options);
  }
}

/** The data directory belongs to another major version of PostgreSQL or of Pawl's layout. */
export class EmbeddedVersionMismatch extends PawlError {
  readonly code = "EMBEDDED_VERSION_MISMATCH";
  constructor(directory: string, found: string, needed: string) {
    super(
      `${directory} was made by PostgreSQL ${found}; this Pawl brings ${needed}. Dump it with the version that made it and restore it here, or choose another directory.`,
    );
  }
}

/** This worker's lease ended (it hung, slept or lost the database) and others took its executions over. */
export class LeaseLost extends PawlError {
  readonly code = "LEASE_LOST";
  constructor(workerId: string) {
    super(`Worker ${workerId} lost its lease; its executions go on elsewhere and nothing it still does for them is recorded.`);
  }
}

/** The instance was closed and takes no more work. */
export class Closed extends PawlError {
  readonly code = "CLOSED";
  constructor(what: string) {
    super(`${what} is closed. Open a new one.`);
  }
}
