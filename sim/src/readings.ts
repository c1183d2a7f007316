import type { Pawl } from "pawl";
import type { ClientLog } from "./client-log.ts";
import type { Monitor } from "./monitor.ts";
import { Violation } from "./violation.ts";

/** What has ended is written to a document, and read from it under another id. */
export async function copyExecution(
  pawl: Pawl,
  monitor: Monitor,
  log: ClientLog,
  ids: { readonly executionId: string; readonly copyId: string },
): Promise<void> {
  const { executionId, copyId } = ids;
  const ended = JSON.stringify(monitor.outcome(executionId));
  const runId = monitor.row(executionId)?.run_id;
  const document = JSON.parse(JSON.stringify(await pawl.exportExecution(executionId))) as unknown;
  // It may have been given another run while it was read.
  const isSame = monitor.row(executionId)?.run_id === runId;
  await pawl.importExecution(document, { executionId: copyId });
  if (isSame && ended !== undefined) log.copies.set(copyId, ended);
}

/** How many updates its code has applied: none that was answered before is missing, and none is there that nobody sent. */
export async function queryBumps(pawl: Pawl, monitor: Monitor, executionId: string): Promise<void> {
  const before = bumpsOf(monitor, executionId);
  const answer: unknown = await pawl.handle(executionId).query("bumps");
  const now = bumpsOf(monitor, executionId);
  if (before === undefined || before.runId !== now?.runId) return;
  const told = `${executionId} answers ${JSON.stringify(answer)}`;
  if (typeof answer !== "number" || answer > now.sent) throw new Violation("query", `${told}, after ${now.sent} updates`);
  if (answer < before.answered && monitor.areLeasesSure) throw new Violation("query", `${told}, when ${before.answered} updates had been answered`);
}

interface Bumps {
  readonly runId: string;
  readonly answered: number;
  readonly sent: number;
}

function bumpsOf(monitor: Monitor, executionId: string): Bumps | undefined {
  const row = monitor.row(executionId);
  if (row === undefined) return undefined;
  const events = (monitor.histories.get(row.run_id) ?? []).map(({ event }) => event);
  const count = (type: string): number => events.filter((event) => event.type === type).length;
  const waiting = (row.messages ?? "").split("UpdateReceived").length - 1;
  return { runId: row.run_id, answered: count("UpdateCompleted"), sent: count("UpdateReceived") + waiting };
}
