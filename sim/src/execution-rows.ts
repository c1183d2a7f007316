import { terminalStates } from "pawl";

/** What schedules have started, and what starts have been merged into, is counted, and ends by itself. */
export function isCounted(executionId: string): boolean {
  return executionId.includes(":") || !executionId.startsWith("x");
}

/** Of another one, by export and import. */
export function isCopy(executionId: string): boolean {
  return executionId.startsWith("y");
}

export function isTerminal(state: string): boolean {
  return (terminalStates as readonly string[]).includes(state);
}
