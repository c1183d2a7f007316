import { checkKeys } from "../base/check-keys.ts";
import { handled } from "../base/handled.ts";
import { OptionInvalid } from "../base/errors.ts";
import { currentRace, runInRace, type Race } from "../definition/ambient.ts";
import { concurrencyKeys } from "../definition/context-keys.ts";
import type { ConcurrencyOptions } from "../definition/context.ts";

/**
 * `ctx.map`, `ctx.all` and `ctx.race` on plain promises. They are deterministic because each continuation runs in the
 * order in which results are delivered; nothing here keeps time or state outside the call.
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  fn: (item: Item, index: number) => Promise<Result>,
  options: ConcurrencyOptions | undefined,
  path = "ctx.map",
): Promise<Result[]> {
  if (!Array.isArray(items)) throw new OptionInvalid("ctx.map items", "must be an array");
  if (options !== undefined) checkKeys(options, concurrencyKeys, path);
  const limit = options?.concurrency ?? Number.POSITIVE_INFINITY;
  if (typeof fn !== "function") throw new OptionInvalid("ctx.map fn", "must be a function that makes the durable calls for one item");
  if (!(limit >= 1) || (!Number.isInteger(limit) && limit !== Number.POSITIVE_INFINITY)) {
    throw new OptionInvalid("concurrency", `must be a whole number from 1, not ${String(limit)}`);
  }
  const results = new Array<Result>(items.length);
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await fn(items[index], index);
      } catch (error) {
        // The first error ends the call; lanes that still wait start nothing more.
        failed = true;
        throw error;
      }
    }
  };
  const lanes: Promise<void>[] = [];
  for (let i = 0; i < Math.min(limit, items.length); i++) lanes.push(lane());
  await Promise.all(lanes);
  return results;
}

export async function allOf<Results extends readonly unknown[]>(
  tasks: { readonly [I in keyof Results]: () => Promise<Results[I]> },
  options: ConcurrencyOptions | undefined,
): Promise<Results> {
  checkTasks("ctx.all", tasks);
  return (await mapConcurrently(tasks as readonly (() => Promise<unknown>)[], (task) => task(), options, "ctx.all")) as unknown as Results;
}

export async function raceOf<Results extends readonly unknown[]>(tasks: { readonly [I in keyof Results]: () => Promise<Results[I]> }): Promise<
  Results[number]
> {
  checkTasks("ctx.race", tasks);
  if (tasks.length === 0) throw new OptionInvalid("ctx.race tasks", "must not be empty, or it would wait for ever");
  const race: Race = { isOver: false, outer: currentRace() };
  try {
    // Should one throw at once, nobody waits for those before it.
    return await Promise.race(tasks.map((task) => handled(runInRace(race, task))));
  } finally {
    // From here on the signals that losers wait for are left to others.
    race.isOver = true;
  }
}

function checkTasks(call: string, tasks: readonly unknown[]): void {
  if (!Array.isArray(tasks)) throw new OptionInvalid(`${call} tasks`, "must be an array of functions");
  tasks.forEach((task, index) => {
    if (typeof task !== "function") {
      throw new OptionInvalid(`${call} tasks[${index}]`, "must be a function that makes the durable call, such as () => ctx.step(...)");
    }
  });
}
