import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { defineWorkflow, workflowKeys, type AnyWorkflow, type Workflow, type WorkflowOptions } from "./workflow.ts";
import type { StandardSchemaV1 } from "@standard-schema/spec";

type Method<This, Arguments extends unknown[], Result> = (this: This, ...args: Arguments) => Promise<Result>;

type DecoratorOptions = Partial<WorkflowOptions> & { readonly input?: StandardSchemaV1 };

const decoratorKeys = { ...workflowKeys, input: true } satisfies KnownKeys<DecoratorOptions>;

/** Which methods of a class are workflows, by class metadata that decorators fill in before any instance exists. */
const workflowMethods = new WeakMap<object, DecoratorOptions>();

/**
 * Makes an async method of one input a workflow named after it. `workflowsOf(instance)` gives the definitions to hand to
 * `pawl.worker` and `pawl.start`; inside the method, `workflowContext()` gives the context.
 */
export function workflow(options: DecoratorOptions = {}) {
  checkKeys(options, decoratorKeys, "@workflow");
  return function <This, Input extends unknown[], Result>(
    method: Method<This, Input, Result>,
    _context: ClassMethodDecoratorContext<This, Method<This, Input, Result>>,
  ): void {
    workflowMethods.set(method, options);
  };
}

/** The definition each `@workflow()` method of `Instance` becomes. */
export type WorkflowsOf<Instance> = {
  readonly [Key in keyof Instance as Instance[Key] extends (input: never) => Promise<unknown> ? Key : never]: Instance[Key] extends (
    ...input: infer Input
  ) => Promise<infer Out>
    ? Workflow<Input extends [] ? undefined : Input[0], Out>
    : never;
};

const definitions = new WeakMap<object, object>();

/** The definitions of an instance's `@workflow()` methods, the same objects on every call. @throws OptionInvalid if it has none. */
export function workflowsOf<Instance extends object>(instance: Instance): WorkflowsOf<Instance> {
  const known = definitions.get(instance);
  if (known !== undefined) return known as WorkflowsOf<Instance>;
  const found: Record<string, AnyWorkflow> = {};
  for (
    let prototype: unknown = Object.getPrototypeOf(instance);
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype as object))) {
      const method: unknown = descriptor.value;
      if (typeof method !== "function" || key in found) continue;
      const options = workflowMethods.get(method);
      if (options === undefined) continue;
      found[key] = defineWorkflow({
        name: key,
        ...options,
        run: (_ctx: unknown, input: unknown) => (method as (input: unknown) => Promise<unknown>).call(instance, input),
      }) as AnyWorkflow;
    }
  }
  if (Object.keys(found).length === 0) {
    throw new OptionInvalid("workflowsOf", `${instance.constructor.name} has no method decorated with @workflow()`);
  }
  definitions.set(instance, Object.freeze(found));
  return found as unknown as WorkflowsOf<Instance>;
}
