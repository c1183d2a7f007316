import { setTimeout as delay } from "node:timers/promises";
import type { Case } from "../case.ts";
import { exactly } from "../drive.ts";

/**
 * Schedules that all fire at the same instant: how long after it the last of their executions has durably started, and how long
 * until the last has ended, with one worker process that looks for due schedules with its defaults. Only Pawl: DBOS runs a
 * loop for each schedule in every process.
 */
const schedules = 10_000;
const width = 100;
/** To make them takes some seconds; the instant must not come before. */
const leadMs = 60_000;
const lookEveryMs = 20;

export const scheduleStorm: Case = {
  id: "schedule-storm",
  title: "10,000 schedules at one instant",
  systems: ["pawl"],
  metrics: [
    { key: "started", label: "last started after", unit: "s", better: "lower" },
    { key: "completed", label: "last completed after", unit: "s", better: "lower" },
  ],
  async run(context) {
    const client = await context.open("client");
    const worker = await context.spawnWorker("worker-1");
    await worker.listen();
    const instant = Math.ceil((Date.now() + leadMs) / 1000) * 1000;
    await exactly(schedules, width, async (index) => client.scheduleAt?.(index, new Date(instant)));
    if (Date.now() >= instant) throw new Error("The instant came before all schedules were made.");
    await delay(instant - Date.now());
    let started: number | undefined;
    for (;;) {
      const { completed, unfinished } = await context.audit();
      const seconds = (Date.now() - instant) / 1000;
      if (started === undefined && completed + unfinished === schedules) started = seconds;
      if (completed === schedules) return { started: started ?? seconds, completed: seconds };
      if (completed + unfinished > schedules) throw new Error(`There are ${completed + unfinished} executions for ${schedules} schedules.`);
      await delay(lookEveryMs);
    }
  },
};
