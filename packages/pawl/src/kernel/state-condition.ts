import { OptionInvalid } from "../base/errors.ts";
import { handled } from "../base/handled.ts";

/** Whether a condition of `ctx.until` is so. @throws OptionInvalid if it gives a promise, which would always count as so; what it throws */
export function isSo(condition: () => boolean): boolean {
  const answer: unknown = handled(condition());
  if (answer instanceof Promise)
    throw new OptionInvalid(
      "ctx.until",
      "takes a function that says at once whether it is so, no asynchronous one: look into ctx.state, and ask elsewhere in a step",
    );
  return Boolean(answer);
}
