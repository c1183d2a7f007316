/**
 * What the workflows of this process have done so far. Workflow bodies count here; a worker process reports the counts to
 * the scenario, which so knows the moment to look without asking the database all the time.
 */
export interface Counts {
  /** Bodies that have run to their last line (their end need not be durable yet). */
  finished: number;
  /** First steps of `recoverable` that have run. */
  firstSteps: number;
  /** Second steps of `recoverable` that are held. */
  held: number;
}

export const counts: Counts = { finished: 0, firstSteps: 0, held: 0 };

/** While set, the second step of `recoverable` never ends: its process is going to be killed. */
export const hold = { enabled: false };

/** What every step gives: with the columns around it, one history row of about 300 bytes. */
export const stepResult = "r".repeat(200);

export async function firstStep(): Promise<string> {
  counts.firstSteps += 1;
  return await Promise.resolve(stepResult);
}

export async function holdingStep(): Promise<string> {
  if (!hold.enabled) return await Promise.resolve(stepResult);
  counts.held += 1;
  return await new Promise<string>(() => undefined);
}

export async function plainStep(): Promise<string> {
  return await Promise.resolve(stepResult);
}
