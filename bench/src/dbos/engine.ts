import { performance } from "node:perf_hooks";
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
import { toAudit, type Audit, type Engine, type EngineOptions, type Handle, type Query, type WorkflowName } from "../engine.ts";
import { workflows } from "./workflows.ts";

/**
 * DBOS, tuned as well as we know: its default pool of 10 (5, 20 and 50 are no better on two cores), tracing off, errors
 * logged only, queues and results polled every few milliseconds instead of every second, a bounded queue, which drains
 * faster than an unbounded one, and recovery through that queue instead of its internal one, which polls every second.
 */
const application = "bench";
const queue = "bench";
const poolSize = 10;

function configure(options: EngineOptions): void {
  DBOS.setConfig({
    name: application,
    systemDatabaseUrl: options.url,
    systemDatabasePoolSize: poolSize,
    logLevel: "error",
    tracingEnabled: false,
    // Fixed, because recovery and queues only look at workflows of their own version.
    applicationVersion: "1",
    executorID: options.identity,
  });
}

export async function open(options: EngineOptions): Promise<Engine> {
  if (options.role === "both") return await openBoth(options);
  if (options.role === "client") return await openClient(options);
  return openWorker(options);
}

async function openBoth(options: EngineOptions): Promise<Engine> {
  configure(options);
  await DBOS.launch();
  return {
    start: async (workflow, input): Promise<Handle> => {
      const handle = await DBOS.startWorkflow(workflows[workflow])(input);
      return { result: async () => await handle.getResult() };
    },
    listen: async () => 0,
    unlisten: async () => undefined,
    close: async () => await DBOS.shutdown(),
  };
}

async function openClient(options: EngineOptions): Promise<Engine> {
  await DBOS.migrate(options.url);
  const client = await DBOSClient.create({
    systemDatabaseUrl: options.url,
    systemDatabasePoolSize: poolSize,
    applicationName: application,
  });
  // Registered before any worker launches: a worker looks for new queues only once a second.
  await client.registerQueue(queue, {
    workerConcurrency: options.concurrency,
    minPollingIntervalMs: options.pollIntervalMs,
  });
  const pollingIntervalMs = options.pollIntervalMs;
  return {
    start: async (workflow: WorkflowName, input: number): Promise<Handle> => {
      const handle = await client.enqueue<(value: number) => Promise<number>>({ queueName: queue, workflowName: workflow }, input);
      return { result: async () => await handle.getResult({ pollingIntervalMs }) };
    },
    listen: async () => 0,
    unlisten: async () => undefined,
    close: async () => await client.destroy(),
  };
}

function openWorker(options: EngineOptions): Engine {
  return {
    start: () => Promise.reject(new Error("A worker process starts nothing itself.")),
    listen: async () => {
      configure(options);
      const begin = performance.now();
      await DBOS.launch();
      return performance.now() - begin;
    },
    unlisten: async () => await DBOS.shutdown(),
    close: async () => await DBOS.shutdown(),
  };
}

export async function audit(query: Query): Promise<Audit> {
  return toAudit(
    await query(`
    select (select count(*) from dbos.workflow_status where status = 'SUCCESS') as completed,
           (select count(*) from dbos.workflow_status where status <> 'SUCCESS') as unfinished,
           (select count(*) from dbos.operation_outputs where function_name = 'work' and output is not null) as steps,
           (select count(*) from dbos.operation_outputs where function_name = 'DBOS.sleep') as sleeping`),
  );
}
