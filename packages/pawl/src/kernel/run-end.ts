const endTypes: ReadonlySet<string> = new Set([
  "ExecutionCompleted",
  "ExecutionFailed",
  "ExecutionCancelled",
  "ExecutionTerminated",
  "ExecutionTimedOut",
  "ExecutionContinuedAsNew",
]);

/** Whether an event of this type ends its run: nothing comes after it. */
export function endsRun(type: string): boolean {
  return endTypes.has(type);
}
