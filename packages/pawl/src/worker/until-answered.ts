import { Closed } from "../base/errors.ts";
import type { ActiveExecution } from "./active-execution.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { HistoryWriter } from "./history-writer.ts";

const againAfterMs = 1000;

/**
 * Asks the store for what an execution must know before it goes on or parks, until it answers: an execution that parks without the answer
 * may never be woken.
 *
 * @throws Closed; what went wrong last, once the execution is gone from here
 */
export async function untilAnswered<Answer>(
  ask: () => Promise<Answer>,
  { log }: Pick<ActiveExecution, "log">,
  writer: Pick<HistoryWriter, "isGone">,
  { runtime }: Pick<ExecutionHost, "runtime">,
): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Closed || writer.isGone) throw error;
      log.error(`the database refuses what it needs to go on: ${error instanceof Error ? error.message : String(error)}; trying again`);
      await new Promise<void>((resolve) => void runtime.startTimer(againAfterMs, resolve, { background: true }));
      if (writer.isGone) throw error;
    }
  }
}
