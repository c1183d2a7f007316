import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Fault } from "../fault.ts";
import { readRuns } from "../recorded-runs.ts";
import { startOwn } from "./own-executions.ts";

/** Whoever takes all memory is held; a result that is too large may be refused before it does. */
const held = ["quarantined"];
const heldOrFailed = ["quarantined", "failed"];

export const outOfMemory: Fault = {
  id: "F18",
  title: "steps that take more memory than there is, and a result that is too large",
  options: { placement: { nodeOptions: ["--max-old-space-size=64"] } },
  async inject(rig) {
    rig.fleet.mayDie = true;
    for (const [workflow, ends] of [
      ["hoard", held],
      ["huge", heldOrFailed],
    ] as const) {
      await startOwn(rig, workflow, workflow, 1);
      rig.count(workflow);
      await waitFor(`${workflow} is held`, async () => ends.includes((await rig.stateOf(workflow)) ?? ""), 90_000).catch(() => {});
    }
    await rig.during(100, () => {}, rig.seconds / 4);
  },
  requirements: (rig) => [{ what: "processes that ran out of memory", count: rig.fleet.deaths.length, least: 3 }],
  async check(rig) {
    return (await readRuns(rig.url)).flatMap(({ executionId, state }) => {
      const allowed = executionId === "hoard" ? held : executionId === "huge" ? heldOrFailed : undefined;
      if (allowed !== undefined) return allowed.includes(state) ? [] : [`${executionId} is ${state}`];
      return state === "quarantined" ? [`${executionId} is quarantined, and did no harm`] : [];
    });
  },
};
