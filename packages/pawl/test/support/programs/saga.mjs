/** Runs a saga that fails and undoes what it did, and kills itself at the n-th occurrence of a transaction boundary, or in a step. */
import { openPawl, silentLogger } from "pawl/internal";
import { countBoundaries } from "./kill-at.mjs";
import { options, report } from "./program.mjs";
import { makeTrip } from "./trip.mjs";

const { url, ledger, kill } = /** @type {{ url: string, ledger: string, kill?: import("./kill-at.mjs").Kill }} */ (options);
const { reached, counts } = countBoundaries(kill);

const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, (name, phase) => {
  if (name === "commit") reached(`${name}/${phase}`);
});
const trip = makeTrip(ledger, reached);
await pawl.worker({ workflows: [trip], lease: "2s", pollInterval: 50 });
const handle = await pawl.start(trip, undefined, { executionId: "trip" });
await handle.result().catch(() => {});
await pawl.close();
report("boundaries", { counts: counts() });
