import type { AnyWorkflow } from "../definition/workflow.ts";
import type { StartOperation } from "../store/operations.ts";

/** A local worker, as far as the client uses one. */
export interface LocalWorker {
  reserveSlot(runId: string, workflow: Pick<AnyWorkflow, "name" | "version">, taskQueue: string): string | null;
  startReserved(start: StartOperation, at: number): void;
  cancelReservation(runId: string): void;
  runs(runId: string): boolean;
  query(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined;
  definition(workflow: string, version: string): AnyWorkflow | undefined;
}
