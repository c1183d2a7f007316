/** Starts executions one after the other in several lanes, runs them in the same process, and notes every answered start. */
import { appendFileSync } from "node:fs";
import { openPawl } from "pawl/internal";
import { makeCases } from "./cases.mjs";
import { options, report, serve } from "./program.mjs";

const {
  name,
  ledger,
  acknowledgements,
  pawl: pawlOptions,
} = /** @type {{ name: string, ledger: string, acknowledgements: string, pawl: import("pawl").PawlOptions }} */ (options);

const pawl = await openPawl(pawlOptions);
const { steady } = makeCases(ledger);
const worker = await pawl.worker({ workflows: [steady], pollInterval: 100 });
const finishing = new AbortController();
let started = 0;

async function lane() {
  while (!finishing.signal.aborted) {
    const executionId = `${name}-${started++}`;
    await pawl.start(steady, { steps: 2, ms: 10 }, { executionId });
    appendFileSync(acknowledgements, `${executionId}\n`);
  }
}

const lanes = Promise.all(Array.from({ length: 4 }, lane));
// A start that is refused is a failure of the test, not something to go on after.
lanes.catch((/** @type {unknown} */ error) => {
  report("failed", { error: String(error) });
  process.exit(1);
});

serve({
  finish: async () => {
    finishing.abort();
    await lanes;
    for (let n = 0; n < started; n++) await pawl.handle(`${name}-${n}`).result({ timeout: "60s" });
    return { started, staleWritesRejected: worker.health().staleWritesRejected };
  },
  close: async () => {
    await pawl.close();
    process.stdin.destroy();
  },
});
report("ready");
