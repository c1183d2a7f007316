/** All faults, in the order in which they run. */
import type { Fault } from "./fault.ts";
import { killDatabase } from "./faults/kill-database.ts";
import { killWorkers } from "./faults/kill-workers.ts";
import { loseReplies } from "./faults/lose-replies.ts";
import { loseRequests } from "./faults/lose-requests.ts";
import { partition } from "./faults/partition.ts";
import { stopWorkers } from "./faults/stop-workers.ts";
import { terminateSessions } from "./faults/terminate-sessions.ts";

export const allFaults: readonly Fault[] = [killWorkers, stopWorkers, killDatabase, terminateSessions, partition, loseReplies, loseRequests];
export const soakFault: Fault = killWorkers;
