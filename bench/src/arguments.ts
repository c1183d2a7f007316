import { parseArgs } from "node:util";
import type { System } from "./engine.ts";

export interface Arguments {
  readonly rounds: number;
  /** Only cases whose id or title matches. */
  readonly pattern: RegExp;
  readonly quick: boolean;
  readonly systems: readonly System[];
  readonly output: string;
  readonly help: boolean;
}

export const usage = `npm run bench -- [options]

  --rounds <n>       how often each case runs with each system; medians are reported (3)
  --case <pattern>   only cases whose id or title matches this regular expression
  --system <name>    only pawl, or only dbos (both)
  --quick            short runs, one round: shows that everything works; its figures mean little
  --out <file>       where the JSON goes (bench/results.json)

DATABASE_URL chooses the PostgreSQL server; without it a temporary one is started.`;

/** @throws with a message for the user if an option is wrong. */
export function parseArguments(argv: readonly string[], defaultOutput: string): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: "string" },
      case: { type: "string", default: "" },
      system: { type: "string" },
      quick: { type: "boolean", default: false },
      out: { type: "string", default: defaultOutput },
      help: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds takes a whole number from 1.");
  if (values.system !== undefined && values.system !== "pawl" && values.system !== "dbos") {
    throw new Error("--system takes pawl or dbos.");
  }
  return {
    rounds,
    pattern: new RegExp(values.case, "i"),
    quick: values.quick,
    systems: values.system === undefined ? ["pawl", "dbos"] : [values.system],
    output: values.out,
    help: values.help,
  };
}
