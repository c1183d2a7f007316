import type { QueueOptions } from "pawl";
import type { Chance } from "./random.ts";

/** Limits of the one queue that everything goes through, and what becomes of them. */
export interface DrawnQueue {
  readonly first: QueueOptions;
  /** Undefined: they are taken away. */
  readonly changes: readonly { readonly at: number; readonly to: QueueOptions | undefined }[];
}

/** In most simulations there are none. */
export function drawQueue(chance: Chance, spanMs: number): DrawnQueue | undefined {
  if (!chance.hits(0.35)) return undefined;
  const changes = Array.from({ length: chance.pick([0, 0, 1, 2]) }, () => ({ at: chance.whole(100, spanMs), to: drawLimits(chance) }));
  const gone = chance.hits(0.15) ? [{ at: spanMs + chance.whole(0, 500), to: undefined }] : [];
  return { first: drawLimits(chance), changes: [...changes.toSorted((a, b) => a.at - b.at), ...gone] };
}

function drawLimits(chance: Chance): QueueOptions {
  const rate = (most: number) => ({ limit: chance.whole(2, most), per: chance.pick([300, 1000]) });
  const perKey = {
    ...(chance.hits(0.4) ? { concurrency: chance.whole(1, 2) } : {}),
    ...(chance.hits(0.2) ? { rate: rate(4) } : {}),
  };
  return {
    ...(chance.hits(0.7) ? { concurrency: chance.pick([1, 2, 2, 3, 6]) } : {}),
    ...(chance.hits(0.3) ? { rate: rate(8) } : {}),
    ...(Object.keys(perKey).length === 0 ? {} : { perKey }),
  };
}

/** The place of one execution in that queue. */
export interface DrawnPlace {
  readonly key?: string;
  readonly priority?: number;
}

export function drawPlace(chance: Chance): DrawnPlace {
  return {
    ...(chance.hits(0.7) ? { key: chance.pick(["a", "a", "b", "c"]) } : {}),
    ...(chance.hits(0.4) ? { priority: chance.pick([-5, 0, 3]) } : {}),
  };
}
