import type { Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { Pawl } from "../pawl.ts";
import type { StopOptions } from "../worker/worker-options.ts";
import { SkippingResults } from "./skipping-results.ts";
import type { TimedStore } from "./timed-store.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface TimedPawlParts {
  readonly time: VirtualTime;
  readonly process: VirtualProcess;
  readonly store: TimedStore;
  readonly namespace: string;
  readonly logger: Logger;
  readonly telemetry?: Telemetry | undefined;
  readonly onClose: () => Promise<void>;
}

/** The Pawl of one process in virtual time: where it waits for a result, and while it closes, time is skipped. */
export class TimedPawl extends Pawl {
  override readonly results: SkippingResults;
  readonly #time: VirtualTime;

  constructor({ time, process, store, namespace, logger, telemetry, onClose }: TimedPawlParts) {
    super({ store, namespace, logger, runtime: process, telemetry, onClose });
    // In the place of the one that a Pawl makes for itself, which nobody has asked anything yet.
    this.results = new SkippingResults(time, store, namespace, logger, process);
    this.#time = time;
  }

  /** Steps that sleep in the test's time hold nothing up. */
  override async close(options?: StopOptions): Promise<void> {
    const stop = this.#time.skip();
    try {
      await super.close(options);
    } finally {
      stop();
    }
  }
}
