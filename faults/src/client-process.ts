/** The clients of a run: one that starts and waits, one that starts again and reads, each over its own way to the database. */
import type { PawlOptions } from "pawl";
import { openPawl } from "pawl/internal";
import { options, report, serve } from "../../packages/pawl/test/support/programs/program.mjs";
import { effectsAt } from "./effects.ts";
import { JsonLines } from "./json-lines.ts";
import { Load } from "./load.ts";
import { Recorder } from "./recorder.ts";
import { makeWorkflows } from "./workflows.ts";

export interface ClientProcessOptions {
  readonly pawls: readonly [PawlOptions, PawlOptions];
  readonly log: string;
  readonly seed: number;
}

const { pawls, log, seed } = options as ClientProcessOptions;
const lines = new JsonLines(log);
const [writer, reader] = await Promise.all(pawls.map((pawl) => openPawl({ ...pawl, connectTimeout: "120s" })));
// Steps run in the workers; here only names and types are wanted.
const workflows = makeWorkflows(effectsAt(""), 0);
const load = new Load(new Recorder("writer", writer!, lines), new Recorder("reader", reader!, lines), workflows, seed);

serve({
  load: ({ perSecond }) => load.run(Number(perSecond)),
  enqueue: ({ count }) => load.enqueue(Number(count)),
  settle: () => load.settle(),
  close: async () => {
    await Promise.all([writer?.close(), reader?.close()]);
    process.exit(0);
  },
});
report("ready");
// The rig is gone.
process.stdin.on("end", () => process.exit(1));
