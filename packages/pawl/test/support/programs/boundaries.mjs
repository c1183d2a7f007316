/** Drives the workload with a worker in the same process, and kills itself at the n-th occurrence of a transaction boundary. */
import { appendFileSync } from "node:fs";
import { openPawl, silentLogger } from "pawl/internal";
import { countBoundaries } from "./kill-at.mjs";
import { options, report } from "./program.mjs";
import { drive, makeWorkflows, startSlow } from "./workload.mjs";

const { url, ledger, acknowledgements, kill } = /** @type {{ url: string, ledger: string, acknowledgements: string, kill?: import("./kill-at.mjs").Kill }} */ (
  options
);
const { reached, counts } = countBoundaries(kill);

/** @param {string} operation */
const acknowledge = (operation) => appendFileSync(acknowledgements, `${operation}\n`);

const workflows = makeWorkflows(ledger);
const pawl = await openPawl({ url, migrate: false, poolSize: 3, logger: silentLogger }, (name, phase) => reached(`${name}/${phase}`));
await pawl.worker({ workflows: Object.values(workflows), lease: "2s", pollInterval: 100 });
await drive(pawl, workflows, acknowledge);
await Promise.all([0, 1].map((n) => pawl.handle(`orphan-${n}`).result()));
await startSlow(pawl, workflows, acknowledge);
// In the middle of steps: what is left is given back.
await pawl.close({ drain: 0 });
report("boundaries", { counts: counts() });
