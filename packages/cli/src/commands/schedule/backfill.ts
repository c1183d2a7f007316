import type { Command } from "commander";
import type { BackfillOverlap } from "pawl";
import { addGlobalOptions, examples } from "../../global-options.ts";
import { withPawl } from "../../session.ts";
import { pointInTime } from "../../times.ts";

export function addBackfillCommand(group: Command): void {
  const command = group
    .command("backfill")
    .summary("start the instants of a past range that have no execution yet")
    .description("Starts an execution for every instant of a past range that has none yet, one after the other. Workers go through the range.")
    .argument("<id>", "id of the schedule")
    .requiredOption("--from <when>", 'first instant: "7d" ago, or a date')
    .option("--to <when>", "last instant (now)")
    .option("--overlap <policy>", 'buffer_all: one after the other, or allow_all: all at once ("buffer_all")')
    .addHelpText("after", examples([["pawl schedule backfill nightly --from 2026-11-01 --to 2026-11-07", "a week that was missed"]]))
    .action(async (id: string, flags: { readonly from: string; readonly to?: string; readonly overlap?: string }, self: Command) => {
      const from = pointInTime(flags.from, "--from");
      const given = flags.to === undefined ? undefined : pointInTime(flags.to, "--to");
      await withPawl(self, {}, async ({ pawl, output }) => {
        // This machine's clock may be a little ahead of the database's.
        const to = given ?? new Date(Date.now() - 1000);
        // The library checks that it is a policy.
        const overlap = flags.overlap === undefined ? {} : { overlap: flags.overlap as BackfillOverlap };
        await pawl.schedules.get(id).backfill({ from, to, ...overlap });
        if (output.json) output.value({ scheduleId: id, from, to });
        else output.lines([`${id} is being backfilled; see pawl schedule show ${id}`]);
      });
    });
  addGlobalOptions(command);
}
