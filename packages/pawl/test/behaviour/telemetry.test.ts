/** Traces and metrics, as an OpenTelemetry SDK receives them. */
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomUUID } from "node:crypto";
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
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider as SdkMeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, ParentBasedSampler, SimpleSpanProcessor, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace-base";
import { defineWorkflow, type HistoryEvent, NonRetryable } from "pawl";
import { openTelemetry, type OpenTelemetryOptions } from "pawl/opentelemetry";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { execute } from "../support/database.ts";
import { eventually, failureOf, gate, harness, quickly, soon } from "./harness.ts";

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

const derivedTraceId = (executionId: string): string => createHash("sha256").update(`default/${executionId}`).digest("hex").slice(0, 32);

test("an execution that nobody traced when it was started has one trace with its children, in all its runs, whoever starts them", async () => {
  const { spans, tracerProvider } = recorder();
  let broken = true;
  const untraced = defineWorkflow({
    name: "untraced",
    async run(ctx, round: number): Promise<number> {
      await ctx.step("work", () => round);
      await ctx.child(child, undefined);
      if (round === 0) return ctx.continueAsNew(1);
      return ctx.step("fix", () => {
        if (broken) throw new NonRetryable("broken");
        return 7;
      });
    },
  });
  const silent = await h.open();
  const handle = await silent.start(untraced, 0, { executionId: "untraced" });
  const pawl = await h.open({ telemetry: openTelemetry({ tracerProvider }) });
  const worker = await pawl.worker({ workflows: [untraced, child], ...soon });
  await failureOf(handle.result());
  broken = false;
  await handle.retry();
  expect(await handle.result()).toBe(7);
  await handle.rollback({ to: { step: "work" } });
  expect(await handle.result()).toBe(7);
  await worker.stop();
  const counted = spans.map(({ name }) => name).filter((name) => name.startsWith("execution"));
  expect(counted.toSorted()).toEqual([...Array<string>(3).fill("execution child"), ...Array<string>(4).fill("execution untraced")]);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([derivedTraceId("untraced")]));
});

test("a fork has a trace of its own, which is linked to that of the execution it comes from", async () => {
  const { spans, tracerProvider } = recorder();
  const forked = defineWorkflow({ name: "forked", run: (ctx) => ctx.step("work", () => 1) });
  const pawl = await h.open({ telemetry: openTelemetry({ tracerProvider }) });
  const worker = await pawl.worker({ workflows: [forked], ...soon });
  const original = await pawl.start(forked, undefined, { executionId: "original" });
  await original.result();
  expect(await (await original.fork({ from: 1, executionId: "fork" })).result()).toBe(1);
  // A process that traces nothing forks it, too.
  expect(await (await (await h.open()).handle("original").fork({ from: 1, executionId: "quiet" })).result()).toBe(1);
  await worker.stop();
  const of = (executionId: string) => spans.filter(({ attributes }) => attributes["pawl.execution_id"] === executionId);
  const traces = ["original", "fork", "quiet"].map((executionId) => new Set(of(executionId).map(({ traceId }) => traceId)));
  expect(traces.map(({ size }) => size)).toEqual([1, 1, 1]);
  expect(new Set(traces.flatMap((ids) => [...ids])).size).toBe(3);
  const [first, second] = spans.filter(({ name }) => name === "start forked");
  expect(first!.links).toEqual([]);
  expect(second!.links).toMatchObject([{ traceId: first!.traceId, spanId: first!.spanId }]);
  expect(of("fork").map(({ name }) => name)).toEqual(["start forked", "step work", "execution forked"]);
});

test("of executions that nobody traced when they were started, the share that was asked for is sampled, the same ones in all processes", async () => {
  const ids = Array.from({ length: 1000 }, (_, index) => `sampled-${index}`);
  const sampledOf = (options: Omit<OpenTelemetryOptions, "tracerProvider">): readonly string[] => {
    const within: Context[] = [];
    const startSpan = (_name: string, _options: SpanOptions, parent: Context) => {
      within.push(parent);
      return trace.wrapSpanContext(trace.getSpanContext(parent)!);
    };
    const telemetry = openTelemetry({ tracerProvider: { getTracer: () => ({ startSpan }) } as never, ...options });
    for (const executionId of ids)
      telemetry.attempt({ namespace: "default", executionId, runId: randomUUID(), workflow: "w", version: "1", traceparent: undefined, step: "s", attempt: 1 });
    return ids.filter((_, index) => trace.getSpanContext(within[index]!)!.traceFlags === 1);
  };
  expect(sampledOf({})).toEqual(ids);
  expect(sampledOf({ sampleUntraced: 0 })).toEqual([]);
  const some = sampledOf({ sampleUntraced: 0.1 });
  expect(some.length).toBeGreaterThan(50);
  expect(some.length).toBeLessThan(150);
  expect(sampledOf({ sampleUntraced: 0.1 })).toEqual(some);
  vi.stubEnv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
  vi.stubEnv("OTEL_TRACES_SAMPLER_ARG", "0.1");
  expect(sampledOf({})).toEqual(some);
  expect(sampledOf({ sampleUntraced: 1 })).toEqual(ids);
  vi.stubEnv("OTEL_TRACES_SAMPLER", "always_off");
  expect(sampledOf({})).toEqual([]);
  vi.unstubAllEnvs();
  for (const sampleUntraced of [-0.1, 1.5, Number.NaN, "0.5" as never])
    expect(() => openTelemetry({ sampleUntraced })).toThrow(/sampleUntraced: must be a number from 0 \(none\) to 1 \(all\), not /);
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
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([derivedTraceId(handle.executionId)]));
});

test("a transactional step has a span for each attempt, which ends with it", async () => {
  const { spans, tracerProvider } = recorder();
  const booking = defineWorkflow({
    name: "booking",
    retry: quickly,
    run: (ctx) =>
      ctx.transaction("book", async (tx, { attempt }) => {
        await tx.query("SELECT 1");
        if (attempt === 1) throw new Error("once");
        return "booked";
      }),
  });
  const pawl = await h.open({ telemetry: openTelemetry({ tracerProvider }) });
  const worker = await pawl.worker({ workflows: [booking], ...soon });
  expect(await pawl.execute(booking, undefined)).toBe("booked");
  await worker.stop();
  expect(spans.filter(({ name }) => name === "step book").map(({ ended, error }) => ({ ended, error }))).toEqual([
    { ended: true, error: "once" },
    { ended: true, error: undefined },
  ]);
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

/** The OpenTelemetry SDK of one process. */
function sdk(sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(1) })) {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 1_000_000_000 });
  const meterProvider = new SdkMeterProvider({ readers: [reader] });
  /** By name: of a counter or a gauge the value, of a histogram how many were recorded. */
  const collect = async (): Promise<ReadonlyMap<string, number>> => {
    metricExporter.reset();
    await meterProvider.forceFlush();
    const found = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    return new Map(
      found.flatMap(({ descriptor, dataPoints }) => dataPoints.map(({ value }) => [descriptor.name, typeof value === "number" ? value : value.count] as const)),
    );
  };
  return { spans: () => exporter.getFinishedSpans(), tracerProvider, meterProvider, collect };
}

const providersOf = ({ tracerProvider, meterProvider }: ReturnType<typeof sdk>): OpenTelemetryOptions => ({ tracerProvider, meterProvider });

test("with an SDK, an execution is one trace over a worker that goes and one that comes, with its children, attempts and runs", async () => {
  const [starting, first, second] = [sdk(), sdk(), sdk()];
  const held = gate();
  const isHeld = gate();
  const small = defineWorkflow({ name: "small", run: (ctx) => ctx.step("inner", () => 1) });
  const moved = defineWorkflow({
    name: "moved",
    retry: quickly,
    async run(ctx, round: number): Promise<string> {
      await ctx.step("twice", ({ attempt }) => {
        if (attempt === 1) throw new Error("once");
      });
      await ctx.child(small, undefined);
      if (round > 0) return "done";
      await ctx.step("hold", async () => {
        isHeld.open();
        await held.opened;
      });
      return ctx.continueAsNew(1);
    },
  });
  const client = await h.open({ telemetry: openTelemetry(providersOf(starting)) });
  const tracer = starting.tracerProvider.getTracer("program");
  const request = tracer.startSpan("request");
  const handle = await context.with(trace.setSpan(ROOT_CONTEXT, request), () => client.start(moved, 0, { executionId: "moved" }));
  request.end();
  const leaving = await (await h.open({ telemetry: openTelemetry(providersOf(first)) })).worker({ workflows: [moved, small], ...soon });
  await isHeld.opened;
  await leaving.stop({ drain: 0 });
  held.open();
  const staying = await (await h.open({ telemetry: openTelemetry(providersOf(second)) })).worker({ workflows: [moved, small], ...soon });
  expect(await handle.result()).toBe("done");
  await staying.stop();

  const spans = [starting, first, second].flatMap((one) => one.spans());
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([request.spanContext().traceId]));
  const named = (one: ReturnType<typeof sdk>) =>
    one
      .spans()
      .map(({ name, attributes }) => (name.startsWith("step") ? `${name} ${String(attributes["pawl.attempt"])}` : name))
      .toSorted();
  expect(named(starting)).toEqual(["request", "start moved"]);
  const round = ["execution small", "start small", "step inner 1", "step twice 1", "step twice 2"];
  expect(named(first).filter((name) => !name.startsWith("step hold"))).toEqual(round);
  // Whether the attempt that was given up counts depends on whether it had lasted long enough to be announced.
  const afterwards = named(second).map((name) => name.replace(/^(step hold) \d$/, "$1"));
  expect(afterwards.toSorted()).toEqual([...round, "execution moved", "execution moved", "step hold"].toSorted());
  const idOf = (name: string): string => spans.find((span) => span.name === name)!.spanContext().spanId;
  const parents = new Map(spans.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId]));
  expect(parents.get("start moved")).toBe(idOf("request"));
  for (const name of ["step twice", "step hold", "start small", "execution moved"]) expect(parents.get(name), name).toBe(idOf("start moved"));
  const starts = spans.filter(({ name }) => name === "start small").map((span) => span.spanContext().spanId);
  for (const name of ["step inner", "execution small"]) expect(starts, name).toContain(parents.get(name));
  expect(spans.filter(({ name, status }) => name === "step twice" && status.message === "once")).toHaveLength(2);
});

test("with an SDK that samples by the parent, an execution that nobody traced is recorded as a whole or not at all", async () => {
  const one = sdk();
  const plain = defineWorkflow({ name: "plain", run: (ctx) => ctx.child(child, undefined) });
  const silent = await h.open();
  const handles = await Promise.all(Array.from({ length: 40 }, (_, index) => silent.start(plain, undefined, { executionId: `plain-${index}` })));
  const worker = await (
    await h.open({ telemetry: openTelemetry({ ...providersOf(one), sampleUntraced: 0.5 }) })
  ).worker({ workflows: [plain, child], ...soon });
  for (const handle of handles) await handle.result();
  await worker.stop();
  const traces = handles.map(({ executionId }) => one.spans().filter((span) => span.spanContext().traceId === derivedTraceId(executionId)));
  const recorded = traces.filter((spans) => spans.length > 0);
  expect(recorded.length).toBeGreaterThan(0);
  expect(recorded.length).toBeLessThan(handles.length);
  expect(recorded.flat()).toHaveLength(one.spans().length);
  for (const spans of recorded) expect(spans.map(({ name }) => name).toSorted()).toEqual(["execution child", "execution plain", "start child", "step inner"]);
});

test("with an SDK, commits, claims, a lease that was lost and a write that was refused are exported", async () => {
  const { meterProvider, collect } = sdk();
  const terminated = gate();
  const entered = gate();
  let holding = false;
  const pawl = await h.open({ namespace: "exported", telemetry: openTelemetry({ meterProvider, database: true }) }, async (name, phase) => {
    if (!holding || !name.startsWith("commit") || phase !== "before") return;
    entered.open();
    await terminated.opened;
  });
  const refused = defineWorkflow({ name: "refused", run: (ctx) => ctx.step("work", () => void (holding = true)) });
  await pawl.worker({ workflows: [refused, child], lease: "1s", ...soon });
  await pawl.execute(child, undefined);
  const before = await collect();
  for (const name of ["pawl.commit.executions", "pawl.commit.duration", "pawl.claim.executions", "pawl.claim.duration"])
    expect(before.get(name), name).toBeGreaterThan(0);
  expect([before.get("pawl.lease.lost") ?? 0, before.get("pawl.write.rejected") ?? 0, before.get("pawl.executions.stranded")]).toEqual([0, 0, 0]);

  // Its write is on its way when somebody else ends the execution.
  const handle = await pawl.start(refused, undefined);
  await entered.opened;
  await (await h.open({ namespace: "exported" })).handle(handle.executionId).terminate();
  holding = false;
  terminated.open();
  await eventually(async () => expect((await collect()).get("pawl.write.rejected")).toBe(1));

  await execute(h.url, "UPDATE pawl.workers SET state = 'dead' WHERE state = 'live' AND namespace = 'exported'");
  await eventually(async () => expect((await collect()).get("pawl.lease.lost")).toBe(1));
  // It has another lease now, and goes on.
  expect(await pawl.execute(child, undefined)).toBe(1);
});
