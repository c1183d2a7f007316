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

/** What an execution can be asked for by: as `continued_as_new` only its earlier runs end, and it goes on as the next one. */
export type LatestState = Exclude<ExecutionState, "continued_as_new">;

export const latestStates: readonly LatestState[] = executionStates.filter((state) => state !== "continued_as_new");

/** Why a state is none of those. */
export function stateProblem(state: string, known: readonly string[]): string | undefined {
  if (known.includes(state)) return undefined;
  const there = `there are ${known.join(", ")}`;
  if (state === "continued_as_new")
    return `"${state}" is how earlier runs end, and the execution goes on: handle.runs() and \`pawl runs\` list them. For executions ${there}`;
  return `"${state}" is no state; ${there}`;
}

export function isTerminal(state: ExecutionState): state is TerminalState {
  return (terminalStates as readonly string[]).includes(state);
}
