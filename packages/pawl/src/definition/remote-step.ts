import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { WorkflowContext } from "./context.ts";
import { argumentsOf, reusableStep, withArguments } from "./reusable-step.ts";
import { defineWorkflow, type AnyWorkflow } from "./workflow.ts";

/** A reusable step, as `step(name, fn, options)` makes it. `never` is what lets steps of all arguments stand in one list. */
export type ReusableStep = (...args: never[]) => Promise<unknown>;

/**
 * A step that runs on another queue is an execution of its own, a child, of a workflow that has this one step: so it is claimed, leased,
 * fenced, limited, cancelled and quarantined like any other. Workers offer that workflow, so it reaches those that have the step.
 */
const prefix = "step:";

/** The name of the step that a workflow stands for; undefined for one that users have defined. */
export function remoteStepName(workflow: string): string | undefined {
  return workflow.startsWith(prefix) ? workflow.slice(prefix.length) : undefined;
}

/** What a parent starts. @param path names the step in errors */
export function remoteStep(name: string, fn: object, taskQueue: string, path: string): { readonly workflow: AnyWorkflow; readonly args: readonly unknown[] } {
  const args = argumentsOf(fn);
  if (args === undefined)
    throw new OptionInvalid(
      `${path}.taskQueue`,
      `only a reusable step can run on another queue, since another process has to have its function. Make it with step("${name}", fn, { taskQueue: "${taskQueue}" })`,
    );
  return { workflow: workflowOf(name, taskQueue, () => undefined), args };
}

/** What a worker that has these steps offers. @throws OptionInvalid for what `step()` did not make */
export function stepWorkflows(steps: readonly ReusableStep[]): readonly AnyWorkflow[] {
  if (!Array.isArray(steps)) throw new OptionInvalid("steps", "must be an array of reusable steps made by step(name, fn, options)");
  return steps.map((step: ReusableStep, index) => stepWorkflow(step, `steps[${index}]`));
}

function stepWorkflow(step: ReusableStep, path: string): AnyWorkflow {
  const made = reusableStep(step);
  if (made === undefined) throw new OptionInvalid(path, "must be a reusable step, made by step(name, fn, options)");
  const { name, fn, options } = made;
  const { taskQueue = "default", scheduleToStart: _, key: _key, priority: _priority, ...own } = options;
  return workflowOf(name, taskQueue, (ctx, args) =>
    ctx.step(
      name,
      withArguments(() => fn(...(args as never[])), args),
      own,
    ),
  );
}

function workflowOf(name: string, taskQueue: string, run: (ctx: WorkflowContext, args: readonly unknown[]) => unknown): AnyWorkflow {
  return defineWorkflow({
    name: prefix + checkName(name, `step "${name}".name`),
    taskQueue: checkName(taskQueue, `step "${name}".taskQueue`),
    run: async (ctx: WorkflowContext, args: readonly unknown[]) => run(ctx, args),
  });
}
