/** The names of the functions that `step(name, fn)` gave. */
const names = new WeakMap<object, string>();

export function reusable<Step extends object>(name: string, step: Step): Step {
  names.set(step, name);
  return step;
}

/** The name of a step made by `step(name, fn)`; undefined for any other function. */
export function reusableStepName(step: unknown): string | undefined {
  return typeof step === "function" ? names.get(step) : undefined;
}

/** A call of a reusable step on its way to its attempt. */
interface CallWithArguments {
  stepArguments?: readonly unknown[];
}

/** Leaves the arguments where a mock finds them. */
export function withArguments<Call extends () => unknown>(call: Call, args: readonly unknown[]): Call {
  // A property costs nothing; a map entry for each call would.
  (call as CallWithArguments).stepArguments = args;
  return call;
}

/** What a reusable step was called with; undefined for a step that was written in place. */
export function argumentsOf(call: object): readonly unknown[] | undefined {
  return (call as CallWithArguments).stepArguments;
}
