/** Moves money in transactions, and kills itself before or after one of their commits, or with the answer lost. */
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";
import { makeMover } from "./mover.mjs";

const { url, at } = /** @type {{ url: string, at: "before the SQL" | "after the SQL" | "before the reply" | "after the reply" }} */ (options);
const kill = () => process.kill(process.pid, "SIGKILL");

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (at === "before the reply" && name === "transaction" && phase === "after") kill();
  // The next thing that is written after the transaction's result was heard of.
  if (at === "after the reply" && name === "commit" && phase === "before" && committed) kill();
}

let committed = false;
const mover = makeMover({
  beforeSql: () => at === "before the SQL" && kill(),
  afterSql: () => {
    committed = true;
    if (at === "after the SQL") kill();
  },
});
const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
await pawl.worker({ workflows: [mover], lease: "2s", pollInterval: 50 });
const handle = await pawl.start(mover, undefined, { executionId: "moved" });
await handle.result();
report("done", {});
await pawl.close();
