/** Drives the workload with a worker in the same process, and kills itself at the n-th occurrence of a transaction boundary. */
import { appendFileSync } from "node:fs";
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";
import { drive, makeWorkflows, startSlow } from "./workload.mjs";

const { url, ledger, acknowledgements, kill } =
  /** @type {{ url: string, ledger: string, acknowledgements: string, kill?: { boundary: string, occurrence: number } }} */ (options);
/** @type {Map<string, number>} */
const counts = new Map();

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  const boundary = `${name}/${phase}`;
  const count = (counts.get(boundary) ?? 0) + 1;
  counts.set(boundary, count);
  if (kill !== undefined && kill.boundary === boundary && kill.occurrence === count) process.kill(process.pid, "SIGKILL");
}

/** @param {string} operation */
const acknowledge = (operation) => appendFileSync(acknowledgements, `${operation}\n`);

const workflows = makeWorkflows(ledger);
const pawl = await openPawl({ url, migrate: false, poolSize: 3, logger: silentLogger }, intercept);
await pawl.worker({ workflows: Object.values(workflows), lease: "2s", pollInterval: 100 });
await drive(pawl, workflows, acknowledge);
await Promise.all([0, 1].map((n) => pawl.handle(`orphan-${n}`).result()));
await startSlow(pawl, workflows, acknowledge);
// In the middle of steps: what is left is given back.
await pawl.close({ drain: 0 });
report("boundaries", { counts: Object.fromEntries(counts) });
