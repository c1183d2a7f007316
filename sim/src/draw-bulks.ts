import type { BulkCheckpoint, BulkOperation } from "pawl";
import type { Chance } from "./random.ts";

/** A bulk operation over executions that a simulation asks for, and their children. */
export interface DrawnBulk {
  readonly bulkId: string;
  readonly at: number;
  readonly operation: BulkOperation;
  /** Of the ids of those that it is about. */
  readonly prefix: string;
  /** Of a rollback or fork. */
  readonly checkpoint: BulkCheckpoint;
  /** How often it is asked for. */
  readonly copies: number;
}

const operations = ["cancel", "terminate", "pause", "resume", "retry", "rollback", "fork", "signal"] as const satisfies BulkOperation[];

/** In most simulations there are none. Numbers past the last request find nothing. */
export function drawBulks(chance: Chance, spanMs: number): readonly DrawnBulk[] {
  return Array.from({ length: chance.pick([0, 0, 0, 1, 3]) }, (_, index) => ({
    bulkId: `bulk${index}`,
    at: chance.whole(100, spanMs),
    operation: chance.pick(operations),
    prefix: chance.pick(["x", "x", `x${chance.whole(0, 7)}`]),
    checkpoint: chance.pick([1, "latest"] as const),
    copies: chance.pick([1, 1, 2]),
  }));
}
