/** Traces and metrics, as an OpenTelemetry SDK receives them. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  context,
  ROOT_CONTEXT,
  trace,
  type Attributes,
  type Context,
  type ContextManager,
  type MeterProvider,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TimeInput,
} from "@opentelemetry/api";
import { defineWorkflow, type HistoryEvent, NonRetryable } from "pawl";
import { openTelemetry } from "pawl/opentelemetry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually, failureOf, harness, quickly, soon } from "./harness.ts";

const h = harness();

interface Recorded {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Attributes;
  readonly startTime: TimeInput | undefined;
  readonly links: readonly SpanContext[];
  error: string | undefined;
  ended: boolean;
}

/** What an SDK does, as far as spans can be told apart by it. */
function recorder() {
  const spans: Recorded[] = [];
  let last = 0;
  const hex = (length: number): string => (++last).toString(16).padStart(length, "0");
  const startSpan = (name: string, options: SpanOptions = {}, within: Context = context.active()): Span => {
    const parent = trace.getSpanContext(within);
    const spanContext: SpanContext = { traceId: parent?.traceId ?? hex(32), spanId: hex(16), traceFlags: 1 };
    const attributes = options.attributes ?? {};
    const links = (options.links ?? []).map((link) => link.context);
    const { startTime } = options;
    const recorded: Recorded = { name, ...spanContext, parentSpanId: parent?.spanId, attributes, startTime, links, error: undefined, ended: false };
    spans.push(recorded);
    const span: Span = {
      spanContext: () => spanContext,
      setAttribute: () => span,
      setAttributes: () => span,
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      updateName: () => span,
      isRecording: () => true,
      recordException: () => {},
      setStatus: ({ message }) => {
        recorded.error = message;
        return span;
      },
      end: () => void (recorded.ended = true),
    };
    return span;
  };
  const tracerProvider = { getTracer: () => ({ startSpan, startActiveSpan: () => {} }) } as never;
  return { spans, tracerProvider };
}

function meters() {
  const measured = new Map<string, number[]>();
  const callbacks = new Set<(result: object) => Promise<void>>();
  const instrument = (name: string) => {
    const add = (value: number): void => void measured.set(name, [...(measured.get(name) ?? []), value]);
    return { name, add, record: add };
  };
  const meterProvider = {
    getMeter: () => ({
      createHistogram: instrument,
      createCounter: instrument,
      createObservableGauge: (name: string) => ({ name }),
      addBatchObservableCallback: (callback: (result: object) => Promise<void>) => void callbacks.add(callback),
      removeBatchObservableCallback: (callback: (result: object) => Promise<void>) => void callbacks.delete(callback),
    }),
  } as unknown as MeterProvider;
  const collect = async (): Promise<readonly (readonly [string, number, Attributes | undefined])[]> => {
    const observed: [string, number, Attributes | undefined][] = [];
    for (const callback of callbacks)
      await callback({ observe: ({ name }: { name: string }, value: number, attributes?: Attributes) => void observed.push([name, value, attributes]) });
    return observed;
  };
  return { measured, meterProvider, collect };
}

class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active = (): Context => this.#storage.getStore() ?? ROOT_CONTEXT;
  with: ContextManager["with"] = (within, fn, self, ...args) => this.#storage.run(within, () => fn.apply(self as never, args));
  bind: ContextManager["bind"] = (_within, target) => target;
  enable = (): this => this;
  disable = (): this => this;
}

beforeAll(() => void context.setGlobalContextManager(new Contexts()));
afterAll(() => context.disable());

const seen: (string | undefined)[] = [];
const child = defineWorkflow({ name: "child", run: (ctx) => ctx.step("inner", () => 1) });
const traced = defineWorkflow({
  name: "traced",
  retry: quickly,
  async run(ctx, round: number): Promise<number> {
    await ctx.step("outer", async (step) => {
      await Promise.resolve();
      seen.push(trace.getActiveSpan()?.spanContext().spanId);
      if (step.attempt === 1) throw new Error("once");
    });
    await ctx.child(child, undefined);
    return round > 0 ? round : ctx.continueAsNew(round + 1);
  },
});

test("one trace holds the caller, the execution in all its runs and workers, its steps and their attempts, and its children", async () => {
  const { spans, tracerProvider } = recorder();
  const telemetry = openTelemetry({ tracerProvider });
  const pawl = await h.open({ telemetry });
  const caller = { traceId: "c".repeat(32), spanId: "a".repeat(16), traceFlags: 1 };
  const handle = await context.with(trace.setSpanContext(ROOT_CONTEXT, caller), () => pawl.start(traced, 0, { executionId: "traced" }));
  // Another process takes it from here.
  await (await h.open({ telemetry })).worker({ workflows: [traced, child], ...soon });
  expect(await handle.result()).toBe(1);
  await eventually(() => expect(spans.filter(({ name }) => name === "execution traced")).toHaveLength(2));
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([caller.traceId]));
  expect(spans.every(({ ended }) => ended)).toBe(true);
  const counted: Record<string, number> = {};
  for (const { name } of spans) counted[name] = (counted[name] ?? 0) + 1;
  expect(counted).toEqual({ "start traced": 1, "step outer": 4, "start child": 2, "step inner": 2, "execution child": 2, "execution traced": 2 });
  const [start] = spans;
  expect(start).toMatchObject({ name: "start traced", parentSpanId: caller.spanId });
  const attempts = spans.filter(({ name }) => name === "step outer");
  expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual(Array<string>(4).fill(start!.spanId));
  expect(attempts.map(({ attributes, error }) => [attributes["pawl.attempt"], error])).toEqual([
    [1, "once"],
    [2, undefined],
    [1, "once"],
    [2, undefined],
  ]);
  expect(seen).toEqual(attempts.map(({ spanId }) => spanId));
  const [first] = await handle.runs();
  const ended = spans.find(({ name, attributes }) => name === "execution traced" && attributes["pawl.run_id"] === first!.runId);
  expect(ended).toMatchObject({ attributes: { "pawl.execution_id": "traced", "pawl.state": "continued_as_new" } });
});

test("an execution that nobody traced when it was started has a trace of its own, and its failure is seen", async () => {
  const { spans, tracerProvider } = recorder();
  const failing = defineWorkflow({
    name: "failing",
    run: (ctx) =>
      ctx.step("break", () => {
        throw new NonRetryable("broken");
      }),
  });
  const handle = await (await h.open()).start(failing, undefined);
  const pawl = await h.open({ telemetry: openTelemetry({ tracerProvider }) });
  await pawl.worker({ workflows: [failing], ...soon });
  await failureOf(handle.result());
  await eventually(() =>
    expect(spans.map(({ name, error }) => [name, error])).toEqual([
      ["step break", "broken"],
      ["execution failing", "failed"],
    ]),
  );
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([handle.runId!.replaceAll("-", "")]));
});

test("a signal that was sent within a span is linked to it where it is received, also after export and import", async () => {
  const { spans, tracerProvider } = recorder();
  const telemetry = openTelemetry({ tracerProvider });
  const told = defineWorkflow({
    name: "told",
    signals: { go: z.number() },
    run: async (ctx) => {
      const got: number[] = [];
      while (got.length < 5) got.push(await ctx.signal("go"));
      return got;
    },
  });
  const telling = defineWorkflow({ name: "telling", run: async (ctx) => ctx.step("tell", () => pawl.handle("told", told).signal("go", 3)) });
  const pawl = await h.open({ telemetry });
  const silent = await h.open();
  const caller = { traceId: "c".repeat(32), spanId: "a".repeat(16), traceFlags: 1 };
  const within = trace.setSpanContext(ROOT_CONTEXT, caller);
  const handle = await context.with(within, () => pawl.signalWithStart(told, undefined, { executionId: "told", signal: { name: "go", payload: 1 } }));
  await context.with(within, () => handle.signal("go", 2));
  await (await h.open({ telemetry })).worker({ workflows: [told, telling], ...soon });
  await pawl.execute(telling, undefined);
  // Outside of any span, or without telemetry, there is nothing to link to.
  await handle.signal("go", 4);
  await context.with(within, () => silent.handle("told").signal("go", 5));
  expect(await handle.result()).toEqual([1, 2, 3, 4, 5]);
  const received = spans.filter(({ name }) => name === "signal go");
  const step = spans.find(({ name }) => name === "step tell")!;
  expect(received.map(({ links }) => links.map(({ traceId, spanId }) => [traceId, spanId]))).toEqual([
    [[caller.traceId, caller.spanId]],
    [[caller.traceId, caller.spanId]],
    [[step.traceId, step.spanId]],
  ]);
  const own = spans.find(({ name }) => name === "start told")!;
  for (const { traceId, parentSpanId, attributes, ended } of received) {
    expect({ traceId, parentSpanId, ended }).toEqual({ traceId: own.traceId, parentSpanId: own.spanId, ended: true });
    expect(attributes).toMatchObject({ "pawl.execution_id": "told", "pawl.workflow": "told", "pawl.signal": "go" });
  }
  const traceparents = (events: readonly HistoryEvent[]) => events.flatMap(({ event }) => (event.type === "SignalReceived" ? [event.traceparent] : []));
  const from = `00-${caller.traceId}-${caller.spanId}-01`;
  expect(traceparents(await handle.history())).toEqual([from, from, `00-${step.traceId}-${step.spanId}-01`, undefined, undefined]);
  const copy = await pawl.importExecution(await pawl.exportExecution("told"), { executionId: "copy" });
  expect(traceparents(await copy.history())).toEqual(traceparents(await handle.history()));
});

test("commits, claims and what only the database knows are measured", async () => {
  const { measured, meterProvider, collect } = meters();
  const pawl = await h.open({ namespace: "measured", telemetry: openTelemetry({ meterProvider, database: true }) });
  const waiting = defineWorkflow({ name: "waiting", taskQueue: "nowhere", run: (ctx) => ctx.sleep(1) });
  await pawl.start(waiting, undefined);
  await pawl.worker({ workflows: [child], ...soon });
  await pawl.execute(child, undefined);
  expect([...measured.keys()].toSorted()).toEqual(["pawl.claim.duration", "pawl.claim.executions", "pawl.commit.duration", "pawl.commit.executions"]);
  expect(measured.get("pawl.commit.executions")!.every((executions) => executions >= 1)).toBe(true);
  const observed = await collect();
  expect(observed).toContainEqual(["pawl.executions", 1, { "pawl.state": "completed" }]);
  expect(observed).toContainEqual(["pawl.executions", 1, { "pawl.state": "pending" }]);
  expect(observed).toContainEqual(["pawl.queue.depth", 1, { "pawl.task_queue": "nowhere", "pawl.definition": "waiting@1" }]);
  expect(observed.find(([name]) => name === "pawl.queue.age")![1]).toBeGreaterThanOrEqual(0);
  expect(observed).toContainEqual(["pawl.executions.stranded", 0, undefined]);
  await pawl.close();
  expect(await collect()).toEqual([]);
});

test("without an SDK nothing is recorded", async () => {
  const pawl = await h.open({ telemetry: openTelemetry() });
  await pawl.worker({ workflows: [child], ...soon });
  const handle = await pawl.start(child, undefined);
  expect(await handle.result()).toBe(1);
  expect((await handle.history())[0]!.event).not.toHaveProperty("traceparent");
});
