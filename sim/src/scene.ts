import type { BulkWatch } from "./bulk-watch.ts";
import type { ClientLog } from "./client-log.ts";
import type { Request } from "./draw-requests.ts";
import type { DrawnBulk } from "./draw-bulks.ts";
import type { DrawnMerge } from "./draw-merges.ts";
import type { DrawnSchedule } from "./draw-schedules.ts";
import type { MergeWatch } from "./merge-watch.ts";
import type { Monitor } from "./monitor.ts";
import type { QueueWatch } from "./queue-watch.ts";
import type { Chance } from "./random.ts";
import type { ScheduleWatch } from "./schedule-watch.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { StreamWatch } from "./stream-watch.ts";
import type { TransactionWatch } from "./transaction-watch.ts";
import type { Transport } from "./transport.ts";
import type { Claims } from "./watched-store.ts";
import type { World } from "./world.ts";

/** What the parts of one simulation share. */
export interface Scene {
  readonly database: SimDatabase;
  readonly chance: Chance;
  readonly world: World;
  readonly transport: Transport;
  readonly log: ClientLog;
  readonly requests: readonly Request[];
  readonly schedules: readonly DrawnSchedule[];
  readonly merges: readonly DrawnMerge[];
  readonly bulks: readonly DrawnBulk[];
  readonly watch: Watch;
  readonly failure: Failure;
}

/** All that looks on. */
export interface Watch {
  readonly monitor: Monitor;
  readonly claims: Claims;
  readonly streams: StreamWatch;
  readonly transactions: TransactionWatch;
  readonly schedules: ScheduleWatch | undefined;
  readonly merges: MergeWatch;
  readonly bulks: BulkWatch;
  readonly queue: QueueWatch | undefined;
}

/** The first thing that went wrong; it ends the simulation. */
export class Failure {
  first: unknown;

  add(error: unknown): void {
    this.first ??= error;
  }

  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.add(error);
    }
  }
}

/** Faults and requests happen within this time, in milliseconds; after it, everything must come to an end. */
export const troubleMs = 8000;
/** Who comes in peace, and has all code. */
export const healer = "healer";
/** A worker looks for tasks that often, in milliseconds. */
export const pollMs = 900;
/** Leases, polls, the longest back-off and sleep, several times over, in milliseconds. */
export const settleMs = 240_000;
