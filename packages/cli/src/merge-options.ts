import type { Command } from "commander";
import type { BatchOptions, DebounceOptions, StartOptions } from "pawl";
import { UsageError } from "./failures.ts";
import { wholeNumber } from "./global-options.ts";

/** The flags that make one execution of several starts. */
export interface MergeFlags {
  readonly debounce?: string;
  readonly period?: string;
  readonly maxWait?: string;
  readonly batch?: string;
  readonly size?: number;
  readonly window?: string;
}

export function addMergeOptions(command: Command): Command {
  return command
    .option("--debounce <key>", "one execution for all starts with this key, with the last one's input, once none has come for --period")
    .option("--period <duration>", "of --debounce: how long no start has come")
    .option("--max-wait <duration>", "of --debounce: so long after the first start at the latest (ten times --period)")
    .option("--batch <key>", "one execution for all starts with this key, with the elements of their inputs, which are arrays")
    .option("--size <n>", "of --batch: it begins with so many starts", wholeNumber)
    .option("--window <duration>", "of --batch: or so long after the first");
}

/** @throws UsageError */
export function mergeOptions({ debounce, period, maxWait, batch, size, window }: MergeFlags): Pick<StartOptions, "batch" | "debounce"> {
  const of = (flag: string, key: string | undefined, parts: Readonly<Record<string, unknown>>, needed: readonly string[]): void => {
    const missing = needed.find((part) => parts[part] === undefined);
    const stray = Object.keys(parts).find((part) => parts[part] !== undefined);
    if (key !== undefined && missing !== undefined) throw new UsageError("OPTION_INVALID", `${flag} needs ${needed.join(" and ")}: give ${missing}.`);
    if (key === undefined && stray !== undefined) throw new UsageError("OPTION_INVALID", `${stray} belongs to ${flag} <key>: give that, too.`);
  };
  of("--debounce", debounce, { "--period": period, "--max-wait": maxWait }, ["--period"]);
  of("--batch", batch, { "--size": size, "--window": window }, ["--size", "--window"]);
  return {
    ...(debounce === undefined
      ? {}
      : { debounce: { key: debounce, period: period!, ...(maxWait === undefined ? {} : { maxWait }) } satisfies DebounceOptions }),
    ...(batch === undefined ? {} : { batch: { key: batch, size: size!, window: window! } satisfies BatchOptions }),
  };
}
