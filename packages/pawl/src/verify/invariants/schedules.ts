import type { ScheduleLink } from "../../kernel/event.ts";
import { wakeOf, type Wake } from "../../kernel/schedule/advance.ts";
import type { ScheduleDefinition, ScheduleState } from "../../kernel/schedule/definition.ts";
import { instantText, scheduledExecutionId } from "../../kernel/schedule/execution-id.ts";
import { Timetable } from "../../kernel/schedule/timetable.ts";
import type { Invariant, VerifyContext } from "../invariant.ts";
import { about, type ScheduleView } from "../rows.ts";

const hourMs = 3_600_000;
/** What processes know of time zones may differ. */
const toleranceMs = 24 * hourMs;
/** After an outage there is much to do at once. */
const neglectedMs = 72 * hourMs;

/**
 * I13. At most one execution for each instant of a schedule, and somebody looks when the next instant comes. The id of an
 * execution is made of its schedule and instant, and ids are unique (I8): so each execution that names a schedule,
 * and is no copy of another, has to have that id. Somebody looks at it within three days of its time, as long as there is a worker.
 * Overlap and catch-up are not judged: a schedule's definition may have been another one at the time.
 */
export const scheduleTicks: Invariant = {
  id: "I13",
  title: "Schedules tick once",
  check(tally, context) {
    for (const schedule of context.schedules) {
      tally.looked();
      const problem = wakeProblem(schedule, context) ?? neglect(schedule, context);
      if (problem !== undefined) tally.violated({ detail: `schedule ${schedule.scheduleId}: ${problem}` });
    }
    return {
      run(view) {
        const first = view.events[0]?.event;
        if (first?.type !== "ExecutionStarted" || first.schedule === undefined || first.schedule.copied === true) return;
        tally.looked();
        const problem = linkProblem(view.run.executionId, first.schedule) ?? (first.parent === undefined ? undefined : "it has a parent, too");
        if (problem !== undefined) tally.violated({ ...about(view), detail: problem });
      },
    };
  },
};

function linkProblem(executionId: string, { scheduleId, at, triggered }: ScheduleLink): string | undefined {
  const time = Date.parse(at);
  if (Number.isNaN(time) || instantText(time) !== at) return `it was started for "${at}", which is not an instant`;
  if (triggered === true)
    return executionId.startsWith(`${scheduleId}:trigger:`) ? undefined : `it was triggered, and its id is not one of schedule ${scheduleId}`;
  return executionId === scheduledExecutionId(scheduleId, time) ? undefined : `it was started for ${at} of schedule ${scheduleId}, which its id does not say`;
}

/** A schedule with something left to do has to be found by the due query some day, and when its time comes. */
function wakeProblem({ scheduleId, definition, state, nextFireAt, waiting, open }: ScheduleView, { now }: VerifyContext): string | undefined {
  let wake: Wake;
  try {
    const parsed = { definition: JSON.parse(definition) as ScheduleDefinition, state: JSON.parse(state) as ScheduleState };
    wake = wakeOf({ scheduleId, ...parsed, timetable: new Timetable(parsed.definition, scheduleId), now }, open);
  } catch {
    return "its definition or state cannot be read";
  }
  if (wake.waiting && !waiting && nextFireAt === null) return `instants wait for ${open.join(", ")}, and nobody will look when that ends`;
  if (wake.nextFireAt === null || waiting) return undefined;
  const goesOn = `it goes on at ${instantText(Math.floor(wake.nextFireAt))}`;
  if (nextFireAt === null) return `${goesOn}, and nobody will look then`;
  return nextFireAt > wake.nextFireAt + toleranceMs ? `${goesOn}, and nobody will look before ${instantText(Math.floor(nextFireAt))}` : undefined;
}

/** Whether a worker was told to leave schedules alone is not in its row; at least one of a namespace has to look. */
function neglect({ namespace, nextFireAt }: ScheduleView, { live, now, workers }: VerifyContext): string | undefined {
  if (!live || nextFireAt === null || nextFireAt > now - neglectedMs) return undefined;
  const worker = workers.find((candidate) => candidate.namespace === namespace && candidate.startedAt < now - hourMs);
  return worker && `it was to be looked at ${instantText(Math.floor(nextFireAt))}, and worker ${worker.workerId} lives and has not done so`;
}
