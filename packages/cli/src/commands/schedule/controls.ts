import type { Command } from "commander";
import { addGlobalOptions, examples } from "../../global-options.ts";
import { withPawl } from "../../session.ts";

/** pause, resume, trigger, stop-backfills and delete: each takes an id and does one thing. */
export function addScheduleControls(group: Command): void {
  addPauseOrResume(group, "pause", "start nothing more until it is resumed", "Stops a schedule from starting executions; those that run go on.", "source down");
  addPauseOrResume(
    group,
    "resume",
    "go on with what is buffered and the next instant from now",
    "Goes on with what is buffered and the next instant from now: what passed meanwhile is not started.",
    "it is back",
  );

  const trigger = group
    .command("trigger")
    .summary("start one execution now")
    .description("Starts one execution now, whatever else runs, also while the schedule is paused.")
    .argument("<id>", "id of the schedule")
    .addHelpText("after", examples([["pawl schedule trigger nightly", "do not wait for the night"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const { executionId } = await pawl.schedules.get(id).trigger();
        if (output.json) output.value({ scheduleId: id, executionId });
        else output.lines([executionId]);
      });
    });
  addGlobalOptions(trigger);

  const stop = group
    .command("stop-backfills")
    .summary("start nothing more of its backfills")
    .description("Starts nothing more of the schedule's backfills; executions that were started go on.")
    .argument("<id>", "id of the schedule")
    .addHelpText("after", examples([["pawl schedule stop-backfills nightly", "that was too long a range"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const stopped = await pawl.schedules.get(id).stopBackfills();
        if (output.json) output.value({ scheduleId: id, stopped });
        else output.lines([stopped === 0 ? `${id} had no backfill to stop` : `${id} is not backfilled any more`]);
      });
    });
  addGlobalOptions(stop);

  const remove = group
    .command("delete")
    .summary("delete a schedule; its executions go on")
    .description("Deletes a schedule with what it has buffered. Its executions go on.")
    .argument("<id>", "id of the schedule")
    .addHelpText("after", examples([["pawl schedule delete nightly", "no more nightly reports"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        await pawl.schedules.get(id).delete();
        if (output.json) output.value({ scheduleId: id, deleted: true });
        else output.lines([`${id} is deleted`]);
      });
    });
  addGlobalOptions(remove);
}

function addPauseOrResume(group: Command, name: "pause" | "resume", summary: string, description: string, note: string): void {
  const command = group
    .command(name)
    .summary(summary)
    .description(description)
    .argument("<id>", "id of the schedule")
    .option("--note <text>", "why; show tells it")
    .addHelpText("after", examples([[`pawl schedule ${name} nightly --note "${note}"`, summary]]))
    .action(async (id: string, flags: { readonly note?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = pawl.schedules.get(id);
        await handle[name](flags.note);
        const { state, nextTimes } = await handle.describe();
        if (output.json) output.value({ scheduleId: id, state, nextTimes });
        else output.lines([`${id} is ${state}`]);
      });
    });
  addGlobalOptions(command);
}
