import { defineWorkflow, type Workflow } from "pawl";
import { counts, firstStep, holdingStep, plainStep } from "../counters.ts";
import type { WorkflowName } from "../engine.ts";

/** The workflows of `engine.ts` for Pawl; `dbos/workflows.ts` has the same ones in the same order. */

const empty = defineWorkflow({
  name: "empty",
  run: (_ctx, input: number) => {
    counts.finished += 1;
    return input;
  },
});

const sequential = defineWorkflow({
  name: "sequential",
  async run(ctx, steps: number) {
    let bytes = 0;
    for (let i = 0; i < steps; i += 1) {
      bytes += (await ctx.step("work", plainStep)).length;
    }
    return bytes;
  },
});

const parallel = defineWorkflow({
  name: "parallel",
  async run(ctx, steps: number) {
    const items = Array.from({ length: steps }, (_, index) => index);
    const results = await ctx.map(items, () => ctx.step("work", plainStep));
    return results.reduce((bytes, result) => bytes + result.length, 0);
  },
});

const parent = defineWorkflow({
  name: "parent",
  async run(ctx, children: number) {
    const items = Array.from({ length: children }, (_, index) => index);
    const results = await ctx.map(items, (item) => ctx.child(empty, item));
    return results.reduce((sum, result) => sum + result, 0);
  },
});

const recoverable = defineWorkflow({
  name: "recoverable",
  async run(ctx, input: number) {
    await ctx.step("work", firstStep);
    await ctx.step("work", holdingStep);
    await ctx.step("work", plainStep);
    counts.finished += 1;
    return input + 3;
  },
});

const sleeper = defineWorkflow({
  name: "sleeper",
  async run(ctx, seconds: number) {
    await ctx.sleep(seconds * 1000);
    return seconds;
  },
});

export const workflows: Readonly<Record<WorkflowName, Workflow<number, number>>> = {
  empty,
  sequential,
  parallel,
  parent,
  recoverable,
  sleeper,
};
