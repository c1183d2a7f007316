import { OptionInvalid } from "../base/errors.ts";

const longestReason = 2000;

/** A text that is kept with what was asked for. @throws OptionInvalid */
export function checkReason(reason: string | undefined): string | undefined {
  if (reason !== undefined && (typeof reason !== "string" || reason.length > longestReason)) {
    throw new OptionInvalid("reason", `must be a text of at most ${longestReason} characters`);
  }
  return reason;
}
