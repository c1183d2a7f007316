/** Executions that a fault starts itself, with the same record as those of the base load. */
import { openPawl, silentLogger } from "pawl/internal";
import { effectsAt } from "../effects.ts";
import { Recorder } from "../recorder.ts";
import type { Rig } from "../rig.ts";
import { makeWorkflows } from "../workflows.ts";

export type WorkflowName = keyof ReturnType<typeof makeWorkflows>;

/** Definitions for starting by; their steps run in the workers. */
export const workflows = makeWorkflows(effectsAt(""), 0);

/** A client of the rig's own, straight to the database. */
export async function withRecorder<Result>(rig: Rig, name: string, work: (recorder: Recorder) => Promise<Result>): Promise<Result> {
  const pawl = await openPawl({ url: rig.url, migrate: false, poolSize: 2, logger: silentLogger });
  try {
    return await work(new Recorder(name, pawl, rig.ownLog));
  } finally {
    await pawl.close();
  }
}

let clients = 0;

export async function startOwn(rig: Rig, workflow: WorkflowName, executionId: string, n: number): Promise<void> {
  await withRecorder(rig, `rig-${++clients}`, (recorder) => recorder.start(workflows[workflow], { n, ms: 20 }, { executionId }));
}
