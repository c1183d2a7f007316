/** What must be true of every database of Pawl after every test. */
import { silentLogger, verifyPostgres, type VerifyOptions, type VerifyReport } from "pawl/internal";
import { execute, query } from "./sql.ts";
import { terminalGuard } from "./terminal-guard.ts";

/**
 * Makes the database refuse any change of a run that has ended (I1) and any change or removal of an event (I2). Call it
 * after the schema was made (the first `Pawl.open`). What it refuses is also counted where no rollback takes it back, so
 * `checkInvariants` fails even if the writer swallowed the error. A resume, which moves the row to a new run, is allowed; so is
 * pointing a child that has ended to its parent's new run, and what retention deletes: whole executions that are due, the first runs of
 * those that continued as new, or the link to a parent that goes.
 */
export async function installTerminalGuard(url: string): Promise<void> {
  await execute(url, terminalGuard);
}

/**
 * Throws an error that lists everything about the database which must never be so, at any moment, with or without workers:
 * all that `pawl verify` finds, and the writes that the terminal guard refused.
 *
 * @param witnesses an operation log and an effect ledger that cover all of it
 */
export async function checkInvariants(url: string, witnesses: Pick<VerifyOptions, "operations" | "effects"> = {}): Promise<void> {
  const report = await verifyPostgres({ url, schema: "pawl", connectTimeoutMs: 10_000, statementTimeoutMs: 30_000, logger: silentLogger, ...witnesses });
  const problems = problemsOf(report);
  const [guarded] = await query<{ readonly there: boolean }>(url, "SELECT to_regclass('pawl_guard.violations') IS NOT NULL AS there");
  if (guarded?.there === true) {
    const [count] = await query<{ readonly n: number }>(url, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM pawl_guard.violations");
    if (count !== undefined && count.n > 0) problems.push(`the terminal guard refused ${count.n} writes`);
  }
  if (problems.length > 0) throw new Error(`invariants broken:\n${problems.join("\n")}`);
}

function problemsOf({ invariants }: VerifyReport): string[] {
  const problems: string[] = [];
  for (const { invariant, title, evidence, violations } of invariants) {
    for (const { executionId, runId, detail } of evidence) problems.push(`${invariant} (${title}): ${[executionId, runId, detail].filter(Boolean).join(": ")}`);
    if (violations > evidence.length) problems.push(`${invariant}: ${violations} in all`);
  }
  return problems;
}
