import { defineWorkflow, type AnyWorkflow } from "../../definition/workflow.ts";
import type { ListOptions, ExecutionPage } from "../list-options.ts";
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
  list(options: ListOptions): Promise<ExecutionPage>;
  handle(executionId: string): ExecutionHandle;
}

/**
 * A bulk operation as a workflow: page by page, newest first, each page found by one step and worked off by another. Executions that
 * begin meanwhile are newer than the first page, and not found.
 *
 * @param taskQueue one that the worker takes anyway: a queue of its own would cost every claim
 */
export function bulkWorkflow(client: BulkClient, taskQueue: string): AnyWorkflow {
  const find = async (filter: string, cursor: string | undefined): Promise<{ targets: BulkTarget[]; next: string | undefined }> => {
    const page = await client.list({ filter: `(${filter}) && ${others}`, limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
    return { targets: page.executions.map(({ executionId, runId }) => ({ executionId, runId })), next: page.nextCursor };
  };
  return defineWorkflow({
    name: bulkWorkflowName,
    taskQueue,
    async run(ctx, request: BulkRequest): Promise<BulkProgress> {
      let progress = nothingDone;
      await ctx.set("progress", progress);
      for (let cursor: string | undefined, isLast = false; !isLast;) {
        const before = cursor;
        const { targets, next } = await ctx.step("find", () => find(request.filter, before));
        if (targets.length > 0) {
          const page = await ctx.step("apply", () => applyBulk((id) => client.handle(id), request, ctx.executionId, targets));
          progress = addProgress(progress, page);
          await ctx.set("progress", progress);
        }
        cursor = next;
        isLast = next === undefined;
      }
      return progress;
    },
  });
}
