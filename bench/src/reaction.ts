import { parseArgs } from "node:util";
import { defineWorkflow, Pawl } from "pawl";
import { Client } from "pg";
import { anyNumber } from "./any-number.ts";
import { inOwnDatabase } from "./own-database.ts";

/**
 * How soon the other side hears of it when nothing else goes on: a signal in the workflow that waits for it, a chunk of a stream at
 * its reader; within one process, and from one Pawl to another by notifications. Prints percentiles, beside the time of one durable commit. See ../README.md.
 */

/** Tells when the code has what was sent; when this is called, it waits again or is about to. */
let heard = (): void => {};

const listener = defineWorkflow({
  name: "listener",
  signals: { tell: anyNumber },
  run: async (ctx, count: number) => {
    for (let i = 0; i < count; i++) {
      await ctx.signal("tell");
      heard();
    }
  },
});

const speaker = defineWorkflow({
  name: "speaker",
  run: async (ctx) =>
    ctx.step("speak", async (step) => {
      for (;;) {
        const said = await next;
        if (said === "end") return;
        await step.stream("s").write(1);
      }
    }),
});

let say: (what: "chunk" | "end") => void = () => {};
let next = new Promise<"chunk" | "end">((resolve) => (say = resolve));

/** One more, and the moment before it. */
function sayNow(what: "chunk" | "end"): number {
  const speak = say;
  const at = performance.now();
  next = new Promise((resolve) => (say = resolve));
  speak(what);
  return at;
}

async function signals(from: Pawl, executionId: string, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const arrived = new Promise<void>((resolve) => (heard = resolve));
    const begin = performance.now();
    await from.handle(executionId).signal("tell", 1);
    await arrived;
    times.push(performance.now() - begin);
  }
  return times;
}

async function chunks(reader: Pawl, executionId: string, from: number, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  const reading = reader.handle(executionId).stream("s", { from });
  for (let i = 0; i < count; i++) {
    const waiting = reading.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const begin = sayNow("chunk");
    await waiting;
    times.push(performance.now() - begin);
  }
  return times;
}

async function commits(url: string, count: number): Promise<readonly number[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("CREATE TABLE one_commit (n integer)");
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await client.query("INSERT INTO one_commit VALUES (1)");
    times.push(performance.now() - begin);
  }
  await client.end();
  return times;
}

function line(title: string, times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (fraction: number): string => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]!.toFixed(2).padStart(8);
  return `${title.padEnd(44)} p50 ${at(0.5)} ms   p95 ${at(0.95)} ms`;
}

const { values } = parseArgs({ options: { count: { type: "string", default: "300" } } });
const count = Number(values.count);
await inOwnDatabase("reaction", async (url) => {
  const here = await Pawl.open({ url });
  const elsewhere = await Pawl.open({ url });
  try {
    console.log(line("one durable commit", await commits(url, count)));
    await here.worker({ workflows: [listener, speaker] });
    await here.start(listener, 2 * count, { executionId: "listener" });
    console.log(line("signal, sent in the worker's process", await signals(here, "listener", count)));
    console.log(line("signal, sent from elsewhere", await signals(elsewhere, "listener", count)));
    const handle = await here.start(speaker, undefined, { executionId: "speaker" });
    console.log(line("chunk, read in the worker's process", await chunks(here, "speaker", 0, count)));
    console.log(line("chunk, read elsewhere", await chunks(elsewhere, "speaker", count, count)));
    sayNow("end");
    await handle.result();
  } finally {
    await elsewhere.close();
    await here.close();
  }
});
