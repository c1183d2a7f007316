/** Checked by the compiler alone: what users' code infers, and what must not compile. */
import {
  defineWorkflow,
  step,
  update,
  workflow,
  workflowsOf,
  type Event,
  type ExecutionInfo,
  type ExecutionState,
  type InputOf,
  type OutputOf,
  type Pawl,
  type Workflow,
  type WorkflowContext,
} from "pawl";
import { exploreCrashes, replayHistory, type Mock, type RecordedHistory, type TestPawl } from "pawl/testing";
import { z } from "zod";

// The comparison that tells `any`, optional and readonly apart as well.
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only where the two types are the same. */
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

declare const pawl: Pawl;
declare const ctx: WorkflowContext;

// Input from a schema: callers pass what it takes, the code gets what it gives.
const ingest = defineWorkflow({
  name: "ingest",
  input: z.object({ folder: z.string(), depth: z.number().default(3), since: z.string().transform((text) => new Date(text)) }),
  run: async (_ctx, input) => {
    same<typeof input, { folder: string; depth: number; since: Date }>();
    return { files: input.depth, at: input.since };
  },
});
same<InputOf<typeof ingest>, { folder: string; since: string; depth?: number | undefined }>();
same<OutputOf<typeof ingest>, { files: number; at: Date }>();

// Input from the annotated parameter.
const greet = defineWorkflow({ name: "greet", run: async (_ctx, input: { name: string }) => `Hello ${input.name}` });
same<InputOf<typeof greet>, { name: string }>();
same<OutputOf<typeof greet>, string>();
const sync = defineWorkflow({ name: "sync", run: (_ctx, input: number) => input * 2 });
same<OutputOf<typeof sync>, number>();
const method = defineWorkflow({
  name: "method",
  async run(context, input: bigint) {
    same<typeof context, WorkflowContext<{}>>();
    return input;
  },
});
same<InputOf<typeof method>, bigint>();

// The schema must fit what the code takes.
defineWorkflow({
  name: "mismatch",
  // @ts-expect-error the schema gives a string where the code takes a number
  input: z.object({ folder: z.string() }),
  run: async (_ctx, input: { folder: number }) => input.folder,
});

export async function starting(): Promise<void> {
  const handle = await pawl.start(ingest, { folder: "./docs", since: "2020-01-01" });
  same<Awaited<ReturnType<typeof handle.result>>, { files: number; at: Date }>();
  const result = await handle.result();
  same<typeof result, { files: number; at: Date }>();
  const text = await pawl.execute(greet, { name: "Ann" });
  same<typeof text, string>();
  const found = await pawl.handle("id", greet).result();
  same<typeof found, string>();
  const untyped = await pawl.handle("id").result();
  same<typeof untyped, unknown>();
  const byName = await pawl.execute("greet", { anything: true });
  same<typeof byName, unknown>();
  const resumed = await handle.resume();
  same<typeof resumed, typeof handle>();

  // @ts-expect-error a field has another type
  await pawl.start(ingest, { folder: 5, since: "2020-01-01" });
  // @ts-expect-error a field is missing
  await pawl.start(ingest, { folder: "./docs" });
  // @ts-expect-error a field is unknown
  await pawl.start(greet, { name: "Ann", nam: "Bob" });
  // @ts-expect-error callers pass the schema's input, not its output
  await pawl.start(ingest, { folder: "./docs", since: new Date() });
  // @ts-expect-error the input is missing
  await pawl.start(greet);
  // @ts-expect-error wrong input
  await pawl.execute(greet, "Ann");
  // @ts-expect-error an option is unknown
  await pawl.start(greet, { name: "Ann" }, { id: "x" });
  // @ts-expect-error a duration is a number or a text
  await pawl.start(greet, { name: "Ann" }, { delay: new Date() });
  // @ts-expect-error not a workflow
  await pawl.start({ name: "greet" }, { name: "Ann" });
  // @ts-expect-error there is no such state
  await pawl.list({ state: "done" });
  // @ts-expect-error not a function that gives a promise, as step() makes it
  await pawl.worker({ steps: ["embed"] });
  await pawl.worker({ workflows: [ingest, greet, sync, method] });

  const page = await pawl.list({ state: ["running", "failed"] });
  same<(typeof page.executions)[number], ExecutionInfo>();
  same<ExecutionInfo["createdAt"], Date>();
  const { state } = await handle.status();
  same<typeof state, ExecutionState>();
  for (const { event } of await handle.history()) {
    same<typeof event, Event>();
    if (event.type === "StepCompleted") same<typeof event.attempt, number>();
  }
}

export async function insideAWorkflow(): Promise<void> {
  // Steps
  const number = await ctx.step("number", () => 1);
  same<typeof number, number>();
  const awaited = await ctx.step("async", async () => ({ at: new Date() }));
  same<typeof awaited, { at: Date }>();
  const nothing = await ctx.step("nothing", () => {});
  same<typeof nothing, void>();
  await ctx.step("context", async (stepContext) => {
    same<typeof stepContext.attempt, number>();
    same<typeof stepContext.signal, AbortSignal>();
    same<typeof stepContext.idempotencyKey, string>();
    same<typeof stepContext.lastHeartbeat, unknown>();
    stepContext.heartbeat({ page: 1 });
  });
  // @ts-expect-error a step needs a function
  await ctx.step("x", 5);
  // @ts-expect-error an option is unknown
  await ctx.step("x", () => 1, { retries: 3 });
  // @ts-expect-error a policy has no such field
  await ctx.step("x", () => 1, { retry: { attempts: 3 } });

  // What it is found by
  await ctx.setLabels({ team: "red", draft: null });
  await ctx.setAttributes({ size: 1, due: new Date(0), draft: null });
  // @ts-expect-error a label is a text
  await ctx.setLabels({ size: 1 });

  // Children
  const child = await ctx.child(ingest, { folder: "a", since: "b" });
  same<typeof child, { files: number; at: Date }>();
  // @ts-expect-error wrong input
  await ctx.child(ingest, { folder: 1, since: "b" });
  // @ts-expect-error wrong result
  const wrong: number = await ctx.child(greet, { name: "Ann" });

  // Together
  const all = await ctx.all([() => ctx.step("a", () => 1), () => ctx.step("b", () => "two"), () => ctx.sleep(5), () => ctx.child(greet, { name: "c" })]);
  same<typeof all, [number, string, void, string]>();
  const mapped = await ctx.map(["a", "b"], async (item, index) => {
    same<typeof item, string>();
    same<typeof index, number>();
    return { item, index };
  });
  same<typeof mapped, { item: string; index: number }[]>();
  const raced = await ctx.race([() => ctx.step("a", () => 1), () => ctx.sleep("1 hour")]);
  same<typeof raced, number | void>();
  const list: (() => Promise<number>)[] = [];
  const many = await ctx.all(list);
  same<typeof many, number[]>();
  // @ts-expect-error tasks are functions, so that a limit can hold some back
  await ctx.all([ctx.step("a", () => 1)]);
  // @ts-expect-error a limit is a number
  await ctx.map([1], async (n) => n, { concurrency: "2" });

  const shielded = await ctx.shield(async (inner) => {
    same<typeof inner, WorkflowContext>();
    return inner.step("clean", () => 5n);
  });
  same<typeof shielded, bigint>();
  same<ReturnType<typeof ctx.now>, Date>();
  same<ReturnType<typeof ctx.uuid>, string>();
  void wrong;
}

// Reusable steps keep their parameters and give promises.
const embed = step("embed", (text: string, options: { size: number }) => [text.length, options.size]);
same<typeof embed, (text: string, options: { size: number }) => Promise<number[]>>();
const later = step("later", async (n: number) => n > 1, { retry: { maximumAttempts: 5 } });
same<typeof later, (n: number) => Promise<boolean>>();
// @ts-expect-error wrong argument
void embed("x", { size: "1" });
// @ts-expect-error the options are checked
step("x", () => 1, { timeouts: 5 });

// Decorated classes.
class Shop {
  @workflow()
  async order(input: { item: string }): Promise<number> {
    return this.charge(input.item);
  }

  @workflow({ name: "shop/close", retry: { maximumAttempts: 2 } })
  async close(): Promise<void> {}

  @step({ timeout: "5s" })
  async charge(item: string): Promise<number> {
    return item.length;
  }

  // @ts-expect-error a durable step gives a promise
  @step()
  plain(item: string): number {
    return item.length;
  }

  helper(): string {
    return "";
  }
}
const { order, close } = workflowsOf(new Shop());
same<typeof order, Workflow<{ item: string }, number>>();
same<InputOf<typeof close>, undefined>();

export async function decorated(): Promise<void> {
  const total = await pawl.execute(order, { item: "tea" });
  same<typeof total, number>();
  // @ts-expect-error wrong input
  await pawl.start(order, { item: 5 });
  // @ts-expect-error not a workflow: its methods that are none do not appear
  void workflowsOf(new Shop()).helper;
}

declare const testPawl: TestPawl;
declare const history: RecordedHistory;

// The testing kit: a mock fits what it stands for.
export async function testing(): Promise<void> {
  const reusable = step("reusable", async (text: string, size: number) => [text.length, size]);
  same<ReturnType<typeof mocked>, Mock<[text: string, size: number]>>();
  function mocked() {
    return testPawl.mocks.step(reusable, (text, size) => [text.length, size]);
  }
  // @ts-expect-error the step gives numbers
  testPawl.mocks.step(reusable, (text) => [text]);
  const child = testPawl.mocks.workflow(ingest, (input) => {
    same<typeof input.since, string>();
    return { files: 1, at: new Date(0) };
  });
  same<(typeof child.calls)[0]["args"][0], InputOf<typeof ingest>>();
  // @ts-expect-error the workflow gives more
  testPawl.mocks.workflow(ingest, () => ({ files: 1 }));
  const outcome = await replayHistory(ingest, history);
  if (outcome.state === "completed") same<typeof outcome.result, { files: number; at: Date }>();
  await exploreCrashes(greet, { name: "Ann" }, { result: (result) => same<typeof result, string>() });
  // @ts-expect-error wrong input
  await exploreCrashes(greet, { nam: "Ann" });
}

// The input of a schedule is that of its workflow.
const none = defineWorkflow({ name: "none", run: async () => 1 });
void pawl.schedules.create({ scheduleId: "s", workflow: greet, input: { name: "Ann" }, cron: "@daily" });
void pawl.schedules.create({ scheduleId: "s", workflow: none, interval: "1 hour", overlap: "buffer_one" });
void pawl.schedules.create({ scheduleId: "s", workflow: "by-name", input: { any: true }, calendar: { dayOfWeek: "monday", hour: { from: 9, to: 17 } } });
// @ts-expect-error the name is missing
void pawl.schedules.create({ scheduleId: "s", workflow: greet, input: {}, cron: "@daily" });
// @ts-expect-error the input is missing
void pawl.schedules.create({ scheduleId: "s", workflow: greet, cron: "@daily" });
// @ts-expect-error there is no such policy
void pawl.schedules.create({ scheduleId: "s", workflow: none, cron: "@daily", overlap: "sometimes" });
same<WorkflowContext["schedule"], { readonly scheduleId: string; readonly at: Date } | undefined>();

// What continues must fit the schema of the input.
defineWorkflow({
  name: "continuing",
  input: z.object({ page: z.number(), since: z.string().default("now") }),
  run: (context, { page }): Promise<number> | number => {
    // @ts-expect-error a page is a number
    if (page === 1) return context.continueAsNew({ page: "2" });
    return page === 2 ? context.continueAsNew({ page: 3 }, { version: "2" }) : page;
  },
});

interface Cart {
  items: string[];
  paid: boolean;
}

// Messages: each function gets the workflow's own state, and who sends gets what it gives.
const shop = defineWorkflow({
  name: "shop",
  state: (): Cart => ({ items: [], paid: false }),
  signals: { pay: z.object({ card: z.string(), at: z.string().transform((text) => new Date(text)) }) },
  queries: { items: (cart: Cart) => cart.items, first: (cart: { items: string[] }, most: number) => cart.items.slice(0, most) },
  updates: {
    add: update(
      z.string().transform((text) => text.length),
      (cart: Cart, length) => {
        same<typeof length, number>();
        return cart.items.push(String(length));
      },
    ),
    part: update(z.boolean(), (cart: { paid: boolean }, paid): void => {
      cart.paid = paid;
    }),
    unread: update(z.number(), (_state, amount) => amount),
  },
  async run(context) {
    same<typeof context.state, Cart>();
    const payment = await context.signal("pay");
    same<typeof payment, { card: string; at: Date }>();
    // @ts-expect-error there is no such signal
    await context.signal("paid");
    await context.set("status", { paid: true });
  },
});

export async function messages(): Promise<void> {
  const cart = await pawl.start(shop, undefined);
  await cart.signal("pay", { card: "1", at: "2020-01-01" });
  // @ts-expect-error what is sent is what the schema takes
  await cart.signal("pay", { card: "1", at: new Date() });
  // @ts-expect-error there is no such signal
  await cart.signal("paid", {});
  const items = await cart.query("items");
  same<typeof items, string[]>();
  const first = await cart.query("first", 2);
  same<typeof first, string[]>();
  // @ts-expect-error its argument is missing
  await cart.query("first");
  // @ts-expect-error its argument is a number
  await cart.query("first", "2");
  const length = await cart.update("add", "book");
  same<typeof length, number>();
  // @ts-expect-error the input is a string
  await cart.update("add", 7);
  // @ts-expect-error there is no such update
  await cart.update("remove", "book");
  const nothing = await cart.update("part", true);
  same<typeof nothing, void>();
  const value = await cart.value("status");
  same<typeof value, unknown>();
  // Of a handle that knows no workflow: anything.
  await pawl.handle("id").update("whatever", { any: 1 });
}

defineWorkflow({
  name: "other-state",
  state: (): Cart => ({ items: [], paid: false }),
  // @ts-expect-error the state is another one
  queries: { total: (state: { total: number }) => state.total },
  // @ts-expect-error the state is another one
  updates: { add: update(z.number(), (state: { total: number }, amount) => (state.total += amount)) },
  run: async () => {},
});

defineWorkflow({
  name: "stateless",
  // @ts-expect-error without `state` there is nothing to change
  updates: { add: update(z.number(), (state: { total: number }, amount) => (state.total += amount)) },
  run: async () => {},
});

// @ts-expect-error an update has no time to wait
update(z.number(), async (state: { total: number }, amount) => (state.total += amount));
// @ts-expect-error nor may it give a promise
update(z.number(), (state: { total: number }, amount): Promise<void> | number => (state.total += amount));
