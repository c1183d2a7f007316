import { isRaceOver } from "../definition/ambient.ts";
import type { Call, ChildCall, StepCall, WaitCall } from "../kernel/call.ts";

/** Questions about the durable calls that an execution has open. */
export type OpenCalls = ReadonlyMap<number, Call>;

/** When the earliest timer or retry later than `after` is due (database time, milliseconds); undefined if none is set. */
export function nextWake(open: OpenCalls, after = Number.NEGATIVE_INFINITY): number | undefined {
  let earliest: number | undefined;
  for (const call of open.values()) {
    const due = dueAt(call);
    if (due !== undefined && due > after && (earliest === undefined || due < earliest)) earliest = due;
  }
  return earliest;
}

function dueAt(call: Call): number | undefined {
  switch (call.kind) {
    case "timer":
    case "wait":
      return call.fireAt;
    case "step":
      return call.retryAt;
    case "child":
      return call.startBy;
    default:
      return undefined;
  }
}

/** Whether a message from outside may let it go on at any moment. */
export function waitsForMessage(open: OpenCalls): boolean {
  for (const call of open.values()) if (call.kind === "child" || call.kind === "wait") return true;
  return false;
}

/** What it waits for, in words for people. */
export function describeWait(open: OpenCalls): string {
  const calls = [...open.values()];
  const timers = calls.filter((call) => call.kind === "timer").length;
  const retries = calls.filter((call): call is StepCall => call.kind === "step");
  const remote = calls.flatMap((call) => (call.kind === "child" && call.remote !== undefined ? [call.remote] : []));
  const children = calls.filter((call): call is ChildCall => call.kind === "child" && call.remote === undefined);
  const parts: string[] = [];
  if (timers > 0) parts.push(timers === 1 ? "a timer" : `${timers} timers`);
  if (retries.length > 0) {
    const names = retries.slice(0, 3).map(({ name }) => `"${name}"`);
    parts.push(`the next attempt of ${names.join(", ")}${retries.length > 3 ? ` and ${retries.length - 3} more` : ""}`);
  }
  for (const { name, taskQueue } of remote.slice(0, 3)) parts.push(`step "${name}" on queue ${taskQueue}`);
  if (remote.length > 3) parts.push(`${remote.length - 3} more steps elsewhere`);
  if (children.length > 0) parts.push(children.length === 1 ? `child ${children[0]!.executionId}` : `${children.length} children`);
  // Nobody waits any more for what lost a race.
  const waits = calls.filter((call): call is WaitCall => call.kind === "wait" && !isRaceOver(call.race));
  for (const { signal } of waits.slice(0, 3)) parts.push(signal === undefined ? "its state to change" : `signal "${signal}"`);
  if (waits.length > 3) parts.push(`${waits.length - 3} more signals or changes`);
  return parts.join(" and ");
}
