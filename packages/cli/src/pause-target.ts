import type { PauseScope } from "pawl";
import { UsageError } from "./failures.ts";

export interface TargetFlags {
  readonly taskQueue?: string;
  readonly workflow?: string;
}

/** What `pause` and `resume` are about: an execution by id, or a whole task queue or workflow. @throws UsageError */
export function pauseTarget(id: string | undefined, { taskQueue, workflow }: TargetFlags): string | PauseScope {
  if ([id, taskQueue, workflow].filter((given) => given !== undefined).length !== 1)
    throw new UsageError("OPTION_INVALID", "Name one thing: the id of an execution, --task-queue or --workflow.");
  return id ?? (taskQueue === undefined ? { workflow: workflow! } : { taskQueue });
}

/** In words. */
export function describeScope(scope: PauseScope): string {
  return "taskQueue" in scope ? `task queue ${scope.taskQueue}` : `workflow ${scope.workflow}`;
}
