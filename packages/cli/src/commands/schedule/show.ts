import type { Command } from "commander";
import type { ScheduleDescription } from "pawl";
import { formatDuration } from "pawl/internal";
import { addGlobalOptions, examples } from "../../global-options.ts";
import type { Output } from "../../output.ts";
import { jsonText, printable, shorten } from "../../printable.ts";
import { withPawl } from "../../session.ts";
import { instants, timingText } from "./texts.ts";

const longestValue = 500;
const mostTimes = 5;

export function addShowScheduleCommand(group: Command): void {
  const command = group
    .command("show")
    .summary("show one schedule: its next times, what it waits for, its latest executions")
    .description("Shows one schedule: when it fires, under which policies, its next times, what waits, and its latest executions.")
    .argument("<id>", "id of the schedule")
    .addHelpText("after", examples([["pawl schedule show nightly --json | jq .nextTimes", "when does it fire next?"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const info = await pawl.schedules.get(id).describe();
        if (output.json) output.value(info);
        else output.lines(lines(info, output));
      });
    });
  addGlobalOptions(command);
}

function lines(info: ScheduleDescription, output: Output): string[] {
  const rows: [string, string][] = [
    ["Schedule", info.scheduleId],
    ["State", `${info.state}${info.note === null ? "" : ` (${info.note})`}`],
    ["Workflow", `${info.workflow}@${info.version} on ${info.taskQueue}`],
    ["Timeout", info.timeoutMs === null ? "" : formatDuration(info.timeoutMs)],
    ["Queue key", info.key ?? ""],
    ["Priority", info.priority === 0 ? "" : String(info.priority)],
    ["Labels", named(info.labels)],
    ["Attributes", named(info.attributes)],
    ["When", timingText(info.timing)],
    ["From", info.startAt === null ? "" : instants([info.startAt])],
    ["To", info.endAt === null ? "" : instants([info.endAt])],
    ["Overlap", info.overlap],
    ["Catch-up", formatDuration(info.catchUpMs)],
    ["Jitter", info.jitterMs === 0 ? "" : formatDuration(info.jitterMs)],
    ["Runs", `${info.runs}${info.maximumRuns === null ? "" : ` of ${info.maximumRuns}`}, ${info.skipped} skipped, ${info.missed} missed`],
    ["Next", instants(info.nextTimes.slice(0, mostTimes))],
    ["Open", info.open.join(", ")],
    ["Buffered", instants(info.buffered.slice(0, mostTimes)) + (info.buffered.length > mostTimes ? ` and ${info.buffered.length - mostTimes} more` : "")],
    ["Backfills", info.backfills.map(({ from, to, overlap }) => `${instants([from])} to ${instants([to])} (${overlap})`).join(", ")],
    ["Latest", info.recent.map(({ executionId }) => executionId).join(", ")],
    ["Input", info.input === undefined ? "" : shorten(jsonText(info.input), longestValue)],
  ];
  return rows.flatMap(([name, text]) => (text === "" ? [] : [`${output.paint.dim(name.padEnd(10))} ${printable(text)}`]));
}

function named(values: object): string {
  return Object.keys(values).length === 0 ? "" : shorten(jsonText(values), longestValue);
}
