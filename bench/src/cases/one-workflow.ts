import type { Case, CaseContext } from "../case.ts";
import { stepResult } from "../counters.ts";
import { expectEqual, oneByOne } from "../drive.ts";
import type { Engine } from "../engine.ts";

/** One large workflow at a time: 1,000 steps or children inside each. */
const size = 1000;

async function repeat(durationMs: number, engine: Engine, workflow: "sequential" | "parallel" | "parent", expected: number): Promise<number> {
  const latencies = await oneByOne(durationMs, 1, async () => {
    const handle = await engine.start(workflow, size);
    expectEqual("result", await handle.result(), expected);
  });
  return latencies.length;
}

async function warmAndTime(context: CaseContext, run: (durationMs: number) => Promise<number>): Promise<{ runs: number; values: Record<string, number> }> {
  const warm = await run(context.scale.warmUpMs);
  let runs = 0;
  const timed = await context.timed(async () => {
    runs = await run(context.scale.timedMs);
    return runs * size;
  });
  return { runs: warm + runs, values: { rate: timed.perSecond, ...timed.resources } };
}

export function oneWorkflow(order: "sequential" | "parallel"): Case {
  return {
    id: `${order}-steps`,
    title: `one workflow of 1,000 ${order} steps`,
    systems: ["pawl", "dbos"],
    resourcesPer: "step",
    metrics: [
      {
        key: "rate",
        label: "",
        unit: "steps/s",
        better: "higher",
        rawLimit: (raw) => (order === "sequential" ? raw.commitsPerSecond : raw.steps500),
      },
    ],
    async run(context) {
      const engine = await context.open("both");
      const { runs, values } = await warmAndTime(context, (ms) => repeat(ms, engine, order, size * stepResult.length));
      const audit = await context.audit();
      expectEqual("completed executions", audit.completed, runs);
      expectEqual("recorded steps", audit.steps, runs * size);
      return values;
    },
  };
}

export const children: Case = {
  id: "children",
  title: "one workflow with 1,000 children",
  systems: ["pawl", "dbos"],
  resourcesPer: "workflow",
  metrics: [{ key: "rate", label: "", unit: "children/s", better: "higher", rawLimit: (raw) => raw.workflows500 }],
  async run(context) {
    const engine = await context.open("both");
    const { runs, values } = await warmAndTime(context, (ms) => repeat(ms, engine, "parent", (size * (size - 1)) / 2));
    const audit = await context.audit();
    expectEqual("completed executions", audit.completed, runs * (size + 1));
    expectEqual("unfinished executions", audit.unfinished, 0);
    return values;
  },
};
