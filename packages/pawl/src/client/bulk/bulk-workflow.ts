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
/** Then it continues as new, so that its history stays short however many executions there are. */
const pagesInRun = 20;

/** Where the run before has stopped. */
interface BulkPosition {
  readonly after: string;
  /** Milliseconds since 1970. */
  readonly createdBefore: number;
  readonly progress: BulkProgress;
}

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
  const find = async ({ filter, operation }: BulkRequest, createdBefore: number, after: string): Promise<readonly BulkTarget[]> => {
    const wanted = listFilter(client.namespace, { filter: `(${filter}) && ${others}`, createdBefore: new Date(createdBefore) });
    const page = await client.store.list(wanted, { limit: pageSize, afterExecutionId: after });
    // The retry of a parent begins its children anew.
    const isLeft = (parentRunId: string | null): boolean => operation === "retry" && parentRunId !== null;
    return page.map(({ executionId, runId, state, parentRunId }) => ({
      executionId,
      runId,
      ...(isLeft(parentRunId) ? { left: true } : {}),
      ...(operation === "resume" && state === "paused" ? { paused: true } : {}),
    }));
  };
  return defineWorkflow({
    name: bulkWorkflowName,
    taskQueue,
    async run(ctx, request: BulkRequest & { readonly at?: BulkPosition }): Promise<BulkProgress> {
      // What began in its own millisecond may have been there before it.
      let { after, createdBefore, progress }: BulkPosition = request.at ?? { after: "", createdBefore: ctx.now().getTime() + 1, progress: nothingDone };
      await ctx.set("progress", progress);
      for (let pages = 0; ; pages++) {
        if (pages === pagesInRun) return ctx.continueAsNew({ ...request, at: { after, createdBefore, progress } });
        const from = after;
        const targets = await ctx.step("find", () => find(request, createdBefore, from));
        if (targets.length > 0) {
          const page = await ctx.step("apply", ({ signal }) => applyBulk((id) => client.handle(id), request, ctx.executionId, targets, signal));
          progress = addProgress(progress, page);
          await ctx.set("progress", progress);
        }
        if (targets.length < pageSize) return progress;
        after = targets.at(-1)!.executionId;
      }
    },
  });
}
