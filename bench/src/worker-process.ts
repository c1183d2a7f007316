import { counts, hold } from "./counters.ts";
import { loadEngine } from "./engine.ts";
import { nodeCpuMs, peakMemory } from "./measure.ts";
import type { WorkerArguments, WorkerMessage, WorkerRequest, WorkerAnswer } from "./messages.ts";

/** A process of its own that runs executions: it does what `worker-handle.ts` asks and reports what it has run. */

const reportEveryMs = 5;

const args: WorkerArguments = JSON.parse(process.argv[2] ?? "{}");
hold.enabled = args.hold;

function send(message: WorkerMessage): void {
  // The channel is gone only when the scenario has ended without us; "disconnect" then ends this process.
  if (process.connected) process.send?.(message);
}

function answer(idleMs: number): WorkerAnswer {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { idleMs, cpuMs: nodeCpuMs(), peakMemory: peakMemory(), memory: { resident: rss, heap: heapUsed + external } };
}

function fail(error: unknown): void {
  send({ type: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

process.on("disconnect", () => process.exit(1));
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

const engine = await (await loadEngine(args.system)).open(args.options);

async function handle(request: WorkerRequest): Promise<void> {
  const idleMs = request === "listen" ? await engine.listen() : 0;
  if (request === "unlisten") await engine.unlisten();
  if (request === "collect") globalThis.gc?.();
  if (request === "close") await engine.close();
  send({ type: "done", request, answer: answer(idleMs) });
  if (request === "close") process.disconnect();
}

process.on("message", (request: WorkerRequest) => void handle(request).catch(fail));

let reported = "";
setInterval(() => {
  const now = JSON.stringify(counts);
  if (now === reported) return;
  reported = now;
  send({ type: "counts", counts });
}, reportEveryMs);

send({ type: "ready" });
