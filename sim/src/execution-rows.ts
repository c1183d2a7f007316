import { terminalStates } from "pawl";

/** What schedules have started is counted, and ends by itself. */
export function isScheduled(executionId: string): boolean {
  return executionId.includes(":");
}

export function isTerminal(state: string): boolean {
  return (terminalStates as readonly string[]).includes(state);
}
