import type { Case } from "./case.ts";
import { crossProcessLatency, sequentialLatency } from "./cases/latency.ts";
import { queue } from "./cases/queue.ts";
import { recovery } from "./cases/recovery.ts";
import { children, oneWorkflow } from "./cases/one-workflow.ts";
import { scheduleStorm } from "./cases/schedule-storm.ts";
import { sleeping } from "./cases/sleeping.ts";
import { emptyWorkflows, tenSteps } from "./cases/throughput.ts";

/** All cases, in the order of the table. */
export const cases: readonly Case[] = [
  sequentialLatency,
  emptyWorkflows(100),
  emptyWorkflows(500),
  tenSteps(100),
  tenSteps(500),
  oneWorkflow("sequential"),
  oneWorkflow("parallel"),
  children,
  queue(1),
  queue(2),
  queue(2, 50),
  queue(2, 150),
  crossProcessLatency,
  recovery,
  sleeping,
  scheduleStorm,
];
