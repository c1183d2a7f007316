import type { Processes } from "./processes.ts";
import { settleMs, type Scene } from "./scene.ts";
import { Violation } from "./violation.ts";

/** So long there are faults again. */
const faultsMs = 3000;

/** I24: when no policy keeps anything, everything goes, whole, whatever goes wrong meanwhile; nothing is left over. */
export async function forgetAll({ database, world, transport, watch, failure }: Scene, processes: Processes): Promise<void> {
  if (failure.first !== undefined) return;
  watch.monitor.mayForget = true;
  transport.faultsOn = true;
  const ask = (): void => {
    for (const client of processes.clients) client.forget().catch((error: unknown) => failure.add(error));
  };
  ask();
  world.schedule(faultsMs, "script", undefined, "faults end", () => {
    transport.faultsOn = false;
    processes.wakeAll();
  });
  // Again and again: who stood still when everything had ended may start something only now.
  const askAgain = (): void => {
    ask();
    world.schedule(3000, "script", undefined, "forget", askAgain);
  };
  world.schedule(faultsMs + 1, "script", undefined, "forget", askAgain);
  // The database's clock may have been set back, and then nothing has ended yet; nor has what is started only now.
  const done = (): boolean => failure.first !== undefined || watch.monitor.executions.size === 0;
  await world.run(done, world.now + settleMs + world.steppedBackMs);
  if (failure.first !== undefined) return;
  const left = await database.read<{ readonly what: string }>(
    "SELECT 'execution ' || execution_id AS what FROM executions UNION ALL SELECT 'run ' || run_id FROM past_runs UNION ALL SELECT 'event of ' || run_id FROM history UNION ALL SELECT 'chunk of ' || execution_id FROM stream_chunks",
  );
  const [first] = left;
  if (first !== undefined && world.steppedBackMs === 0) throw new Violation("I24", `${left.length} rows are left of what nobody keeps, such as ${first.what}`);
}
