/**
 * One execution of each kind that the other workloads lack, and a client that asks for them. It does so in a process that kills itself on
 * the way, and again in a test that finishes what that one left: every operation may be repeated.
 */
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow, ExecutionStateInvalid, NonRetryable, step } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { pathToFileURL } from "node:url";
import { z } from "zod";

/** @param {string} ledger @param {() => import("pawl").Pawl} pawlOf whose transactional steps signal */
export function makeFeatures(ledger, pawlOf) {
  /** @param {string} what */
  const effect = (what) => appendFileSync(ledger, `${JSON.stringify({ what, pid: process.pid })}\n`);

  const remote = step(
    "remote",
    (/** @type {number} */ n) => {
      effect("remote");
      return n * 2;
    },
    { taskQueue: "elsewhere" },
  );

  const listener = defineWorkflow({
    name: "listener",
    signals: { paid: z.number() },
    run: (ctx) => ctx.signal("paid"),
  });

  const late = defineWorkflow({ name: "late", timeout: 300, run: (ctx) => ctx.sleep("1 hour") });

  const whole = defineWorkflow({
    name: "whole",
    retry: { initialInterval: 10, backoffCoefficient: 1, jitter: 0 },
    run: async (ctx) => {
      await ctx.set("stage", "begun");
      const doubled = await remote(21);
      const parts = await ctx.step("parts", (beating) => {
        const part = Number(beating.lastHeartbeat ?? 0) + 1;
        effect(`part ${part}`);
        beating.heartbeat(part);
        if (part < 4) throw new Error("one part at a time");
        return part;
      });
      const cents = await ctx.transaction("pay", async (tx) => {
        await tx.query("UPDATE public.account SET cents = cents - 100");
        await pawlOf().handle("listener", listener).signal("paid", 100, { transaction: tx });
        return 100;
      });
      const inTime = await ctx.child(late, undefined).then(
        () => true,
        () => false,
      );
      await ctx.set("stage", "done");
      return { doubled, parts, cents, inTime };
    },
  });

  const shop = defineWorkflow({
    name: "shop",
    run: async (ctx) => {
      await ctx.step("unlock", () => effect("unlock"));
      return ctx.step("enter", () => {
        if (!existsSync(`${ledger}.open`)) throw new NonRetryable("it is closed");
        return "inside";
      });
    },
  });

  const held = defineWorkflow({
    name: "held",
    taskQueue: "held",
    run: async (ctx) => {
      await ctx.step("one", async () => {
        effect("one");
        // Until its queue is paused, and this worker knows it.
        while (!existsSync(`${ledger}.held`)) await delay(5);
        await delay(400);
      });
      await ctx.step("two", () => effect("two"));
      return 2;
    },
  });

  const only = defineWorkflow({ name: "only", signals: { go: z.null() }, run: (ctx) => ctx.signal("go") });

  return { ledger, workflows: { listener, late, whole, shop, held, only }, steps: [remote] };
}

/** @typedef {ReturnType<typeof makeFeatures>} Features */

/** @param {import("pawl").Pawl} pawl @param {Features} features */
export function serve(pawl, { workflows, steps }) {
  return pawl.worker({ workflows: Object.values(workflows), steps, taskQueues: ["default", "elsewhere", "held"], lease: "2s", pollInterval: 50 });
}

/** Gives the id of what was deduplicated, which stays open. @param {import("pawl").Pawl} pawl @param {Features} features */
export async function drive(pawl, { ledger, workflows }) {
  const { listener, late, whole, shop, held, only } = workflows;
  const [first, second] = await Promise.all([1, 2].map(() => pawl.start(only, undefined, { deduplicationId: "only" })));
  if (first?.executionId !== second?.executionId) throw new Error("two starts with one deduplication id made two executions");
  await pawl.start(listener, undefined, { executionId: "listener" });
  await Promise.all([
    pawl.start(whole, undefined, { executionId: "whole" }).then((handle) => handle.result()),
    pawl.start(late, undefined, { executionId: "late" }).then(ended),
    retried(pawl, shop, ledger),
    heldBetweenSteps(pawl, held, ledger),
  ]);
  return first?.executionId;
}

/** @param {import("pawl").Pawl} pawl @param {Features["workflows"]["shop"]} shop @param {string} ledger */
async function retried(pawl, shop, ledger) {
  const handle = await pawl.start(shop, undefined, { executionId: "shop" });
  await ended(handle);
  writeFileSync(`${ledger}.open`, "");
  if ((await handle.status()).state === "failed") await handle.retry().catch(unlessDone);
  await handle.result();
}

/** @param {import("pawl").Pawl} pawl @param {Features["workflows"]["held"]} held @param {string} ledger */
async function heldBetweenSteps(pawl, held, ledger) {
  const handle = await pawl.start(held, undefined, { executionId: "held" });
  while (!(await readFile(ledger, "utf8").catch(() => "")).includes('"one"')) await delay(5);
  await pawl.pauses.add({ taskQueue: "held" });
  writeFileSync(`${ledger}.held`, "");
  // Then it is given back, unless it has ended.
  while ((await handle.status()).workerId !== null) await delay(5);
  await pawl.pauses.remove({ taskQueue: "held" });
  await handle.result();
}

/** @param {import("pawl").ExecutionHandle<unknown, any>} handle */
function ended(handle) {
  return handle.result().catch(() => {});
}

/** A process before may have done it. @param {unknown} error */
function unlessDone(error) {
  if (!(error instanceof ExecutionStateInvalid)) throw error;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { countBoundaries } = await import("./kill-at.mjs");
  const { options, report } = await import("./program.mjs");
  const { url, ledger, kill } = /** @type {{ url: string, ledger: string, kill?: import("./kill-at.mjs").Kill }} */ (options);
  const { reached, counts } = countBoundaries(kill);
  const pawl = await openPawl({ url, migrate: false, poolSize: 3, logger: silentLogger }, (name, phase) => reached(`${name}/${phase}`));
  const features = makeFeatures(ledger, () => pawl);
  await serve(pawl, features);
  await drive(pawl, features);
  // What a worker gives back when it stops is not of this workload.
  report("boundaries", { counts: counts() });
  await pawl.close({ drain: 0 });
}
