import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

export interface Arguments {
  /** Ids of the faults to run; empty: all. */
  readonly only: readonly string[];
  readonly seconds: number;
  /** How often F12 runs each race, instead of as often as it can. */
  readonly races: number | undefined;
  readonly seed: number;
  readonly json: boolean;
  /** Minutes of a random mix instead of one fault after the other. */
  readonly soak: number | undefined;
  readonly keep: boolean;
  readonly out: string | undefined;
  readonly help: boolean;
}

export const usage = `npm run faults -- [options]

  --only <ids>       only these, such as F1,F2
  --seconds <n>      how long each fault is injected (20)
  --races <n>        how often each race of F12 is run (as often as it can be in that time)
  --seed <n>         chooses what is done, when and to whom (random; printed)
  --soak <minutes>   one long run with faults in random order instead
  --json             the table as JSON
  --out <folder>     where the logs of the run go (a temporary folder, removed if all is well)
  --keep             do not remove it

Ends with 0 if all is well, 1 if a promise was broken, 2 if a fault did not bite and so proved nothing.`;

/** @throws with a message for the user if an option is wrong. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: "string", default: "" },
      seconds: { type: "string", default: "20" },
      races: { type: "string" },
      seed: { type: "string" },
      soak: { type: "string" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    only: values.only
      .split(",")
      .map((id) => id.trim().toUpperCase())
      .filter((id) => id !== ""),
    seconds: positive("--seconds", values.seconds),
    races: values.races === undefined ? undefined : positive("--races", values.races),
    seed: values.seed === undefined ? randomInt(2 ** 31) : positive("--seed", values.seed),
    soak: values.soak === undefined ? undefined : positive("--soak", values.soak),
    json: values.json,
    keep: values.keep || values.out !== undefined,
    out: values.out,
    help: values.help,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1) throw new Error(`${name} takes a number from 1.`);
  return value;
}
