import { Pawl } from "pawl";
import { toAudit, type Audit, type Engine, type EngineOptions, type Query, type WorkflowName } from "../engine.ts";
import { workflows } from "./workflows.ts";

/** Pawl with its defaults; only the concurrency is what the case asks for, and errors alone are logged, as for DBOS. */
const logger = { info: () => undefined, warn: () => undefined, error: (message: string) => console.error(message) };
const all = Object.values(workflows);

export async function open(options: EngineOptions): Promise<Engine> {
  const pawl = await Pawl.open({ url: options.url, logger });
  let worker: Awaited<ReturnType<typeof pawl.worker>> | undefined;
  const listen = async (): Promise<number> => {
    worker = await pawl.worker({ workflows: all, concurrency: options.concurrency });
    // It may have claimed before it said so: all of the time counts.
    return 0;
  };
  if (options.role === "both") await listen();
  return {
    start: async (workflow: WorkflowName, input: number) => await pawl.start(workflows[workflow], input),
    async scheduleAt(input, at) {
      await pawl.schedules.create({ scheduleId: `storm-${input}`, workflow: workflows.empty, input, calendar: { dates: [at] } });
    },
    limit: async (concurrency) => pawl.queues.set("default", { concurrency }),
    listen,
    unlisten: async () => {
      await worker?.stop();
      worker = undefined;
    },
    close: async () => await pawl.close(),
  };
}

export async function audit(query: Query): Promise<Audit> {
  return toAudit(
    await query(`
    select (select count(*) from pawl.executions where state = 'completed') as completed,
           (select count(*) from pawl.executions where state <> 'completed') as unfinished,
           (select count(*) from pawl.history where type = 'StepCompleted') as steps,
           (select count(*) from pawl.tasks where visible_at > now() + interval '10 minutes') as sleeping`),
  );
}
