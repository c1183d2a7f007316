import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { handled } from "../base/handled.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkStepName } from "../base/ids.ts";
import { currentAmbient } from "./ambient.ts";
import { stepKeys } from "./context-keys.ts";
import type { StepInPlaceOptions, StepOptions } from "./context.ts";
import { reusable, withArguments } from "./reusable-step.ts";
import { checkRetryPolicy } from "./retry-policy.ts";

const decoratorKeys = { ...stepKeys, name: true } satisfies KnownKeys<StepOptions & { readonly name?: string }>;

/**
 * A reusable step: inside a workflow a call is a durable step of that name, outside one it is the plain function.
 * The function reaches its attempt, signal and idempotency key through `stepContext()`.
 *
 * @example
 * const embed = step("embed", async (text: string) => model.embed(text), { retry: { maximumAttempts: 5 } });
 * // inside a workflow: const vector = await embed("hello");
 */
export function step<Arguments extends unknown[], Result>(
  name: string,
  fn: (...args: Arguments) => Result | Promise<Result>,
  options?: StepOptions,
): (...args: Arguments) => Promise<Result>;
/**
 * As a decorator, `@step()` makes an async method such a step, named after the method unless `name` says otherwise.
 */
export function step(options?: StepInPlaceOptions & { readonly name?: string }): StepDecorator;
export function step(
  nameOrOptions: string | (StepOptions & { readonly name?: string }) = {},
  fn?: (...args: unknown[]) => unknown,
  options: StepOptions = {},
): unknown {
  if (typeof nameOrOptions === "string") {
    const name = checkStepName(nameOrOptions, "step.name");
    if (typeof fn !== "function") throw new OptionInvalid(`step "${name}"`, "takes a function as its second argument");
    checkStepOptions(options, stepKeys, `step "${name}"`);
    const call = async (...args: unknown[]): Promise<unknown> =>
      callStep(
        name,
        withArguments(() => fn(...args), args),
        options,
      );
    return reusable({ name, fn, options }, (...args: unknown[]) => handledInWorkflow(call(...args)));
  }
  checkStepOptions(nameOrOptions, decoratorKeys, "@step");
  const { name: given, ...stepOptions } = nameOrOptions;
  if (stepOptions.taskQueue !== undefined)
    throw new OptionInvalid(
      "@step.taskQueue",
      `a method cannot run on another queue, where its object is not. Make it a function with step("${given ?? "name"}", fn, { taskQueue: "${stepOptions.taskQueue}" })`,
    );
  const decorator: StepDecorator = (method, context) => {
    const name = checkStepName(given ?? String(context.name), "step.name");
    return function (...args) {
      return handledInWorkflow(callStep(name, () => method.apply(this, args), stepOptions));
    };
  };
  return decorator;
}

export type StepDecorator = <This, Arguments extends unknown[], Result>(
  method: (this: This, ...args: Arguments) => Promise<Result>,
  context: ClassMethodDecoratorContext<This, (this: This, ...args: Arguments) => Promise<Result>>,
) => (this: This, ...args: Arguments) => Promise<Result>;

/** Outside of a workflow a rejection that nobody waits for is that of the plain function. */
function handledInWorkflow<Result>(called: Promise<Result>): Promise<Result> {
  return currentAmbient()?.kind === "workflow" ? handled(called) : called;
}

/** Where the step is defined; what they hold is checked where it is called. @throws OptionInvalid */
function checkStepOptions(options: StepOptions, known: Readonly<Record<string, true>>, path: string): void {
  checkKeys(options, known, path);
  if (options.retry !== undefined) checkRetryPolicy(options.retry, `${path}.retry`);
}

/** The one mechanism behind `step()` and `@step()`. */
export async function callStep<Result>(name: string, fn: () => Result | Promise<Result>, options: StepOptions): Promise<Result> {
  const ambient = currentAmbient();
  return ambient?.kind === "workflow" ? ambient.context.step(name, fn, options) : fn();
}
