import type { Chooser } from "./controller.ts";

/** An order to begin with; after it, whoever went last goes on as long as it can. */
interface Prefix {
  readonly order: string;
  readonly interruptions: number;
}

/** What the search has to know of a run. */
interface Explored {
  readonly order: string;
  readonly choices: readonly string[];
}

/**
 * Goes through the orders of a scenario: first all in which nobody is interrupted, then all with one interruption, with two,
 * and so on, until none is left or `limit` is reached; most races need one or two. The last third of a limit that does not
 * suffice goes to random orders, which interrupt often.
 *
 * @param explore runs one order; false ends the search
 * @returns whether every order was run
 */
export async function searchOrders<Run extends Explored>(
  options: { readonly limit: number; readonly random: () => number },
  explore: (choose: Chooser) => Promise<Run | undefined>,
): Promise<boolean> {
  const waiting: Prefix[][] = [[{ order: "", interruptions: 0 }]];
  const systematic = Math.ceil((options.limit * 2) / 3);
  let runs = 0;
  for (;;) {
    const prefix = waiting.find((prefixes) => prefixes.length > 0)?.shift();
    if (prefix === undefined) return true;
    if (runs >= systematic) {
      const left = waiting.reduce((sum, prefixes) => sum + prefixes.length, 1);
      if (runs + left > options.limit) break;
    }
    runs++;
    const run = await explore(following(prefix.order));
    if (run === undefined) return false;
    for (const next of alternatives(run, prefix)) (waiting[next.interruptions] ??= []).push(next);
  }
  for (; runs < options.limit; runs++) {
    if ((await explore((enabled) => enabled[Math.floor(options.random() * enabled.length)]!)) === undefined) return false;
  }
  return false;
}

/** Follows an order as far as it goes. */
export function following(order: string): Chooser {
  return (enabled, soFar) => order[soFar.length] ?? goingOn(enabled, soFar);
}

function goingOn(enabled: string, soFar: string): string {
  const last = soFar.at(-1);
  return last !== undefined && enabled.includes(last) ? last : enabled[0]!;
}

/** Every order that leaves this run behind its prefix, each of them once. */
function alternatives({ order, choices }: Explored, prefix: Prefix): Prefix[] {
  const found: Prefix[] = [];
  for (let place = prefix.order.length; place < order.length; place++) {
    const soFar = order.slice(0, place);
    for (const letter of choices[place]!) {
      if (letter === order[place]) continue;
      const interrupts = place > 0 && letter !== soFar.at(-1) && choices[place]!.includes(soFar.at(-1)!);
      found.push({ order: soFar + letter, interruptions: prefix.interruptions + Number(interrupts) });
    }
  }
  return found;
}

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
