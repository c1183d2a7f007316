import type { Timing } from "pawl";
import { formatDuration } from "pawl/internal";
import { calendarText } from "../../calendar-option.ts";

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
