import { ResultHub } from "../client/result-hub.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Where somebody waits for an execution to end, time is skipped. */
export class SkippingResults extends ResultHub {
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, ...parts: ConstructorParameters<typeof ResultHub>) {
    super(...parts);
    this.#time = time;
  }

  override wait(...request: Parameters<ResultHub["wait"]>): ReturnType<ResultHub["wait"]> {
    const { ending, cancel } = super.wait(...request);
    const stop = this.#time.skip();
    ending.then(stop, stop);
    return {
      ending,
      cancel: () => {
        stop();
        cancel();
      },
    };
  }
}
