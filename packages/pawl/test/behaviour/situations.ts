/** Executions in every state that they can be in, and in what lies between states: the rows and columns of tables of operations. */
import { defineWorkflow, update, type ExecutionHandle, type Pawl, type StartOptions, type StepContext } from "pawl";
import { expect } from "vitest";
import { z } from "zod";
import { claimIdly, eventually } from "./harness.ts";

export const situations = [
  "pending",
  "delayed",
  /** A debounced start that waits for more of them. */
  "gathering",
  "running",
  /** A step runs, which is all that keeps it from being paused. */
  "asked to pause",
  "waiting",
  /** It waits, and was rolled back before. */
  "in its second run",
  /** Its code cleans up. */
  "being cancelled",
  "paused",
  /** While its start was delayed. */
  "paused before it began",
  "quarantined",
  /** Three workers died while they had it, before any step was recorded. */
  "poisoned",
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
] as const;

export type Situation = (typeof situations)[number];

/** The code has changed for those that are to be quarantined: they go on with another call than they have recorded. */
const changed = new Set<string>();

const untilStopped = (step: StepContext) =>
  new Promise((_, reject) => step.signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true }));

export const subject = defineWorkflow({
  name: "subject",
  state: () => ({ n: 0 }),
  signals: { go: z.number() },
  queries: { n: (state: { n: number }) => state.n },
  updates: { add: update(z.number(), (state: { n: number }, by: number) => (state.n += by)) },
  retry: { maximumAttempts: 1 },
  run: async (ctx, situation: Situation) => {
    await ctx.step("first", () => 1);
    await ctx.set("known", 7);
    await ctx.stream("said").write("hello");
    switch (situation) {
      case "running":
      case "asked to pause":
        await ctx.step("busy", untilStopped);
        break;
      case "being cancelled":
        await ctx.signal("go").catch(async (error: Error) => {
          await ctx.shield((shielded) => shielded.step("clean up", untilStopped));
          throw error;
        });
        break;
      case "failed":
        throw new Error("no");
      case "timed_out":
        await ctx.sleep("1 day");
        break;
      case "completed":
      case "delayed":
      case "gathering":
        break;
      case "quarantined":
        if (changed.has(ctx.executionId)) await ctx.step("another call", () => 1);
        else await ctx.signal("go");
        break;
      default:
        await ctx.signal("go");
    }
    return "done";
  },
});

/** The state that an execution in that situation has. */
export function stateIn(situation: Situation): string {
  switch (situation) {
    case "delayed":
    case "gathering":
      return "pending";
    case "asked to pause":
    case "waiting":
    case "in its second run":
    case "being cancelled":
      return "running";
    case "paused before it began":
      return "paused";
    case "poisoned":
      return "quarantined";
    default:
      return situation;
  }
}

let made = 0;

/**
 * An execution that is in that situation. Its idempotency key and its deduplication id are its execution id; one that gathers starts has
 * neither, as it may not, and a debounce key instead, which is its label `of`.
 */
export async function inSituation(pawl: Pawl, situation: Situation, labels: Readonly<Record<string, string>> = {}): Promise<ExecutionHandle> {
  const id = `${situation.replaceAll(" ", "-")}-${++made}`;
  const handle = (await pawl.start(subject, situation, { ...identified(situation, id), labels: { ...labels, of: id } })) as ExecutionHandle;
  const isParked = async (): Promise<void> => expect(await handle.status()).toMatchObject({ state: "running", workerId: null });
  const runs = async (step: string): Promise<void> =>
    expect((await handle.history()).map(({ event }) => event.type === "StepStarted" && event.name)).toContain(step);
  switch (situation) {
    case "running":
      await eventually(() => runs("busy"));
      break;
    case "asked to pause":
      await eventually(() => runs("busy"));
      await handle.pause();
      break;
    case "waiting":
      await eventually(isParked);
      break;
    case "in its second run":
      await eventually(isParked);
      await handle.rollback({ to: { step: "first" } });
      await eventually(async () => {
        expect((await handle.history()).at(-1)!.event.type).toBe("WaitStarted");
        await isParked();
      });
      break;
    case "being cancelled":
      await eventually(isParked);
      await handle.cancel();
      await eventually(() => runs("clean up"));
      break;
    case "paused":
      await eventually(isParked);
      await handle.pause();
      break;
    case "paused before it began":
      await handle.pause();
      break;
    case "poisoned":
      for (let death = 0; death < 3; death++) await dieWithIt(pawl, id);
      break;
    case "quarantined":
      await eventually(isParked);
      changed.add(handle.executionId);
      await handle.update("add", 1, { timeout: 1 }).catch(() => {});
      break;
    case "cancelled":
      await eventually(isParked);
      await handle.cancel();
      break;
    case "terminated":
      await eventually(isParked);
      await handle.terminate();
      break;
    default:
      break;
  }
  await eventually(async () => expect((await handle.status()).state).toBe(stateIn(situation)));
  return handle;
}

function identified(situation: Situation, id: string): StartOptions {
  if (situation === "gathering") return { debounce: gatheredBy(id) };
  return {
    executionId: id,
    idempotencyKey: id,
    deduplicationId: id,
    ...(situation === "pending" ? { taskQueue: "nobody" } : {}),
    ...(situation === "poisoned" ? { taskQueue: id } : {}),
    ...(situation === "delayed" || situation === "paused before it began" ? { delay: "1 hour" } : {}),
    ...(situation === "timed_out" ? { timeout: "3s" } : {}),
  };
}

/** A worker claims what is in that task queue, and is gone. */
async function dieWithIt(pawl: Pawl, taskQueue: string): Promise<void> {
  const workerId = await claimIdly(pawl, "subject", taskQueue);
  await pawl.store.expireWorkers([workerId]);
  await pawl.store.takeOver(workerId, 1);
}

export const gatheredBy = (key: string) => ({ key, period: "1 hour" }) as const;
