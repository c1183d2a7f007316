import { OptionInvalid } from "../base/errors.ts";
import { refuseInStep, runWithContext } from "../definition/ambient.ts";
import type { Saga, WorkflowContext } from "../definition/context.ts";

/**
 * `ctx.saga`: a list of how to undo what was done, gone through from its end when the saga fails. It needs no record of its own: the
 * list is the same on every replay, and every undoing is a durable call. What a branch that still goes on does afterwards is undone at once.
 *
 * @param shielded the context for undoing, which a cancel request leaves alone
 */
export async function runSaga<Result>(fn: (saga: Saga) => Promise<Result>, shielded: WorkflowContext): Promise<Result> {
  const undos: ((ctx: WorkflowContext) => Promise<unknown>)[] = [];
  let count = 0;
  let isUndone = false;
  const undoAll = async (): Promise<readonly unknown[]> => {
    const failures: unknown[] = [];
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
      const last = undo;
      try {
        await runWithContext(shielded, () => last(shielded));
      } catch (failure) {
        failures.push(failure);
      }
    }
    // Together with the look that found nothing more: what comes in between would be undone by nobody.
    isUndone = true;
    return failures;
  };
  const saga: Saga = {
    compensate: (undo) => {
      refuseInStep("saga.compensate");
      if (typeof undo !== "function") throw new OptionInvalid("saga.compensate", "takes a function (ctx) => promise that undoes what was done");
      undos.push(undo);
      count++;
      if (isUndone) void undoAll();
    },
  };
  try {
    return await fn(saga);
  } catch (error) {
    const failures = await undoAll();
    if (failures.length === 0) throw error;
    // The first error is the first of its errors, and its cause.
    throw new AggregateError(
      [error, ...failures],
      `${messageOf(error)}; besides, ${failures.length} of ${count} compensations failed: ${failures.map(messageOf).join("; ")}`,
      { cause: error },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
