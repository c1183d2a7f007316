import type { ScheduleDescription, Timing } from "pawl";
import { formatDuration } from "pawl/internal";
import { calendarText } from "../../calendar-option.ts";
import type { Output } from "../../output.ts";

/** What starts when, after it was made or changed. */
export function printWhen(info: ScheduleDescription, output: Output): void {
  if (output.json) return output.value(info);
  output.lines([`${info.scheduleId} starts ${info.workflow}@${info.version}: ${timingText(info.timing)}`]);
  output.remark(info.state === "paused" ? "It is paused." : `Next: ${instants(info.nextTimes.slice(0, 3)) || "never"}`);
}

/** When a schedule fires, for people. */
export function timingText(timing: Timing): string {
  switch (timing.kind) {
    case "cron":
      return `cron ${timing.patterns.join(", ")} (${timing.timeZone})`;
    case "interval":
      return `every ${formatDuration(timing.everyMs)}${timing.offsetMs === 0 ? "" : `, ${formatDuration(timing.offsetMs)} later`}`;
    case "dates":
      return `at ${instants(timing.at.slice(0, 3))}${timing.at.length > 3 ? ` and ${timing.at.length - 3} more` : ""}`;
    case "calendar":
      return `calendar ${timing.entries.map(calendarText).join("; ")} (${timing.timeZone})`;
  }
}

export function instants(times: readonly (Date | number)[]): string {
  return times.map((time) => new Date(time).toISOString().replace(".000Z", "Z")).join(", ");
}
