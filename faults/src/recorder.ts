/** A client that writes down every operation before it is sent and after it was answered. */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  ExecutionCancelled,
  ExecutionFailed,
  ExecutionQuarantined,
  ExecutionTerminated,
  PawlError,
  type AnyWorkflow,
  type ExecutionHandle,
  type Pawl,
  type StartOptions,
} from "pawl";
import type { OperationRecord } from "pawl/internal";
import { honestNow } from "./honest-clock.ts";
import type { JsonLines } from "./json-lines.ts";
import type { Input } from "./workflows.ts";

type Operation = OperationRecord["operation"];
type OperationFields = Omit<Partial<OperationRecord>, "process" | "n" | "at" | "phase" | "operation">;

/** Nothing is heard any more after so long: the outcome is unknown. */
const giveUpMs = 90_000;
/** Answers that nothing was done. Any other error leaves open whether something was. */
const definite = new Set(["EXECUTION_STATE_INVALID", "EXECUTION_CONFLICT", "EXECUTION_NOT_FOUND", "WORKFLOW_UNKNOWN"]);

export function hashOf(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "undefined")
    .digest("hex")
    .slice(0, 16);
}

/** One answer, or the definite refusal of one; undefined when it stays unknown. */
export type Answer<Value> = { readonly value: Value; readonly fields: OperationFields } | { readonly refused: string } | undefined;

/** How many were made in this process: each counts its operations from one. */
let made = 0;

export class Recorder {
  readonly pawl: Pawl;
  readonly #process: string;
  readonly #log: JsonLines;
  #n = 0;

  constructor(process: string, pawl: Pawl, log: JsonLines) {
    this.#process = `${process}.${++made}`;
    this.pawl = pawl;
    this.#log = log;
  }

  start(workflow: AnyWorkflow, input: Input, options: StartOptions): Promise<Answer<ExecutionHandle>> {
    const asked = {
      ...(options.executionId === undefined ? {} : { executionId: options.executionId }),
      ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
      workflow: workflow.name,
      inputHash: hashOf(input),
    };
    return this.#record("start", asked, async () => {
      const handle = await this.pawl.start(workflow, input, options);
      return { value: handle, fields: { ...asked, executionId: handle.executionId, ...(handle.runId === undefined ? {} : { runId: handle.runId }) } };
    });
  }

  signal(executionId: string, name: string, payload: unknown, signalId: string): Promise<Answer<void>> {
    const asked = { executionId, messageId: signalId };
    return this.#record("signal", asked, async () => {
      await this.pawl.handle(executionId).signal(name, payload, { signalId });
      return { value: undefined, fields: asked };
    });
  }

  update(executionId: string, name: string, input: unknown, updateId: string): Promise<Answer<unknown>> {
    const asked = { executionId, messageId: updateId };
    return this.#record("update", asked, async () => {
      const value = await this.pawl.handle(executionId).update(name, input, { updateId, timeout: giveUpMs });
      return { value, fields: { ...asked, valueHash: hashOf(value) } };
    });
  }

  cancel(executionId: string): Promise<Answer<string>> {
    return this.#record("cancel", { executionId }, async () => {
      const state = await this.pawl.handle(executionId).cancel({ reason: "load" });
      return { value: state, fields: { executionId, state } };
    });
  }

  terminate(executionId: string): Promise<Answer<void>> {
    return this.#record("terminate", { executionId }, async () => {
      await this.pawl.handle(executionId).terminate({ reason: "load" });
      return { value: undefined, fields: { executionId, state: "terminated" } };
    });
  }

  resume(executionId: string): Promise<Answer<string>> {
    return this.#record("resume", { executionId }, async () => {
      const { runId } = await this.pawl.handle(executionId).resume();
      return { value: runId ?? "", fields: { executionId, ...(runId === undefined ? {} : { runId }) } };
    });
  }

  /** Of any end, not only a good one. */
  result(executionId: string, timeoutMs = giveUpMs): Promise<Answer<{ readonly state: string; readonly value: unknown }>> {
    return this.#record("result", { executionId }, async () => {
      try {
        const value = await this.pawl.handle(executionId).result({ timeout: timeoutMs });
        return { value: { state: "completed", value }, fields: { executionId, state: "completed", valueHash: hashOf(value) } };
      } catch (error) {
        const state = stateOf(error);
        if (state === undefined) throw error;
        return { value: { state, value: undefined }, fields: { executionId, state } };
      }
    });
  }

  status(executionId: string): Promise<Answer<string>> {
    return this.#record("status", { executionId }, async () => {
      const { runId, state, events } = await this.pawl.handle(executionId).status();
      return { value: state, fields: { executionId, runId, state, events } };
    });
  }

  history(executionId: string): Promise<Answer<number>> {
    return this.#record("history", { executionId }, async () => {
      const { length } = await this.pawl.handle(executionId).history();
      return { value: length, fields: { executionId, events: length } };
    });
  }

  list(): Promise<Answer<number>> {
    return this.#record("list", {}, async () => {
      const { executions } = await this.pawl.list({ limit: 20 });
      return { value: executions.length, fields: { events: executions.length } };
    });
  }

  async #record<Value>(
    operation: Operation,
    asked: OperationFields,
    ask: () => Promise<{ readonly value: Value; readonly fields: OperationFields }>,
  ): Promise<Answer<Value>> {
    const n = ++this.#n;
    const note = (phase: OperationRecord["phase"], fields: OperationFields): void => {
      this.#log.write({ process: this.#process, n, at: honestNow(), phase, operation, ...fields } satisfies OperationRecord);
    };
    note("invoke", asked);
    const stopped = new AbortController();
    try {
      const answer = await Promise.race([ask(), silence(stopped.signal)]);
      note("ok", answer.fields);
      return answer;
    } catch (error) {
      const code = error instanceof PawlError ? error.code : error instanceof Error ? error.message : String(error);
      // An execution may have received an update and end before it answers.
      const isRefused = definite.has(code) && !(operation === "update" && code === "EXECUTION_STATE_INVALID");
      note(isRefused ? "fail" : "unknown", { ...asked, error: code });
      return isRefused ? { refused: code } : undefined;
    } finally {
      stopped.abort();
    }
  }
}

async function silence(signal: AbortSignal): Promise<never> {
  await delay(giveUpMs + 1000, undefined, { signal }).catch(() => {});
  throw new Error("no answer");
}

function stateOf(error: unknown): string | undefined {
  if (error instanceof ExecutionFailed) return "failed";
  if (error instanceof ExecutionCancelled) return "cancelled";
  if (error instanceof ExecutionTerminated) return "terminated";
  if (error instanceof ExecutionQuarantined) return "quarantined";
  return undefined;
}
