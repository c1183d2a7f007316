/** Steps on other queues: claimed by workers that have them, seen as steps by the workflows that call them. */
import { defineWorkflow, ExecutionCancelled, fold, NonRetryable, OptionInvalid, step, stepContext, StepNotStarted } from "pawl";
import { expect, test } from "vitest";
import { causeOf, eventually, failureOf, harness, parkedSleep, quickly, soon } from "./harness.ts";

const h = harness();

test("a reusable step with a task queue runs on a worker of that queue that has it, and its result comes back", async () => {
  const where: string[] = [];
  const embed = step(
    "embed",
    async (text: string, times: number) => {
      where.push(text);
      return { vector: [text.length * times], at: new Date(5) };
    },
    { taskQueue: "gpu" },
  );
  const ingest = defineWorkflow({
    name: "ingest",
    async run(ctx, texts: string[]) {
      const vectors = await ctx.map(texts, (text) => embed(text, 2));
      return ctx.step("sum", () => vectors.map(({ vector, at }) => vector[0]! + at.getTime()));
    },
  });
  const pawl = await h.open();
  await pawl.worker({ workflows: [ingest], ...soon });
  const gpu = await h.open();
  await gpu.worker({ steps: [embed], ...soon });
  const handle = await pawl.start(ingest, ["a", "bcd"], { executionId: "ingest-1" });
  expect(await handle.result()).toEqual([7, 11]);
  expect(where).toHaveLength(2);
  const { steps } = fold(await handle.history());
  expect(steps.map(({ name, state, attempt }) => ({ name, state, attempt }))).toEqual([
    { name: "embed", state: "completed", attempt: 1 },
    { name: "embed", state: "completed", attempt: 1 },
    { name: "sum", state: "completed", attempt: 1 },
  ]);
  expect((await pawl.workers()).find(({ definitions }) => definitions.includes("step:embed@1"))).toMatchObject({ taskQueues: ["gpu"] });
});

test("it has the key and the priority of its execution, unless its options give others, and keys take turns in its queue", async () => {
  const begun: string[] = [];
  const render = step("render", async (customer: string) => void begun.push(customer), { taskQueue: "fair-gpu" });
  const placed = step("placed", async () => {}, { taskQueue: "fair-gpu", key: "batch", priority: 10 });
  const workflow = defineWorkflow({
    name: "rendering",
    run: async (_ctx, customer: string) => {
      await render(customer);
      await placed();
    },
  });
  const pawl = await h.open();
  await pawl.queues.set("fair-gpu", { concurrency: 1 });
  await pawl.worker({ workflows: [workflow], ...soon });
  const start = (id: string, customer: string) => pawl.start(workflow, customer, { executionId: id, key: customer, priority: -3 });
  const handles = [await start("render-1", "a"), await start("render-2", "a"), await start("render-3", "a"), await start("render-4", "b")];
  const bare = await pawl.start(workflow, "none", { executionId: "render-5" });
  await eventually(async () => expect(await h.count("tasks WHERE task_queue = 'fair-gpu'")).toBe(5));
  expect(await pawl.handle("render-1.1").status()).toMatchObject({ taskQueue: "fair-gpu", key: "a", priority: -3 });
  expect(await pawl.handle("render-5.1").status()).toMatchObject({ key: null, priority: 0 });
  await pawl.worker({ steps: [render, placed], ...soon });
  await Promise.all([...handles, bare].map((handle) => handle.result()));
  expect(begun.slice(0, 3).toSorted()).toEqual(["a", "b", "none"]);
  expect(await pawl.handle("render-1.2").status()).toMatchObject({ key: "batch", priority: 10 });
});

test("one that was parked before it calls such a step has its key still", async () => {
  const place = step("place", async () => {}, { taskQueue: "later-gpu" });
  const workflow = defineWorkflow({
    name: "parked-first",
    run: async (ctx) => {
      await ctx.sleep(parkedSleep);
      await place();
    },
  });
  const { pawl } = await h.run([workflow]);
  await pawl.worker({ steps: [place], ...soon });
  const handle = await pawl.start(workflow, undefined, { executionId: "parked-1", key: "acme", priority: 7 });
  await handle.result();
  expect(await pawl.handle("parked-1.2").status()).toMatchObject({ key: "acme", priority: 7 });
});

test("a place that is none is refused, and so is one of a step that runs with its workflow", async () => {
  const steps = {
    far: step("far", async () => {}, { taskQueue: "gpu", priority: 1001 }),
    spaced: step("spaced", async () => {}, { taskQueue: "gpu", key: "a b" }),
    here: step("here", async () => {}, { key: "a" }),
  };
  const workflow = defineWorkflow({ name: "refused-places", run: async (_ctx, name: keyof typeof steps) => steps[name]() });
  const { pawl } = await h.run([workflow]);
  for (const [name, path] of [
    ["far", 'step "far".priority'],
    ["spaced", 'step "spaced".key'],
    ["here", 'step "here".key'],
  ] as const)
    expect(await causeOf(pawl.execute(workflow, name))).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(path) as string });
});

test("outside a workflow such a step is the plain function", async () => {
  const double = step("double", async (n: number) => n * 2, { taskQueue: "nowhere" });
  expect(await double(4)).toBe(8);
});

test("it waits for a worker that has it; one of the queue that has not leaves it alone", async () => {
  const rare = step("rare", async () => "done", { taskQueue: "mixed" });
  const common = step("common", async () => "done", { taskQueue: "mixed" });
  const workflow = defineWorkflow({ name: "capable", run: async () => rare() });
  const { pawl } = await h.run([workflow]);
  await pawl.worker({ steps: [common], ...soon });
  const handle = await pawl.start(workflow, undefined);
  await eventually(async () => expect((await handle.status()).waitingFor).toBe('step "rare" on queue mixed'));
  await pawl.worker({ steps: [rare, common], ...soon });
  expect(await handle.result()).toBe("done");
});

test("it retries by its own policy, and throws what its function threw", async () => {
  const attempts: number[] = [];
  const flaky = step(
    "flaky",
    async (fails: number) => {
      attempts.push(stepContext().attempt);
      if (stepContext().attempt <= fails) throw new RangeError(`attempt ${stepContext().attempt}`);
      return "in the end";
    },
    { taskQueue: "flaky", retry: { ...quickly, maximumAttempts: 3 } },
  );
  const workflow = defineWorkflow({
    name: "tries",
    run: async (_ctx, fails: number) => flaky(fails).catch((error: unknown) => `${(error as Error).name}: ${(error as Error).message}`),
  });
  const { pawl } = await h.run([workflow], { steps: [flaky] });
  expect(await pawl.execute(workflow, 2)).toBe("in the end");
  expect(attempts).toEqual([1, 2, 3]);
  expect(await pawl.execute(workflow, 3)).toBe("RangeError: attempt 3");
  const hopeless = step(
    "hopeless",
    async () => {
      throw new NonRetryable("never");
    },
    { taskQueue: "flaky" },
  );
  const fails = defineWorkflow({ name: "fails", run: async () => hopeless() });
  const other = await h.run([fails], { steps: [hopeless], taskQueues: ["default", "flaky"] });
  const handle = await other.pawl.start(fails, undefined);
  expect((await causeOf(handle.result())).message).toBe("never");
  expect(fold(await handle.history()).steps).toMatchObject([{ name: "hopeless", state: "failed" }]);
});

test("a step that no worker begins in time fails with a typed error, and does not run later", async () => {
  let runs = 0;
  const late = step("late", async () => ++runs, { taskQueue: "empty", scheduleToStart: 100 });
  const workflow = defineWorkflow({
    name: "impatient",
    run: async (ctx) => {
      const error = await late().catch((reason: unknown) => reason as StepNotStarted);
      await ctx.sleep(300);
      return typeof error === "number" ? "ran" : `${error.code}: ${error.message}`;
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined, { executionId: "impatient-1" });
  expect(await handle.result()).toMatch(/^STEP_NOT_STARTED: No worker began step "late" on queue "empty" within 100 ms/);
  expect(fold(await handle.history()).steps).toMatchObject([{ name: "late", state: "failed" }]);
  await pawl.worker({ steps: [late], ...soon });
  await eventually(async () => expect((await pawl.handle("impatient-1.1").status()).state).toBe("cancelled"));
  expect(runs).toBe(0);
});

test("one that is paused before it begins does not begin in time either", async () => {
  const held = step("held", async () => 1, { taskQueue: "held", scheduleToStart: 500 });
  const workflow = defineWorkflow({ name: "holding", run: async () => held() });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined, { executionId: "holding-1" });
  await eventually(async () => expect(await pawl.handle("holding-1.1").pause()).toBe("paused"));
  expect(await causeOf(handle.result())).toMatchObject({ code: "STEP_NOT_STARTED" });
});

test("one that has begun in time may take as long as it likes", async () => {
  const slow = step("slow", () => new Promise<string>((resolve) => setTimeout(() => resolve("done"), 700)), { taskQueue: "slow", scheduleToStart: 400 });
  const workflow = defineWorkflow({ name: "patient", run: async () => slow() });
  const { pawl } = await h.run([workflow]);
  await (await h.open()).worker({ steps: [slow], ...soon });
  expect(await pawl.execute(workflow, undefined)).toBe("done");
});

test("it cannot write to a stream of the workflow, and says what can", async () => {
  const talk = step("talk", async () => stepContext().stream("tokens").write("a"), { taskQueue: "talking" });
  const workflow = defineWorkflow({ name: "listens", run: async () => talk() });
  const { pawl } = await h.run([workflow], { steps: [talk], taskQueues: ["default", "talking"] });
  const handle = await pawl.start(workflow, undefined, { executionId: "listens-1" });
  const cause = await causeOf(handle.result());
  expect(cause).toMatchObject({ name: "StreamOutOfReach", code: "STREAM_OUT_OF_REACH", stream: "tokens" });
  expect(cause.message).toContain("ctx.child(workflow, input, { taskQueue })");
  const types = (await pawl.handle("listens-1.1").history()).map(({ event }) => event.type);
  expect(types).toEqual(["ExecutionStarted", "StepFailed", "ExecutionFailed"]);
});

test("a cancel request reaches the step", async () => {
  let aborted = false;
  const hanging = step(
    "hanging",
    () => new Promise<void>((_, reject) => stepContext().signal.addEventListener("abort", () => ((aborted = true), reject(new Error("aborted"))))),
    { taskQueue: "hanging" },
  );
  const workflow = defineWorkflow({ name: "cancels", run: async () => hanging() });
  const { pawl } = await h.run([workflow], { steps: [hanging] });
  const handle = await pawl.start(workflow, undefined, { executionId: "cancels-1" });
  await eventually(async () => expect((await pawl.handle("cancels-1.1").status()).state).toBe("running"));
  await handle.cancel();
  expect(await failureOf(handle.result())).toBeInstanceOf(ExecutionCancelled);
  await eventually(() => expect(aborted).toBe(true));
  await eventually(async () => expect((await pawl.handle("cancels-1.1").status()).state).toBe("cancelled"));
});

test("limits of its queue hold for it", async () => {
  let now = 0;
  let most = 0;
  const narrow = step(
    "narrow",
    async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now--;
    },
    { taskQueue: "one-gpu" },
  );
  const workflow = defineWorkflow({ name: "narrows", run: async (ctx) => ctx.map([1, 2, 3, 4, 5, 6], () => narrow()) });
  const pawl = await h.open();
  await pawl.queues.set("one-gpu", { concurrency: 1 });
  await pawl.worker({ workflows: [workflow], steps: [narrow], ...soon });
  await pawl.execute(workflow, undefined);
  expect(most).toBe(1);
});

test("what cannot run elsewhere is refused, with what to do instead", async () => {
  const { pawl } = await h.run([
    defineWorkflow({ name: "in-place", run: async (ctx) => ctx.step("inline", () => 1, { taskQueue: "gpu" }) }),
    defineWorkflow({ name: "odd-name", run: async () => step("two words", async () => 1, { taskQueue: "gpu" })() }),
  ]);
  const inPlace = await causeOf((await pawl.start("in-place", undefined)).result());
  expect(inPlace.message).toContain('step "inline".taskQueue: only a reusable step can run on another queue');
  expect(inPlace.message).toContain('step("inline", fn, { taskQueue: "gpu" })');
  expect((await causeOf((await pawl.start("odd-name", undefined)).result())).message).toContain('step "two words".name');
  const plain = async (): Promise<number> => 1;
  expect(await failureOf(pawl.worker({ steps: [plain] }))).toBeInstanceOf(OptionInvalid);
  expect(await failureOf(pawl.worker({}))).toBeInstanceOf(OptionInvalid);
});

test("its result is a checkpoint, and its idempotencyKey is the same after a rollback and a retry", async () => {
  const keys: string[] = [];
  let down = false;
  const embed = step(
    "embed",
    async (n: number) => {
      keys.push(stepContext().idempotencyKey);
      if (down) throw new NonRetryable("down");
      return n + keys.length;
    },
    { taskQueue: "gpu" },
  );
  const workflow = defineWorkflow({
    name: "ingest",
    run: async (ctx) => {
      const first = await ctx.step("first", () => 10);
      const embedded = await embed(first);
      return ctx.step("last", () => embedded);
    },
  });
  const { pawl } = await h.run([workflow]);
  await pawl.worker({ steps: [embed], ...soon });
  const handle = await pawl.start(workflow, undefined, { executionId: "ing-1" });
  expect(await handle.result()).toBe(11);
  expect((await handle.checkpoints()).map(({ step: name, position }) => [name, position])).toEqual([
    ["first", 1],
    ["embed", 2],
    ["last", 3],
  ]);
  await handle.rollback({ to: { step: "embed" } });
  expect(await handle.result()).toBe(11);
  expect(keys).toEqual(["ing-1.2/embed/1"]);
  down = true;
  await handle.rollback({ to: { step: "first" } });
  await failureOf(handle.result());
  down = false;
  await handle.retry();
  expect(await handle.result()).toBe(13);
  expect(keys).toEqual(["ing-1.2/embed/1", "ing-1.2/embed/1", "ing-1.2/embed/1"]);
  expect(await (await handle.fork({ from: { step: "embed" }, results: { embed: 5 } })).result()).toBe(5);
});
