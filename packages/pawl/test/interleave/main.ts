import pg from "pg";
import { Arena } from "./arena.ts";
import { exploreScenario, type Exploration, type Report } from "./explorer.ts";
import type { Scenario } from "./scenario.ts";
import { pairs, triples } from "./scenarios.ts";

export interface Options {
  readonly scenarios: "pairs" | "triples" | "all";
  /** Part of a scenario's name. */
  readonly filter: string | undefined;
  readonly exploration: Exploration;
  /** The server's maintenance database; a superuser's. */
  readonly serverUrl: string;
  /** Explorations that go on at the same time, each in a database of its own. */
  readonly jobs: number;
}

/** Explores what was asked for and prints one line for each scenario. Gives whether all was well. */
export async function main({ scenarios, filter, exploration, serverUrl, jobs }: Options): Promise<boolean> {
  const all = { pairs, triples, all: [...pairs, ...triples] }[scenarios];
  const exact = all.filter(({ name }) => name === filter);
  const chosen = exact.length > 0 ? exact : all.filter(({ name }) => filter === undefined || name.includes(filter));
  const queue = [...chosen];
  const reports: Report[] = [];
  await Promise.all(
    Array.from({ length: jobs }, async (_, job) => {
      const database = `explore_${process.pid}_${job}`;
      await ask(serverUrl, `CREATE DATABASE ${database}`);
      const arena = new Arena(databaseUrl(serverUrl, database));
      await arena.open();
      for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
        const report = await explore(arena, scenario, exploration);
        reports.push(report);
        console.log(lineOf(report));
        if (report.violation !== undefined) console.log(`\n${violationText(report, exploration)}\n`);
      }
      await arena.close();
      await ask(serverUrl, `DROP DATABASE ${database} WITH (FORCE)`);
    }),
  );
  const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const violations = sum((report) => Number(report.violation !== undefined));
  console.log(
    `${reports.length} scenarios, ${sum((report) => Number(report.isExhaustive))} of them in every order; ${sum((report) => report.orders)} orders, ` +
      `${sum((report) => report.overlapped)} overlapping, ${sum((report) => report.blocked)} waits, ${sum((report) => report.deadlocks)} deadlocks, ${violations} violations`,
  );
  return violations === 0 && reports.length > 0;
}

/** What breaks in the orders of whole transactions is a violation, too. */
async function explore(arena: Arena, scenario: Scenario, exploration: Exploration): Promise<Report> {
  try {
    return await exploreScenario(arena, scenario, exploration);
  } catch (error) {
    const violation = { order: "", problem: error instanceof Error ? (error.stack ?? error.message) : String(error), trace: [] };
    return { scenario, orders: 0, isExhaustive: false, overlapped: 0, blocked: 0, deadlocks: 0, winners: new Map(), missing: [], violation };
  }
}

function lineOf({ scenario, orders, isExhaustive, blocked, deadlocks, winners, missing, violation }: Report): string {
  const counts = [...winners].map(([winner, count]) => `${winner} ${count}`).join(", ");
  const columns = [`${orders}${isExhaustive ? "" : "+"} orders`.padStart(12), `${blocked} waits`.padStart(10), `${deadlocks} deadlocks`.padStart(12)];
  return `${violation === undefined ? "ok    " : "FAILED"} ${scenario.name.padEnd(64)}${columns.join("")}   ${counts}${missing.length > 0 ? `; not while overlapping: ${missing.join(", ")}` : ""}`;
}

function violationText({ scenario, violation }: Report, { seed }: Exploration): string {
  const { order, problem, trace } = violation!;
  return `${scenario.name} (seed ${seed}): ${problem}\n\n${trace.join("\n")}\n\nnpm run explore -- --filter '${scenario.name}'${order === "" ? "" : ` --order ${order}`}`;
}

/** The same server, another database. Not through URL, which refuses the empty host of a Unix socket. */
function databaseUrl(serverUrl: string, name: string): string {
  return serverUrl.replace(/^(postgres(?:ql)?:\/\/[^/]*)(\/[^?]*)?/, `$1/${name}`);
}

async function ask(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}
