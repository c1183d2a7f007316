import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { fullScale, quickScale, type CaseContext, type Timed } from "./case.ts";
import { cases } from "./cases.ts";
import { loadEngine, type Engine, type EngineOptions } from "./engine.ts";
import { Meter, peakMemory } from "./measure.ts";
import type { CaseArguments, CaseMessage, Values, WorkerAnswer } from "./messages.ts";
import { measureRawLimits } from "./raw-limit.ts";
import { WorkerHandle } from "./worker-handle.ts";

/** A fresh process that runs one case with one system on a fresh database, and sends its figures to `main.ts`. */

const lookEveryMs = 2;
const defaults = { concurrency: 1000, pollIntervalMs: 20 };

async function runCase(args: CaseArguments, client: Client): Promise<Values> {
  const definition = cases.find(({ id }) => id === args.caseId);
  if (definition === undefined) throw new Error(`There is no case "${args.caseId}".`);
  const engineModule = await loadEngine(args.system);
  const engines: Engine[] = [];
  const workers: WorkerHandle[] = [];
  const meter = await Meter.create(client, async () => sum((await usages(workers)).map(({ cpuMs }) => cpuMs)));
  const audit: CaseContext["audit"] = async () => await engineModule.audit(async (sql) => (await client.query(sql)).rows);

  const context: CaseContext = {
    scale: args.quick ? quickScale : fullScale,
    async open(role, options) {
      const engine = await engineModule.open({ ...defaults, url: args.url, role, identity: `${role}-process`, ...options });
      engines.push(engine);
      return engine;
    },
    async spawnWorker(identity, { hold = false, ...options } = {}) {
      const all: EngineOptions = { ...defaults, url: args.url, role: "worker", identity, ...options };
      const worker = await WorkerHandle.spawn({ system: args.system, options: all, hold });
      workers.push(worker);
      return worker;
    },
    async timed(work): Promise<Timed> {
      const { result: units, usage } = await meter.measure(work);
      const memory = Math.max(peakMemory(), ...(await usages(workers)).map((worker) => worker.peakMemory));
      const resources: Record<string, number> = {
        nodeCpu: usage.nodeCpuMs / units,
        wal: usage.walBytes / units,
        peakMemory: memory / 2 ** 20,
      };
      if (usage.postgresCpuMs !== null) resources["postgresCpu"] = usage.postgresCpuMs / units;
      return { units, perSecond: (units / usage.wallMs) * 1000, usage, resources };
    },
    audit,
    async untilFinished() {
      while ((await audit()).unfinished > 0) await delay(lookEveryMs);
    },
  };

  const values = await definition.run(context);
  await Promise.all(workers.map((worker) => worker.close()));
  for (const engine of engines) await engine.close();
  return values;
}

/** Of the workers that live: one that was killed on purpose has nothing to say. */
async function usages(workers: readonly WorkerHandle[]): Promise<WorkerAnswer[]> {
  return await Promise.all(workers.filter((worker) => worker.alive).map((worker) => worker.usage()));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function report(message: CaseMessage): Promise<void> {
  await new Promise<void>((resolve) => process.send?.(message, () => resolve()));
}

process.on("disconnect", () => process.exit(1));

const args: CaseArguments = JSON.parse(process.argv[2] ?? "{}");
let code = 0;
try {
  const client = new Client({ connectionString: args.url });
  await client.connect();
  const values = args.caseId === null ? await measureRawLimits(args.url, args.quick) : await runCase(args, client);
  await client.end();
  await report({ type: "result", values });
} catch (error) {
  code = 1;
  await report({ type: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
// Not by itself: a system may keep a timer or a connection, and worker processes end when this one does.
process.exit(code);
