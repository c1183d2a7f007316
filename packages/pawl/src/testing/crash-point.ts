import type { NewEvent } from "../store/operations.ts";
import type { CommitBatch } from "../store/store.ts";
import type { StepInvocation } from "./instrument-workflow.ts";

/** What a commit writes, in words. @param nameOf the words that tell an execution from the one that is explored */
export function describeCommit({ starts, appends }: CommitBatch, nameOf: (runId: string) => string): string {
  const parts = starts.map(({ workflow }) => `the start of "${workflow}"`);
  for (const { runId, events, after, messages, chunks } of appends) {
    const whose = nameOf(runId);
    for (const event of events) parts.push(`${describeEvent(event)}${whose}`);
    if (after.kind === "park") parts.push(`its wait for ${after.waitingFor}${whose}`);
    if (events.length === 0 && chunks !== undefined) parts.push(`chunks of a stream${whose}`);
    if (events.length === 0 && messages.length > 0) parts.push(`a message${whose}`);
  }
  return parts.length === 0 ? "nothing" : parts.join(" and ");
}

function describeEvent({ type, data }: NewEvent): string {
  const { name, attempt, workflow, key, stream, patchId } = JSON.parse(data) as {
    readonly name?: string;
    readonly attempt?: number;
    readonly workflow?: string;
    readonly key?: string;
    readonly stream?: string;
    readonly patchId?: string;
  };
  switch (type) {
    case "StepStarted":
      return `the start of step "${name}"`;
    case "StepHeartbeat":
      return `a heartbeat of step "${name}"`;
    case "StepCompleted":
      return `the result of step "${name}"`;
    case "StepAttemptFailed":
      return `the failure of attempt ${attempt} of step "${name}"`;
    case "StepFailed":
      return `the failure of step "${name}"`;
    case "TimerStarted":
      return "the start of a sleep";
    case "TimerFired":
      return "the end of a sleep";
    case "ChildStarted":
      return `the start of child "${workflow}"`;
    case "ChildCompleted":
    case "ChildFailed":
      return "the end of a child";
    case "WaitStarted":
      return "the start of a wait";
    case "WaitTimedOut":
      return "the end of a wait in vain";
    case "SignalReceived":
      return `signal "${name}"`;
    case "UpdateReceived":
      return `update "${name}"`;
    case "UpdateCompleted":
    case "UpdateRejected":
      return "the reply to an update";
    case "ValueSet":
      return `value "${key}"`;
    case "LabelsSet":
      return "its labels";
    case "AttributesSet":
      return "its attributes";
    case "StreamWritten":
      return `a write to stream "${stream}"`;
    case "CancelRequested":
      return "the cancel request";
    case "ExecutionPaused":
      return "its pause";
    case "ExecutionForked":
      return "its fork";
    case "ExecutionUnpaused":
      return "the end of its pause";
    case "PatchMarked":
      return `the mark of patch "${patchId}"`;
    case "ExecutionContinuedAsNew":
      return "its next run";
    default:
      return type.startsWith("Execution") ? `its end (${type.slice("Execution".length).toLowerCase()})` : type;
  }
}

/** A step's attempt, in words. */
export function describeAttempt({ step }: StepInvocation, whose: string): string {
  return `step "${step.step}"${step.attempt > 1 ? ` (attempt ${step.attempt})` : ""}${whose}`;
}
