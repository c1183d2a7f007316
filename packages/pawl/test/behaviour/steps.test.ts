import { defineWorkflow, ExecutionFailed, NonRetryable, type StepContext } from "pawl";
import { describe, expect, test } from "vitest";
import { causeOf, failureOf, gate, harness, parkedSleep, quickly, soon } from "./harness.ts";

const h = harness();

/** Runs a workflow of one step on a new worker. */
async function runStep<Result>(
  fn: (step: StepContext) => Result | Promise<Result>,
  options: Parameters<Parameters<Parameters<typeof defineWorkflow>[0]["run"]>[0]["step"]>[2] = {},
) {
  const workflow = defineWorkflow({ name: "one-step", retry: quickly, run: async (ctx) => ctx.step("it", fn, options) });
  const { pawl } = await h.run([workflow]);
  return pawl.start(workflow, undefined);
}

describe("a failing step", () => {
  test("is tried again until it succeeds, each attempt with the next number and the same idempotency key", async () => {
    const seen: [number, string][] = [];
    const handle = await runStep((step) => {
      seen.push([step.attempt, step.idempotencyKey]);
      if (step.attempt < 4) throw new Error(`attempt ${step.attempt}`);
      return "done";
    });
    expect(await handle.result()).toBe("done");
    expect(seen.map(([attempt]) => attempt)).toEqual([1, 2, 3, 4]);
    expect(new Set(seen.map(([, key]) => key)).size).toBe(1);
    expect(seen[0]![1]).toContain(handle.executionId);
    const types = (await handle.history()).map(({ event }) => event.type);
    expect(types).toEqual(["ExecutionStarted", "StepAttemptFailed", "StepAttemptFailed", "StepAttemptFailed", "StepCompleted", "ExecutionCompleted"]);
  });

  test("has another idempotency key than any other step of the same or another execution", async () => {
    const keys: string[] = [];
    const workflow = defineWorkflow({
      name: "keys",
      run: async (ctx) => {
        await ctx.step("same", ({ idempotencyKey }) => void keys.push(idempotencyKey));
        await ctx.step("same", ({ idempotencyKey }) => void keys.push(idempotencyKey));
      },
    });
    const { pawl } = await h.run([workflow]);
    await pawl.execute(workflow, undefined);
    await pawl.execute(workflow, undefined);
    expect(new Set(keys).size).toBe(4);
  });

  test("ends after maximumAttempts with the last error, and its workflow fails with that error", async () => {
    let attempts = 0;
    const handle = await runStep(
      () => {
        throw new RangeError(`no ${++attempts}`);
      },
      { retry: { maximumAttempts: 3 } },
    );
    const cause = await causeOf(handle.result());
    expect(cause).toBeInstanceOf(RangeError);
    expect(cause.message).toBe("no 3");
    expect(attempts).toBe(3);
    expect(await failureOf(handle.result())).toBeInstanceOf(ExecutionFailed);
  });

  test("ends at once when it throws NonRetryable or an error listed by name or code", async () => {
    class CardDeclined extends Error {
      override readonly name = "CardDeclined";
    }
    class Unnamed extends Error {}
    const throws: (() => never)[] = [
      () => {
        throw new NonRetryable("enough");
      },
      () => {
        throw new Unnamed("its class is what it is called by");
      },
      () => {
        throw new CardDeclined("declined");
      },
      () => {
        throw Object.assign(new Error("forbidden"), { code: "E_FORBIDDEN" });
      },
    ];
    let raise = throws[0]!;
    let attempts = 0;
    const workflow = defineWorkflow({
      name: "ends-at-once",
      retry: { ...quickly, nonRetryableErrors: ["CardDeclined", "Unnamed", "E_FORBIDDEN"] },
      run: async (ctx) =>
        ctx.step("raise", () => {
          attempts++;
          raise();
        }),
    });
    const { pawl } = await h.run([workflow]);
    for (raise of throws) {
      attempts = 0;
      await causeOf(pawl.execute(workflow, undefined));
      expect(attempts).toBe(1);
    }
  });

  test("fails where the promise it seems to give cannot be asked", async () => {
    const odd = (): object =>
      new Proxy(
        {},
        {
          has: () => {
            throw new Error("no then");
          },
        },
      );
    const workflow = defineWorkflow({ name: "odd-result", run: async (ctx) => ctx.step("odd", odd, { retry: { maximumAttempts: 1 } }) });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect((await causeOf(handle.result())).message).toBe("no then");
    expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepFailed", "ExecutionFailed"]);
  });

  test("takes its policy from the workflow, field by field overridden by its own", async () => {
    let attempts = 0;
    const workflow = defineWorkflow({
      name: "policies",
      retry: { initialInterval: 1, maximumAttempts: 2 },
      run: async (ctx) => {
        await ctx.step(
          "own",
          () => {
            if (++attempts < 4) throw new Error("no");
          },
          { retry: { maximumAttempts: 4 } },
        );
        await ctx.step("inherited", () => {
          attempts++;
          throw new Error("no");
        });
      },
    });
    const { pawl } = await h.run([workflow]);
    await causeOf(pawl.execute(workflow, undefined));
    expect(attempts).toBe(6);
  });

  test("waits a second before the second attempt where nothing is said", async () => {
    const workflow = defineWorkflow({
      name: "defaults",
      run: async (ctx) =>
        ctx.step("once-more", ({ attempt }) => {
          if (attempt === 1) throw new Error("no");
          return attempt;
        }),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect(await handle.result()).toBe(2);
    const [, failed, completed] = await handle.history();
    if (failed?.event.type !== "StepAttemptFailed") throw new Error("no failed attempt in the history");
    expect(failed.event.retryInMs).toBeGreaterThanOrEqual(900);
    expect(failed.event.retryInMs).toBeLessThanOrEqual(1100);
    expect(completed!.at.getTime() - failed.at.getTime()).toBeGreaterThanOrEqual(failed.event.retryInMs - 2);
  });

  test("waits longer before each attempt, by the coefficient and up to the maximum", async () => {
    const handle = await runStep(
      ({ attempt }) => {
        if (attempt < 5) throw new Error("no");
      },
      { retry: { initialInterval: 10, backoffCoefficient: 3, maximumInterval: 50, jitter: 0 } },
    );
    await handle.result();
    const waits = (await handle.history()).flatMap(({ event }) => (event.type === "StepAttemptFailed" ? [event.retryInMs] : []));
    expect(waits).toEqual([10, 30, 50, 50]);
    const times = (await handle.history()).slice(1, 6).map(({ at }) => at.getTime());
    waits.forEach((wait, index) => expect(times[index + 1]! - times[index]!).toBeGreaterThanOrEqual(wait - 2));
  });

  test("whose next attempt is far away gives its slot back and goes on after its execution was parked", async () => {
    const first = gate();
    const workflow = defineWorkflow({
      name: "far-retry",
      run: async (ctx) =>
        ctx.step(
          "far",
          ({ attempt }) => {
            if (attempt === 1) {
              first.open();
              throw new Error("no");
            }
            return attempt;
          },
          { retry: { initialInterval: 400, jitter: 0 } },
        ),
    });
    const { pawl } = await h.run([workflow], { concurrency: 1 });
    const handle = await pawl.start(workflow, undefined);
    await first.opened;
    expect(await pawl.execute(workflow, undefined, { executionId: "in-between" })).toBe(2);
    expect(await handle.result()).toBe(2);
    expect((await handle.history()).filter(({ event }) => event.type === "StepAttemptFailed")).toHaveLength(1);
  });

  test("can be caught by its workflow, which goes on", async () => {
    const workflow = defineWorkflow({
      name: "caught",
      run: async (ctx) => {
        try {
          await ctx.step(
            "no",
            () => {
              throw new TypeError("no");
            },
            { retry: { maximumAttempts: 1 } },
          );
        } catch (error) {
          return ctx.step("instead", () => `${error instanceof TypeError ? "TypeError" : "another error"} caught`);
        }
        return "not reached";
      },
    });
    const { pawl } = await h.run([workflow]);
    expect(await pawl.execute(workflow, undefined)).toBe("TypeError caught");
  });
});

describe("the time a step may take", () => {
  test("ends an attempt, fires its signal with the same error, and the next attempt follows", async () => {
    const reasons: unknown[] = [];
    const handle = await runStep(
      async ({ attempt, signal }) => {
        if (attempt === 2) return "in time";
        signal.addEventListener("abort", () => reasons.push(signal.reason));
        return new Promise<string>(() => {});
      },
      { timeout: 20 },
    );
    expect(await handle.result()).toBe("in time");
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatchObject({ name: "StepTimeout", code: "STEP_TIMEOUT", step: "it" });
    const failed = (await handle.history())[1]!.event;
    expect(failed).toMatchObject({ type: "StepAttemptFailed", failure: { name: "StepTimeout", code: "STEP_TIMEOUT" } });
  });

  test("is over for a step that never looks at its signal, and what it still returns is ignored", async () => {
    const late = gate<string>();
    const handle = await runStep(({ attempt }) => (attempt === 1 ? late.opened : "second"), { timeout: 20 });
    expect(await handle.result()).toBe("second");
    late.open("first");
    expect(await handle.result()).toBe("second");
  });

  test("gives a signal that is already fired to a step that asks for it late", async () => {
    const late = gate();
    const aborted = gate<boolean>();
    const handle = await runStep(
      async (step) => {
        if (step.attempt === 2) return late.open();
        await late.opened;
        aborted.open(step.signal.aborted);
      },
      { timeout: 20 },
    );
    await handle.result();
    expect(await aborted.opened).toBe(true);
  });

  test("fails the step with StepTimeout when no attempt is left", async () => {
    const handle = await runStep(() => new Promise(() => {}), { timeout: 15, retry: { maximumAttempts: 2 } });
    expect(await causeOf(handle.result())).toMatchObject({ name: "StepTimeout", code: "STEP_TIMEOUT" });
  });
});

describe("a total timeout", () => {
  test("ends a step whose attempts together take too long, with the last error as cause, and no attempt begins too late", async () => {
    let attempts = 0;
    const handle = await runStep(
      () => {
        attempts++;
        throw new RangeError("again");
      },
      { totalTimeout: 2500, retry: { initialInterval: 1000, backoffCoefficient: 1, jitter: 0 } },
    );
    const error = await causeOf(handle.result());
    expect(error).toMatchObject({ code: "STEP_TIMEOUT", cause: { name: "RangeError" } });
    expect(error.message).toContain("all its attempts together");
    expect(attempts).toBeGreaterThan(1);
    // A fourth would begin three seconds after the first, or later.
    expect(attempts).toBeLessThan(4);
    const history = await handle.history();
    const begun = history.find(({ event }) => event.type === "StepStarted")!.at.getTime();
    // One and a half times as long: a machine may stand still.
    expect(history.find(({ event }) => event.type === "StepFailed")!.at.getTime() - begun).toBeLessThan(3750);
  });

  test("ends the attempt that is running then, whatever its own timeout, and its retry policy", async () => {
    const handle = await runStep(({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("too late")))), {
      totalTimeout: 100,
      timeout: "1 hour",
      retry: { maximumAttempts: 0 },
    });
    expect(await causeOf(handle.result())).toMatchObject({ code: "STEP_TIMEOUT" });
  });

  test("counts from the first attempt, also across a park, a takeover and a new claim", async () => {
    const late = defineWorkflow({
      name: "late",
      run: async (ctx) =>
        ctx.step(
          "late",
          () => {
            throw new Error("no");
          },
          { totalTimeout: 1500, retry: { initialInterval: 1000, backoffCoefficient: 1, jitter: 0 } },
        ),
    });
    const { pawl, worker } = await h.run([late]);
    const handle = await pawl.start(late, undefined);
    await expect.poll(async () => (await handle.status()).workerId, { timeout: 120_000, interval: 10 }).toBe(null);
    await worker.stop();
    await new Promise((resolve) => setTimeout(resolve, 1600));
    await pawl.worker({ workflows: [late], ...soon });
    expect(await causeOf(handle.result())).toMatchObject({ code: "STEP_TIMEOUT" });
    const attempts = (await handle.history()).flatMap(({ event }) =>
      event.type === "StepAttemptFailed" || event.type === "StepFailed" ? [[event.type, event.attempt]] : [],
    );
    expect(attempts).toEqual([
      ["StepAttemptFailed", 1],
      ["StepFailed", 2],
    ]);
  });

  test("that is long enough changes nothing", async () => {
    const handle = await runStep(({ attempt }) => (attempt < 2 ? Promise.reject(new Error("once")) : Promise.resolve(attempt)), {
      totalTimeout: "1 hour",
      retry: { initialInterval: 1, backoffCoefficient: 1 },
    });
    expect(await handle.result()).toBe(2);
  });
});

describe("a heartbeat", () => {
  test("keeps a step alive that takes longer than its heartbeatTimeout", async () => {
    const handle = await runStep(
      async ({ heartbeat, attempt }) => {
        for (let beat = 0; beat < 12; beat++) {
          heartbeat();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return attempt;
      },
      { heartbeatTimeout: 90 },
    );
    expect(await handle.result()).toBe(1);
  });

  test("that does not come ends the attempt; the next one sees the last details", async () => {
    const seen: unknown[] = [];
    const handle = await runStep(
      ({ attempt, heartbeat, lastHeartbeat }) => {
        seen.push(lastHeartbeat);
        if (attempt === 3) return "done";
        heartbeat({ attempt, at: new Date(attempt) });
        return new Promise<string>(() => {});
      },
      { heartbeatTimeout: 20 },
    );
    expect(await handle.result()).toBe("done");
    expect(seen).toEqual([undefined, { attempt: 1, at: new Date(1) }, { attempt: 2, at: new Date(2) }]);
    const failures = (await handle.history()).flatMap(({ event }) => (event.type === "StepAttemptFailed" ? [event.failure] : []));
    expect(failures).toHaveLength(2);
    for (const failure of failures) expect(failure).toMatchObject({ code: "STEP_TIMEOUT", message: expect.stringMatching(/called no heartbeat for 20 ms/) });
  });

  test("hands its details on after an error and after the execution was parked", async () => {
    const seen: unknown[] = [];
    const handle = await runStep(
      ({ attempt, heartbeat, lastHeartbeat }) => {
        seen.push(lastHeartbeat);
        heartbeat(new Map([["page", attempt]]));
        if (attempt < 2) throw new Error("no");
      },
      { retry: { initialInterval: parkedSleep + 50, jitter: 0 } },
    );
    await handle.result();
    expect(seen).toEqual([undefined, new Map([["page", 1]])]);
  });

  test("hands on its details as they were at the call, whatever the step makes of the object afterwards", async () => {
    const copied: number[] = [];
    const handle = await runStep(
      ({ attempt, heartbeat, lastHeartbeat }) => {
        const progress = (lastHeartbeat ?? { done: 0 }) as { done: number };
        while (progress.done < 3) {
          heartbeat(progress);
          progress.done++;
          if (attempt === 1 && progress.done === 2) throw new Error("the second page could not be copied");
          copied.push(progress.done);
        }
      },
      { retry: quickly },
    );
    await handle.result();
    expect(copied).toEqual([1, 2, 3]);
  });

  test("without details, or an attempt without a heartbeat, leaves the last details to the next attempts", async () => {
    const seen: unknown[] = [];
    const handle = await runStep(
      ({ attempt, heartbeat, lastHeartbeat }) => {
        seen.push(lastHeartbeat);
        if (attempt === 1) heartbeat(500);
        if (attempt < 3) heartbeat();
        if (attempt < 4) throw new Error("no connection");
      },
      { retry: quickly },
    );
    await handle.result();
    expect(seen).toEqual([undefined, 500, 500, 500]);
  });
});

test("a step that runs for a while is announced in the history and shown as running", async () => {
  const held = gate();
  const handle = await runStep(() => held.opened);
  const announced = async () => (await handle.history()).some(({ event }) => event.type === "StepStarted");
  await expect.poll(announced, { timeout: 120_000, interval: 20 }).toBe(true);
  held.open();
  await handle.result();
  expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepStarted", "StepCompleted", "ExecutionCompleted"]);
});
