/** An instant as it stands in ids and histories: ISO 8601, UTC, milliseconds only where there are any. */
export function instantText(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}

/**
 * The id of the execution for one instant of a schedule. Ids are unique in a namespace, so this is what allows at most one
 * execution for an instant, however many processes see that it is due.
 */
export function scheduledExecutionId(scheduleId: string, at: number): string {
  return `${scheduleId}:${instantText(at)}`;
}

/** The longest schedule id whose executions still have valid ids: 200 characters less those of an instant. */
export const scheduleIdLength = 150;
