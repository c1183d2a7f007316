import type { StepOptions } from "./context.ts";

/** What `step(name, fn, options)` was called with. */
export interface StepDefinition {
  readonly name: string;
  readonly fn: (...args: never[]) => unknown;
  readonly options: StepOptions;
}

/** By the functions that `step(name, fn)` gave. */
const definitions = new WeakMap<object, StepDefinition>();

export function reusable<Step extends object>(definition: StepDefinition, step: Step): Step {
  definitions.set(step, definition);
  // By this a program that loads files of steps knows those that run on another queue, whichever copy of the library made them.
  const { taskQueue } = definition.options;
  return taskQueue === undefined ? step : Object.defineProperties(step, { name: { value: definition.name }, taskQueue: { value: taskQueue } });
}

/** What a step made by `step(name, fn)` is; undefined for any other function. */
export function reusableStep(step: unknown): StepDefinition | undefined {
  return typeof step === "function" ? definitions.get(step) : undefined;
}

/** The name of a step made by `step(name, fn)`; undefined for any other function. */
export function reusableStepName(step: unknown): string | undefined {
  return reusableStep(step)?.name;
}

/** A call of a reusable step on its way to its attempt. */
interface CallWithArguments {
  stepArguments?: readonly unknown[];
}

/** Leaves the arguments where a mock finds them, and a step that runs elsewhere. */
export function withArguments<Call extends (...args: never[]) => unknown>(call: Call, args: readonly unknown[]): Call {
  // A property costs nothing; a map entry for each call would.
  (call as CallWithArguments).stepArguments = args;
  return call;
}

/** What a reusable step was called with; undefined for a step that was written in place. */
export function argumentsOf(call: object): readonly unknown[] | undefined {
  return (call as CallWithArguments).stepArguments;
}
