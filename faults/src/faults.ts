/** All faults, in the order in which they run. F17 (an API that is asked twice) has to wait for an API; F20 is the soak. */
import type { Fault } from "./fault.ts";
import { blockedLoops } from "./faults/blocked-loops.ts";
import { wrongClocks } from "./faults/clocks.ts";
import { diskFull } from "./faults/disk-full.ts";
import { embedded } from "./faults/embedded.ts";
import { heldSnapshot } from "./faults/held-snapshot.ts";
import { herd } from "./faults/herd.ts";
import { killDatabase } from "./faults/kill-database.ts";
import { killWorkers } from "./faults/kill-workers.ts";
import { loseReplies } from "./faults/lose-replies.ts";
import { loseRequests } from "./faults/lose-requests.ts";
import { outOfMemory } from "./faults/out-of-memory.ts";
import { partition } from "./faults/partition.ts";
import { raceEnds } from "./faults/races.ts";
import { readOnly } from "./faults/read-only.ts";
import { rollingRestart } from "./faults/rolling-restart.ts";
import { slowLog } from "./faults/slow-log.ts";
import { stopWorkers } from "./faults/stop-workers.ts";
import { terminateSessions } from "./faults/terminate-sessions.ts";

export { soak as soakFault } from "./faults/soak.ts";

export const allFaults: readonly Fault[] = [
  killWorkers,
  stopWorkers,
  killDatabase,
  terminateSessions,
  partition,
  loseReplies,
  loseRequests,
  wrongClocks,
  blockedLoops,
  diskFull,
  slowLog,
  raceEnds,
  herd,
  rollingRestart,
  heldSnapshot,
  readOnly,
  outOfMemory,
  embedded,
];
