/** Pauses, resumes, rolls back and forks, and kills itself at the first occurrence of a transaction boundary. */
import { openPawl, silentLogger } from "pawl/internal";
import { makeControlled } from "./controlled.mjs";
import { options, report } from "./program.mjs";

const { url, ledger, kill } = /** @type {{ url: string, ledger: string, kill: string }} */ (options);

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (kill === `${name}/${phase}`) process.kill(process.pid, "SIGKILL");
}

/** @param {() => Promise<boolean>} ask */
async function until(ask) {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** @type {() => void} */
let end = () => {};
const workflow = makeControlled(ledger, new Promise((resolve) => (end = () => resolve(undefined))));
const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
await pawl.worker({ workflows: [workflow], lease: "2s", pollInterval: 50 });
const first = await pawl.start(workflow, { waits: false }, { executionId: "first" });
await until(async () => (await first.status()).waitingFor !== null);
await first.pause({ reason: "by the test" });
await first.resume();
const busy = await pawl.start(workflow, { waits: true }, { executionId: "busy" });
await until(async () => (await busy.history()).some(({ event }) => event.type === "StepStarted"));
await busy.pause();
end();
await until(async () => (await busy.status()).state === "paused");
await first.rollback({ to: { step: "one" } });
await first.fork({ from: { step: "one" }, executionId: "copy" });
await pawl.close({ drain: 0 });
report("done", {});
