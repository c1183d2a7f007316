import { defineWorkflow, ExecutionCancelled, NotInWorkflow, step, stepContext, workflow, workflowContext, workflowsOf } from "pawl";
import { describe, expect, test } from "vitest";
import { causeOf, eventually, harness, parkedSleep, quickly, refusalOf } from "./harness.ts";

const h = harness();

describe("step()", () => {
  test("makes a durable step of that name inside a workflow and leaves the plain function outside", async () => {
    let calls = 0;
    const greet = step("greet", async (name: string, mark: string) => `Hello ${name}${mark} (${++calls})`);
    const hello = defineWorkflow({
      name: "hello",
      run: async (ctx, input: string) => {
        const first = await greet(input, "!");
        await ctx.sleep(parkedSleep);
        return [first, await greet(input, "?")];
      },
    });
    expect(await greet("Bob", ".")).toBe("Hello Bob. (1)");
    const { pawl } = await h.run([hello]);
    const handle = await pawl.start(hello, "Ann");
    expect(await handle.result()).toEqual(["Hello Ann! (2)", "Hello Ann? (3)"]);
    const steps = (await handle.history()).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.name] : []));
    expect(steps).toEqual(["greet", "greet"]);
  });

  test("takes its options, and the function reaches its attempt through stepContext()", async () => {
    const flaky = step(
      "flaky",
      () => {
        const { attempt, step: name } = stepContext();
        if (attempt < 3) throw new Error("no");
        return `${name} ${attempt}`;
      },
      { retry: quickly },
    );
    const run = defineWorkflow({ name: "flaky", run: async () => flaky() });
    const { pawl } = await h.run([run]);
    expect(await pawl.execute(run, undefined)).toBe("flaky 3");
  });

  test("called inside another step is the plain function, not a step of its own", async () => {
    const inner = step("inner", (n: number) => n + 1);
    const outer = step("outer", async (n: number) => (await inner(n)) * 10);
    const run = defineWorkflow({ name: "nested-steps", run: async () => outer(1) });
    const { pawl } = await h.run([run]);
    const handle = await pawl.start(run, undefined);
    expect(await handle.result()).toBe(20);
    expect((await handle.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(1);
  });

  test("works in lanes of ctx.map and in functions that know nothing of the workflow", async () => {
    const load = step("load", async (id: number) => id * 2);
    const library = async (ids: number[]): Promise<number> => (await Promise.all(ids.map((id) => load(id)))).reduce((sum, value) => sum + value, 0);
    const run = defineWorkflow({ name: "library", run: async (ctx) => ctx.map([[1, 2], [3]], library, { concurrency: 1 }) });
    const { pawl } = await h.run([run]);
    expect(await pawl.execute(run, undefined)).toEqual([6, 6]);
  });
});

describe("after a cancel request", () => {
  const note = step("note", (ran: string[], what: string) => void ran.push(what));
  const refused = (ran: string[], call: Promise<unknown>) => call.catch((error: Error) => void ran.push(error.name));

  test("reusable steps work on inside a shield and whatever it calls, and are refused before, after and beside it", async () => {
    const ran: string[] = [];
    const cleanUp = async (): Promise<void> => {
      await note(ran, "first");
      await workflowContext().sleep(parkedSleep);
      await Promise.all([note(ran, "second"), Promise.resolve().then(() => note(ran, "third"))]);
    };
    const run = defineWorkflow({
      name: "shields-steps",
      run: async (ctx) => {
        await note(ran, "begun");
        await ctx.sleep("1 day").catch(() => {});
        await refused(ran, note(ran, "before"));
        let release = (): void => {};
        const inside = new Promise<void>((resolve) => (release = resolve));
        const beside = inside.then(() => refused(ran, note(ran, "beside")));
        await ctx.shield(async () => {
          release();
          await beside;
          await cleanUp();
          await refused(
            ran,
            ctx.step("through the workflow's own", () => void ran.push("own")),
          );
        });
        await refused(ran, note(ran, "after"));
        await refused(ran, workflowContext().sleep(1));
        return ran.length;
      },
    });
    const { pawl } = await h.run([run]);
    const handle = await pawl.start(run, undefined);
    await eventually(() => expect(ran).toEqual(["begun"]));
    await handle.cancel();
    await handle.result();
    const no = "ExecutionCancelled";
    // It parks inside the shield, so what is refused there may be refused again on replay.
    expect(ran.filter((what) => what !== no)).toEqual(["begun", "first", "second", "third"]);
    expect(ran.slice(ran.indexOf("begun") + 1, ran.indexOf("first"))).toEqual([no, no]);
    expect(ran.slice(ran.indexOf("third") + 1)).toEqual([no, no, no]);
  });

  test("a shielded reusable step that runs already goes on, and one of a parallel branch does not", async () => {
    const ran: string[] = [];
    const begun: string[] = [];
    const slow = step("slow", async (name: string) => {
      begun.push(name);
      await new Promise((resolve) => stepContext().signal.addEventListener("abort", resolve, { once: true }));
    });
    const held = step("held", async () => {
      begun.push("held");
      await eventually(() => expect(ran).toContain("ExecutionCancelled"));
      return "kept";
    });
    const run = defineWorkflow({
      name: "shields-one-branch",
      run: async (ctx) => {
        const [, kept] = await ctx.all([() => refused(ran, slow("beside")), () => ctx.shield(() => held())]);
        return kept;
      },
    });
    const { pawl } = await h.run([run]);
    const handle = await pawl.start(run, undefined);
    await eventually(() => expect(begun.toSorted()).toEqual(["beside", "held"]));
    await handle.cancel();
    expect(await handle.result()).toBe("kept");
    expect(ran).toEqual(["ExecutionCancelled"]);
  });

  test("decorated methods work on inside a shield", async () => {
    const ran: string[] = [];
    class Rental {
      @workflow()
      async rent(): Promise<void> {
        const ctx = workflowContext();
        try {
          await this.allocate();
          await ctx.sleep("1 day");
        } finally {
          await ctx.shield(() => this.release());
        }
      }

      @step()
      async allocate(): Promise<void> {
        ran.push("allocated");
      }

      @step()
      async release(): Promise<void> {
        ran.push("released");
      }
    }
    const { rent } = workflowsOf(new Rental());
    const { pawl } = await h.run([rent]);
    const handle = await pawl.start(rent, undefined);
    await eventually(() => expect(ran).toEqual(["allocated"]));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    expect(ran).toEqual(["allocated", "released"]);
  });
});

class Shop {
  readonly #prefix: string;
  charged = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  @workflow()
  async order(input: { item: string }): Promise<string> {
    const receipt = await this.charge(input.item);
    await workflowContext().sleep(parkedSleep);
    return `${receipt} ${await this.send(receipt)}`;
  }

  @workflow({ name: "shop/refund", version: "2", taskQueue: "refunds", retry: quickly })
  async refund(): Promise<string> {
    return this.flaky();
  }

  @step()
  async charge(item: string): Promise<string> {
    this.charged++;
    return `${this.#prefix}:${item}`;
  }

  @step({ name: "send-mail" })
  async send(receipt: string): Promise<number> {
    return receipt.length;
  }

  @step({ retry: { maximumAttempts: 3 } })
  async flaky(): Promise<string> {
    if (stepContext().attempt < 3) throw new Error("no");
    return "refunded";
  }
}

describe("@workflow() and @step()", () => {
  test("a method takes no queue: its object is in this process", () => {
    const options = { name: "embed", taskQueue: "gpu" };
    expect(() => step(options)).toThrow(/^@step.taskQueue: .*step\("embed", fn, { taskQueue: "gpu" }\)/);
  });

  test("make workflows and steps of an instance's methods, with the instance as this", async () => {
    const shop = new Shop("shop");
    const { order, refund } = workflowsOf(shop);
    expect([order.name, order.version, refund.name, refund.version, refund.taskQueue]).toEqual(["order", "1", "shop/refund", "2", "refunds"]);
    const { pawl } = await h.run([order, refund]);
    const handle = await pawl.start(order, { item: "tea" });
    expect(await handle.result()).toBe("shop:tea 8");
    expect(shop.charged).toBe(1);
    expect((await handle.history()).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.name] : []))).toEqual(["charge", "send-mail"]);
    expect(await pawl.execute(refund, undefined)).toBe("refunded");
  });

  test("leave the methods plain outside a workflow", async () => {
    const shop = new Shop("plain");
    expect(await shop.charge("tea")).toBe("plain:tea");
    await expect(shop.order({ item: "tea" })).rejects.toThrow(NotInWorkflow);
  });

  test("give the same definitions every time, of another instance others, and refuse an instance without any", () => {
    const shop = new Shop("a");
    expect(workflowsOf(shop)).toBe(workflowsOf(shop));
    expect(workflowsOf(new Shop("b")).order).not.toBe(workflowsOf(shop).order);
    expect(() => workflowsOf(new Date())).toThrow(/Date has no method decorated with @workflow\(\)/);
  });

  test("are inherited, and an overriding method wins", async () => {
    class Special extends Shop {
      @workflow({ name: "special-order" })
      override async order(input: { item: string }): Promise<string> {
        return `special ${await this.charge(input.item)}`;
      }
    }
    const { order, refund } = workflowsOf(new Special("s"));
    expect([order.name, refund.name]).toEqual(["special-order", "shop/refund"]);
    const { pawl } = await h.run([order]);
    expect(await pawl.execute(order, { item: "x" })).toBe("special s:x");
  });
});

describe("a call inside a step that counts on replay", () => {
  const makers: readonly [string, Parameters<typeof defineWorkflow>[0]["run"]][] = [
    ["ctx.step", (ctx) => ctx.step("outer", () => ctx.step("inner", () => 1))],
    ["ctx.sleep", (ctx) => ctx.step("outer", () => ctx.sleep(1))],
    ["ctx.child", (ctx) => ctx.step("outer", () => ctx.child(defineWorkflow({ name: "c", run: async () => 1 }), undefined))],
    [
      "ctx.step",
      (ctx) =>
        ctx.step("outer", async () => {
          await Promise.resolve();
          return ctx.map([1], () => ctx.step("inner", () => 1));
        }),
    ],
    ["ctx.step", (ctx) => ctx.step("outer", () => ctx.shield((shielded) => shielded.step("inner", () => 1)))],
    ["ctx.random", (ctx) => ctx.step("outer", () => ctx.random())],
    ["ctx.uuid", (ctx) => ctx.step("outer", () => ctx.uuid())],
    ["ctx.saga", (ctx) => ctx.step("outer", () => ctx.saga(async () => 1))],
    ["saga.compensate", (ctx) => ctx.saga((saga) => ctx.step("outer", () => saga.compensate(async () => {})))],
    [
      "stream.write",
      (ctx) => {
        const stream = ctx.stream("taken-along");
        return ctx.step("outer", () => stream.write(1));
      },
    ],
    [
      "stream.close",
      (ctx) => {
        const stream = ctx.stream("taken-along");
        return ctx.step("outer", () => stream.close());
      },
    ],
  ];

  test.each(makers)("is refused, and the step not tried again: %s", async (call, run) => {
    const nested = defineWorkflow({ name: "nested", run });
    const { pawl } = await h.run([nested]);
    const cause = await causeOf(pawl.execute(nested, undefined));
    expect(cause).toMatchObject({ name: "DurableCallInStep", code: "DURABLE_CALL_IN_STEP" });
    expect(cause.message).toContain(call);
    expect(cause.message).toContain('"outer"');
  });
});

test("workflowContext() and stepContext() say so outside of one, and inside a step there is no workflow context", async () => {
  expect(() => workflowContext()).toThrow(NotInWorkflow);
  expect(() => stepContext()).toThrow(NotInWorkflow);
  const ids: string[] = [];
  const asks = defineWorkflow({
    name: "asks",
    run: async (ctx) => {
      ids.push(workflowContext().executionId);
      await ctx.step(
        "inside",
        () => {
          expect(() => workflowContext()).toThrow(NotInWorkflow);
          ids.push(stepContext().executionId);
        },
        { retry: { maximumAttempts: 1 } },
      );
      ids.push(workflowContext().executionId);
      expect(() => stepContext()).toThrow(NotInWorkflow);
    },
  });
  const { pawl } = await h.run([asks]);
  await pawl.execute(asks, undefined, { executionId: "asks" });
  expect(ids).toEqual(["asks", "asks", "asks"]);
});

test("executions that run at the same time keep their contexts apart", async () => {
  const whoami = step("whoami", () => stepContext().executionId);
  const run = defineWorkflow({
    name: "apart",
    run: async (ctx) => {
      const seen: string[] = [];
      for (let i = 0; i < 5; i++) {
        seen.push(workflowContext().executionId, await whoami());
        await ctx.sleep(1);
      }
      return seen;
    },
  });
  const { pawl } = await h.run([run]);
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => pawl.execute(run, undefined, { executionId: `apart-${i}` })));
  results.forEach((seen, i) => expect(new Set(seen)).toEqual(new Set([`apart-${i}`])));
});
