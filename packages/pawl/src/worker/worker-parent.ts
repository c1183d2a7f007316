import type { Logger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { Event } from "../kernel/event.ts";
import type { Committer } from "../store/committer.ts";
import type { Store } from "../store/store.ts";
import type { Worker } from "./worker.ts";

/** An execution that ended in this process. */
export interface LocalEnding {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly event: Event;
}

/** The Pawl that a worker belongs to: what it gives to the worker, and is told by it. */
export interface WorkerParent {
  readonly store: Store;
  readonly committer: Committer;
  readonly namespace: string;
  readonly logger: Logger;
  readonly runtime: Runtime;
  readonly telemetry: Telemetry | undefined;
  ended(ending: LocalEnding): void;
  workerStopped(worker: Worker): void;
}
