/** A process dies before or after a commit that makes, changes or deletes a schedule, the limits of a queue, or a retention policy: it happened whole or not at all. */
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { order, takeBack } from "../support/programs/settings.mjs";

const template = crashTemplate();

interface Left {
  /** The pattern of the schedule. */
  readonly cron?: string;
  readonly concurrency?: number;
  readonly keepMs?: number;
}

const ordered = { cron: "30 2 * * *", concurrency: 2, keepMs: 30 * 86_400_000 };

// Before each of them is as after the one before it.
const left: readonly (readonly [boundary: string, Left])[] = [
  ["create-schedule/before", {}],
  ["create-schedule/after", { cron: "0 2 * * *" }],
  ["change-schedule/after", { cron: "30 2 * * *" }],
  ["set-queue/after", { cron: "30 2 * * *", concurrency: 2 }],
  ["set-retention/after", ordered],
  ["delete-schedule/before", ordered],
  ["delete-schedule/after", { concurrency: 2, keepMs: ordered.keepMs }],
  ["delete-queue/after", { keepMs: ordered.keepMs }],
  ["delete-retention/after", {}],
];

test.each(left)("killed at %s", async (boundary, expected) => {
  const database = await template.copy();
  await runUntilKilled("settings.mjs", database.url, { kill: { boundary, occurrence: 1 } });
  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  const look = async (): Promise<Left> => {
    const [schedule] = (await pawl.schedules.list()).schedules;
    const queue = await pawl.queues.get("default");
    const [policy] = await pawl.retention.list();
    const cron = schedule?.timing.kind === "cron" ? schedule.timing.patterns[0] : undefined;
    return {
      ...(cron === undefined ? {} : { cron }),
      ...(typeof queue?.concurrency === "number" ? { concurrency: queue.concurrency } : {}),
      ...(typeof policy?.keepMs === "number" ? { keepMs: policy.keepMs } : {}),
    };
  };
  expect(await look()).toEqual(expected);
  // Who gave orders gives them again.
  await order(pawl);
  expect(await look()).toEqual(ordered);
  await takeBack(pawl);
  expect(await look()).toEqual({});
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});
