/** States of an execution (GLOSSARY.md). `quarantined` and `paused` hold; the terminal ones never change again. */
export const executionStates = [
  "pending",
  "running",
  "paused",
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
  "continued_as_new",
  "quarantined",
] as const;

export type ExecutionState = (typeof executionStates)[number];

export const terminalStates = ["completed", "failed", "cancelled", "terminated", "timed_out", "continued_as_new"] as const satisfies ExecutionState[];

export type TerminalState = (typeof terminalStates)[number];

export function isTerminal(state: ExecutionState): state is TerminalState {
  return (terminalStates as readonly string[]).includes(state);
}
