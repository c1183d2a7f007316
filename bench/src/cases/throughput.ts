import type { Case } from "../case.ts";
import { stepResult } from "../counters.ts";
import { expectEqual, inFlight } from "../drive.ts";
import type { WorkflowName } from "../engine.ts";

/** Many executions in flight in one process: as soon as one has its result, the next one starts. */

interface Load {
  readonly workflow: WorkflowName;
  readonly width: number;
  readonly stepsEach: number;
  readonly input: (index: number) => number;
  readonly expected: (index: number) => number;
}

function runLoad({ workflow, width, stepsEach, input, expected }: Load): Case["run"] {
  return async (context) => {
    const engine = await context.open("both");
    const one = async (index: number): Promise<void> => {
      const handle = await engine.start(workflow, input(index));
      expectEqual("result", await handle.result(), expected(index));
    };
    const warm = await inFlight(context.scale.warmUpMs, width, one);
    let workflows = 0;
    const timed = await context.timed(async () => {
      workflows = await inFlight(context.scale.timedMs, width, one);
      return workflows * Math.max(1, stepsEach);
    });
    const audit = await context.audit();
    expectEqual("completed executions", audit.completed, warm + workflows);
    expectEqual("unfinished executions", audit.unfinished, 0);
    expectEqual("recorded steps", audit.steps, (warm + workflows) * stepsEach);
    return { rate: timed.perSecond, ...timed.resources };
  };
}

export function emptyWorkflows(width: 100 | 500): Case {
  return {
    id: `empty-${width}`,
    title: `empty workflows, ${width} in flight`,
    systems: ["pawl", "dbos"],
    resourcesPer: "workflow",
    metrics: [{ key: "rate", label: "", unit: "workflows/s", better: "higher", rawLimit: (raw) => raw[`workflows${width}`] }],
    run: runLoad({ workflow: "empty", width, stepsEach: 0, input: (index) => index, expected: (index) => index }),
  };
}

export function tenSteps(width: 100 | 500): Case {
  return {
    id: `steps-${width}`,
    title: `10-step workflows, ${width} in flight`,
    systems: ["pawl", "dbos"],
    resourcesPer: "step",
    metrics: [{ key: "rate", label: "", unit: "steps/s", better: "higher", rawLimit: (raw) => raw[`steps${width}`] }],
    run: runLoad({ workflow: "sequential", width, stepsEach: 10, input: () => 10, expected: () => 10 * stepResult.length }),
  };
}
