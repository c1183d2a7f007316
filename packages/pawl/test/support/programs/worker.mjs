/** A worker on a database or an embedded directory, with the workflows of `cases.mjs`. */
import { openPawl } from "pawl/internal";
import { makeCases } from "./cases.mjs";
import { options, report, serve } from "./program.mjs";

const {
  ledger,
  temper,
  pawl: pawlOptions,
  worker: workerOptions,
} = /** @type {{ ledger: string, temper?: import("./cases.mjs").Temper, pawl: import("pawl").PawlOptions, worker?: Omit<import("pawl").WorkerOptions, "workflows"> }} */ (
  options
);

const pawl = await openPawl(pawlOptions);
const cases = makeCases(ledger, temper);
const worker = await pawl.worker({ workflows: Object.values(cases), ...workerOptions });
serve({
  health: () => ({ ...worker.health() }),
  close: async () => {
    await pawl.close();
    process.stdin.destroy();
  },
});
report("ready", { workerId: worker.workerId });
