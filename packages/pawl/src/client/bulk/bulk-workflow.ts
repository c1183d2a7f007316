import { defineWorkflow, type AnyWorkflow } from "../../definition/workflow.ts";
import type { Store } from "../../store/store.ts";
import { listFilter } from "../list-options.ts";
import type { ExecutionHandle } from "../execution-handle.ts";
import { addProgress, applyBulk, nothingDone, type BulkTarget } from "./apply-bulk.ts";
import type { BulkProgress, BulkRequest } from "./bulk-options.ts";

/** Every worker has it, without being told. */
export const bulkWorkflowName = "pawl.bulk";

/** Bulk operations leave each other and themselves alone. */
const others = `workflow != "${bulkWorkflowName}"`;
const pageSize = 100;

/** What its steps use. */
export interface BulkClient {
  readonly store: Pick<Store, "list">;
  readonly namespace: string;
  handle(executionId: string): ExecutionHandle;
}

/**
 * A bulk operation as a workflow: page by page, each page found by one step and worked off by another. Pages are in the order of
 * execution ids: run ids change while it is under way, where executions continue as new or are rolled back, and would pass its place.
 *
 * @param taskQueue one that the worker takes anyway: a queue of its own would cost every claim
 */
export function bulkWorkflow(client: BulkClient, taskQueue: string): AnyWorkflow {
  const find = async (filter: string, createdBefore: Date, after: string): Promise<readonly BulkTarget[]> => {
    const wanted = listFilter(client.namespace, { filter: `(${filter}) && ${others}`, createdBefore });
    const page = await client.store.list(wanted, { limit: pageSize, afterExecutionId: after });
    return page.map(({ executionId, runId }) => ({ executionId, runId }));
  };
  return defineWorkflow({
    name: bulkWorkflowName,
    taskQueue,
    async run(ctx, request: BulkRequest): Promise<BulkProgress> {
      // What began in its own millisecond may have been there before it.
      const createdBefore = new Date(ctx.now().getTime() + 1);
      let progress = nothingDone;
      await ctx.set("progress", progress);
      for (let after: string | undefined = ""; after !== undefined;) {
        const from: string = after;
        const targets: readonly BulkTarget[] = await ctx.step("find", () => find(request.filter, createdBefore, from));
        if (targets.length > 0) {
          const page = await ctx.step("apply", () => applyBulk((id) => client.handle(id), request, ctx.executionId, targets));
          progress = addProgress(progress, page);
          await ctx.set("progress", progress);
        }
        after = targets.length < pageSize ? undefined : targets.at(-1)!.executionId;
      }
      return progress;
    },
  });
}
