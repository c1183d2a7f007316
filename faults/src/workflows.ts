/** The base load, the workflows that do harm, and what each of them must give. */
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow, update, WaitTimeout, type StepContext, type WorkflowContext } from "pawl";
import type { Effects } from "./effects.ts";

export interface Input {
  readonly n: number;
  /** How long each step takes. */
  readonly ms: number;
}

/** How long `patient` waits for its signal at first. */
export const waitMs = 400;

const sums = {
  chain: ({ n }: Input) => n + 10,
  fan: ({ n }: Input) => n + 140,
  nap: ({ n }: Input) => 2 * n,
  flaky: ({ n }: Input) => n + 3,
  family: ({ n }: Input) => n + (n + 10) + 2 * (n + 1),
  mailed: ({ n }: Input) => `${n}:1,2,3:20`,
  gated: ({ n }: Input) => n,
  receiver: ({ n }: Input) => n + 1,
  patient: ({ n }: Input) => n + 1,
  couple: ({ n }: Input) => 2 * n + 1,
  block: ({ n }: Input) => n,
  hang: ({ n }: Input) => n,
} as const;

/** Undefined for a workflow that never gives a result. */
export function expectedResult(workflow: string, input: Input): number | string | undefined {
  return workflow in sums ? sums[workflow as keyof typeof sums](input) : undefined;
}

/** Sent through the client and checked nowhere else: the rig knows what it sends. */
const types: { readonly input: number; readonly output: number } | undefined = undefined;
const number = { "~standard": { version: 1, vendor: "faults", types, validate: (value: unknown) => ({ value: value as number }) } } as const;

export const baseLoad = ["chain", "chain", "chain", "fan", "nap", "nap", "flaky", "flaky", "family", "mailed"] as const;

/** @param blockMs how long `block` keeps the main loop busy */
export function makeWorkflows(effects: Effects, blockMs: number) {
  const doing =
    <Result>(result: Result, ms: number) =>
    async (step: StepContext): Promise<Result> => {
      await effects.begin(step);
      await delay(ms);
      await effects.end(step);
      return result;
    };

  const chain = defineWorkflow({
    name: "chain",
    run: async (ctx, { n, ms }: Input) => {
      let sum = n;
      for (const i of [1, 2, 3, 4]) sum += await ctx.step(`part-${i}`, doing(i, ms));
      return sum;
    },
  });

  const fan = defineWorkflow({
    name: "fan",
    run: async (ctx, { n, ms }: Input) => {
      const squares = await ctx.map([0, 1, 2, 3, 4, 5, 6, 7], (i) => ctx.step(`square-${i}`, doing(i * i, ms)), { concurrency: 5 });
      return ctx.step(
        "join",
        doing(
          squares.reduce((sum, square) => sum + square, n),
          ms,
        ),
      );
    },
  });

  const nap = defineWorkflow({
    name: "nap",
    run: async (ctx, { n, ms }: Input) => {
      const before = await ctx.step("before", doing(n, ms));
      await ctx.sleep(1000 + (n % 5) * 500);
      return before + (await ctx.step("after", doing(n, ms)));
    },
  });

  const flaky = defineWorkflow({
    name: "flaky",
    retry: { initialInterval: 50, jitter: 0 },
    run: async (ctx, { n, ms }: Input) =>
      ctx.step("try", async (step) => {
        await effects.begin(step);
        await delay(ms);
        if (step.attempt < 3) throw new Error("not yet");
        await effects.end(step);
        return n + 3;
      }),
  });

  const family = defineWorkflow({
    name: "family",
    run: async (ctx, { n, ms }: Input) => {
      const [one, other] = await ctx.all([() => ctx.child(chain, { n, ms }), () => ctx.child(nap, { n: n + 1, ms })]);
      return ctx.step("join", doing(n + one + other, ms));
    },
  });

  /** Takes three signals, in their order, and waits until its updates have added up. */
  const mailed = defineWorkflow({
    name: "mailed",
    state: () => ({ added: 0 }),
    signals: { part: number },
    updates: { add: update(number, (state: { added: number }, by: number) => (state.added += by)) },
    run: async (ctx, { n, ms }: Input) => {
      const parts = [await ctx.signal("part"), await ctx.step("between", doing(2, ms)), await ctx.signal("part")];
      await ctx.until(() => ctx.state.added === 20);
      return `${n}:${parts.join(",")}:${ctx.state.added}`;
    },
  });

  /** Waits where the rig can let it go at a chosen moment. */
  const atGate = (ctx: Pick<WorkflowContext, "executionId" | "step">): Promise<void> =>
    ctx.step("gate", async (step) => {
      await effects.begin(step);
      await effects.pass(ctx.executionId);
      await effects.end(step);
    });

  const gated = defineWorkflow({
    name: "gated",
    run: async (ctx, { n }: Input) => {
      await atGate(ctx);
      return n;
    },
  });

  /** Comes to where it waits for its signal once the rig lets it. */
  const receiver = defineWorkflow({
    name: "receiver",
    signals: { part: number },
    run: async (ctx, { n }: Input) => {
      await atGate(ctx);
      return n + (await ctx.signal("part"));
    },
  });

  /** Gives its signal some time, and then takes it whenever it comes. */
  const patient = defineWorkflow({
    name: "patient",
    signals: { part: number },
    run: async (ctx, { n }: Input) => {
      try {
        return n + (await ctx.signal("part", { timeout: waitMs }));
      } catch (error) {
        if (!(error instanceof WaitTimeout)) throw error;
        return n + (await ctx.signal("part"));
      }
    },
  });

  const couple = defineWorkflow({
    name: "couple",
    run: async (ctx, { n, ms }: Input) => {
      const [one, other] = await ctx.all([() => ctx.child(gated, { n, ms }), () => ctx.child(gated, { n: n + 1, ms })]);
      return one + other;
    },
  });

  const deadly = defineWorkflow({
    name: "deadly",
    run: async (ctx, { ms }: Input) => {
      await ctx.step("harmless", doing(1, ms));
      return ctx.step("deadly", async (step) => {
        await effects.begin(step);
        process.kill(process.pid, "SIGKILL");
      });
    },
  });

  /** Busy for longer than the lease. */
  const block = defineWorkflow({
    name: "block",
    run: async (ctx, { n }: Input) =>
      ctx.step("block", async (step) => {
        await effects.begin(step);
        spin(() => performance.now(), performance.now() + blockMs);
        await effects.end(step);
        return n;
      }),
  });

  /** For ever the first time, harmless from then on. */
  const hang = defineWorkflow({
    name: "hang",
    run: async (ctx, { n }: Input) =>
      ctx.step("hang", async (step) => {
        if ((await effects.begin(step)) === 1) spin(() => 0, 1);
        await effects.end(step);
        return n;
      }),
  });

  /** Takes more memory than there is. */
  const hoard = defineWorkflow({ name: "hoard", run: async (ctx, { n, ms }: Input) => hoarding(ctx, effects, n, ms) });

  /** Gives more than a result may be. */
  const huge = defineWorkflow({
    name: "huge",
    retry: { maximumAttempts: 1 },
    run: async (ctx, { ms }: Input) => ctx.step("huge", doing("x".repeat(20_000_000), ms)),
  });

  return { chain, fan, nap, flaky, family, mailed, gated, receiver, patient, couple, deadly, block, hang, hoard, huge };
}

function spin(now: () => number, until: number): void {
  while (now() < until);
}

async function hoarding(ctx: WorkflowContext, effects: Effects, n: number, ms: number): Promise<number> {
  await ctx.step("harmless", async (step) => {
    await effects.begin(step);
    await delay(ms);
    await effects.end(step);
  });
  return ctx.step("hoard", async (step) => {
    await effects.begin(step);
    const kept: object[] = [];
    for (let i = 0; i < 1e9; i++) kept.push({ i, text: `item ${i}` });
    return n + kept.length;
  });
}
