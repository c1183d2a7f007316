import type { StartOptions } from "pawl";
import type { Chance } from "./random.ts";
import { mergedWorkflows } from "./workflows.ts";

/** Starts that may become one execution. */
export interface DrawnMerge {
  /** Of the definition that they start, which has no others. */
  readonly workflow: (typeof mergedWorkflows)[number];
  readonly options: Pick<StartOptions, "debounce" | "batch" | "deduplicationId">;
  /** Those of a batch; undefined: any number. */
  readonly size: number | undefined;
  /** When each is made; its input is its number. */
  readonly starts: readonly number[];
}

/** In most simulations there are none. */
export function drawMerges(chance: Chance, spanMs: number): readonly DrawnMerge[] {
  if (!chance.hits(0.35)) return [];
  return mergedWorkflows
    .filter(() => chance.hits(0.5))
    .map((workflow) => {
      const size = workflow === "batched" ? chance.whole(2, 4) : undefined;
      const options = {
        debounced: { debounce: { key: "k", period: chance.pick([20, 300]), maxWait: chance.pick([300, 2000]) } },
        batched: { batch: { key: "k", size: size ?? 2, window: chance.pick([100, 1500]) } },
        deduplicated: { deduplicationId: "k" },
      }[workflow];
      // In clusters: within one, starts meet each other and the beginning.
      const starts: number[] = [];
      for (let left = chance.whole(2, 12); left > 0; left--) {
        const before = starts.at(-1);
        starts.push(before !== undefined && chance.hits(0.7) ? before + chance.whole(0, chance.pick([2, 60, 400])) : chance.whole(0, spanMs));
      }
      return { workflow, options, size, starts };
    });
}
