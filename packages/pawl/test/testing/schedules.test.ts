import { defineWorkflow } from "pawl";
import { TestPawl } from "pawl/testing";
import { expect, test } from "vitest";

test("a schedule fires in skipped time", async () => {
  const pawl = await TestPawl.open();
  try {
    const daily = defineWorkflow({ name: "daily", run: async (ctx) => ctx.schedule?.at.toISOString() });
    await pawl.worker({ workflows: [daily] });
    const schedule = await pawl.schedules.create({ scheduleId: "daily", workflow: daily, cron: "0 12 * * *", timeZone: "UTC" });
    const before = await schedule.describe();
    await pawl.time.advance("3 days");
    const { executions } = await pawl.list({ workflow: "daily" });
    expect(executions.map(({ state }) => state)).toEqual(["completed", "completed", "completed"]);
    expect(before.nextTimes.length).toBeGreaterThan(0);
  } finally {
    await pawl.close();
  }
});
