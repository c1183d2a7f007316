/** Writes to streams from workflow code and from steps, and kills itself around one of its commits. */
import { openPawl, silentLogger } from "pawl/internal";
import { options, report } from "./program.mjs";
import { makeTeller } from "./teller.mjs";

const { url, kill } = /** @type {{ url: string, kill?: { phase: "before" | "after", occurrence: number } }} */ (options);
let commits = 0;

/** @param {string} name @param {"before" | "after"} phase */
function intercept(name, phase) {
  if (name !== "commit") return;
  if (phase === "before") commits++;
  if (kill?.phase === phase && kill.occurrence === commits) process.kill(process.pid, "SIGKILL");
}

const teller = makeTeller();
const pawl = await openPawl({ url, migrate: false, poolSize: 2, logger: silentLogger }, intercept);
await pawl.worker({ workflows: [teller], lease: "2s", pollInterval: 50 });
const handle = await pawl.start(teller, undefined, { executionId: "told" });
await handle.result();
report("commits", { commits });
await pawl.close();
