/** A process dies before or after any of the commits that write to a stream: workflow code has written once, an attempt that completed all of its chunks. */
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants } from "../support/database.ts";
import { sessionsEnded } from "../support/killed-program.ts";
import { Program } from "../support/program.ts";
import { makeTeller, tokens } from "../support/programs/teller.mjs";
import { inParallel } from "../support/wait.ts";

const template = crashTemplate();

/** Gives how many attempts the step took, and whether the process was killed. */
async function killAndFinish(kill: { readonly phase: string; readonly occurrence: number }): Promise<{ readonly attempts: number; readonly killed: boolean }> {
  const database = await template.copy();
  const program = new Program("streams.mjs", { url: database.url, kill });
  const killed = (await program.exited).signal === "SIGKILL";
  await sessionsEnded(database.url);
  await checkInvariants(database.url);
  const teller = makeTeller();
  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 2, logger: silentLogger });
  await pawl.worker({ workflows: [teller], pollInterval: 20 });
  const handle = await pawl.start(teller, undefined, { executionId: "told" });
  const chunks = [];
  for await (const chunk of handle.stream("s")) chunks.push(chunk);
  await handle.result({ timeout: "2 minutes" });
  await pawl.close();
  await checkInvariants(database.url);
  expect(chunks.map(({ offset }) => offset)).toEqual(chunks.map((_, index) => index));
  expect(chunks.filter(({ step }) => step === undefined).map(({ value }) => value)).toEqual(["first", "beside", "last"]);
  const written = new Map<number, unknown[]>();
  for (const { step, value } of chunks) if (step !== undefined) written.set(step.attempt, [...(written.get(step.attempt) ?? []), value]);
  const all = Array.from({ length: tokens }, (_, index) => index);
  // Those that died wrote a beginning, the last one everything.
  for (const values of written.values()) expect(values).toEqual(all.slice(0, values.length));
  expect([...written.values()].at(-1)).toEqual(all);
  await database.drop();
  return { attempts: written.size, killed };
}

test("killed before and after each of the first commits", async () => {
  const kills = Array.from({ length: 9 }, (_, index) => index + 1).flatMap((occurrence) => ["before", "after"].map((phase) => ({ phase, occurrence })));
  const failures: string[] = [];
  const outcomes: { readonly attempts: number; readonly killed: boolean }[] = [];
  await inParallel(kills, 3, async (kill) => {
    try {
      outcomes.push(await killAndFinish(kill));
    } catch (error) {
      failures.push(`${kill.phase} commit ${kill.occurrence}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  expect(failures).toEqual([]);
  expect(outcomes.filter(({ killed }) => killed).length).toBeGreaterThan(kills.length * 0.8);
  expect(outcomes.some(({ attempts }) => attempts > 1)).toBe(true);
});
