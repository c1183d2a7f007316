import {
  context,
  metrics,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Histogram,
  type MeterProvider,
  type Span,
  type TracerProvider,
} from "@opentelemetry/api";
import { OptionInvalid } from "../base/errors.ts";
import { toFailure } from "../base/values.ts";
import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import type { AttemptSpan, Measure, Telemetry, TracedExecution } from "../base/telemetry.ts";
import { observeDatabase } from "./observe-database.ts";
import { contextOf, formatTraceparent, parseTraceparent, spanContextOf } from "./trace-context.ts";

export interface OpenTelemetryOptions {
  /** Where spans go (the global one). */
  readonly tracerProvider?: TracerProvider;
  /** Where measurements go (the global one). */
  readonly meterProvider?: MeterProvider;
  /**
   * Measure what only the database knows: executions by state, queues, stranded executions (false). Counts every execution at each
   * collection, so let one process of a cluster do it.
   */
  readonly database?: boolean;
  /**
   * Which share of the executions that nobody traced when they were started, such as those of schedules, is marked as sampled, from 0 to
   * 1 (what `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say; otherwise 1). Give all processes the same.
   */
  readonly sampleUntraced?: number;
}

const telemetryKeys = { tracerProvider: true, meterProvider: true, database: true, sampleUntraced: true } satisfies KnownKeys<OpenTelemetryOptions>;

const histograms: readonly (readonly [measure: Measure, unit: string, description: string])[] = [
  ["commit.executions", "{execution}", "Executions written by one group commit"],
  ["commit.duration", "ms", "How long a group commit takes"],
  ["claim.executions", "{execution}", "Executions claimed at once"],
  ["claim.duration", "ms", "How long a claim takes"],
];

/**
 * Traces and metrics of Pawl, through whatever OpenTelemetry SDK the program has set up. Without one it costs next to nothing.
 *
 * @example
 * const pawl = await Pawl.open({ telemetry: openTelemetry() });
 *
 * @throws OptionInvalid
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  checkKeys(options, telemetryKeys, "openTelemetry");
  const sampleUntraced = checkShare(options.sampleUntraced) ?? shareOfEnvironment(process.env);
  const tracer = (options.tracerProvider ?? trace).getTracer("pawl");
  const meter = (options.meterProvider ?? metrics).getMeter("pawl");
  const values = new Map<Measure, Histogram>(
    histograms.map(([measure, unit, description]) => [measure, meter.createHistogram(`pawl.${measure}`, { unit, description })]),
  );
  const leasesLost = meter.createCounter("pawl.lease.lost", { description: "Leases that ended while their worker lived" });
  const writesRejected = meter.createCounter("pawl.write.rejected", { description: "Writes refused because another worker owned the execution" });
  return {
    started(execution, { parent, forkOf } = {}) {
      const within = parent === undefined ? context.active() : contextOf(parent, sampleUntraced);
      const links = forkOf === undefined ? [] : [{ context: spanContextOf(forkOf, sampleUntraced) }];
      const span = tracer.startSpan(`start ${execution.workflow}`, { kind: SpanKind.PRODUCER, attributes: attributesOf(execution), links }, within);
      span.end();
      const made = span.spanContext();
      // Without an SDK there is nothing to belong to.
      return trace.isSpanContextValid(made) ? formatTraceparent(made) : undefined;
    },
    attempt(attempt) {
      const attributes = { ...attributesOf(attempt), "pawl.step": attempt.step, "pawl.attempt": attempt.attempt };
      const within = contextOf(attempt, sampleUntraced);
      const span = tracer.startSpan(`step ${attempt.step}`, { attributes }, within);
      const inside = trace.setSpan(within, span);
      return {
        run: (fn) => context.with(inside, fn),
        end: (error) => endSpan(span, error),
      } satisfies AttemptSpan;
    },
    sending() {
      const active = trace.getSpanContext(context.active());
      return active !== undefined && trace.isSpanContextValid(active) ? formatTraceparent(active) : undefined;
    },
    received(execution, { name, sender, at }) {
      const from = parseTraceparent(sender);
      const links = from === undefined ? [] : [{ context: { ...from, isRemote: true } }];
      const attributes = { ...attributesOf(execution), "pawl.signal": name };
      tracer.startSpan(`signal ${name}`, { kind: SpanKind.CONSUMER, attributes, links, startTime: at }, contextOf(execution, sampleUntraced)).end(at);
    },
    ended(execution, { state, startedAt, endedAt }) {
      const attributes = { ...attributesOf(execution), "pawl.state": state };
      const within = contextOf(execution, sampleUntraced);
      const span = tracer.startSpan(`execution ${execution.workflow}`, { kind: SpanKind.CONSUMER, attributes, startTime: startedAt }, within);
      if (state === "failed" || state === "timed_out" || state === "quarantined") span.setStatus({ code: SpanStatusCode.ERROR, message: state });
      span.end(endedAt);
    },
    measured(measure, value) {
      if (measure === "lease.lost") leasesLost.add(value);
      else if (measure === "write.rejected") writesRejected.add(value);
      else values.get(measure)!.record(value);
    },
    observe: (gauges) => (options.database === true ? observeDatabase(meter, gauges) : () => {}),
  };
}

function checkShare(share: number | undefined): number | undefined {
  if (share === undefined) return undefined;
  if (typeof share === "number" && share >= 0 && share <= 1) return share;
  throw new OptionInvalid("sampleUntraced", `must be a number from 0 (none) to 1 (all), not ${String(share)}.`);
}

/** What an SDK that goes by the environment does with traces that begin in it. */
function shareOfEnvironment({ OTEL_TRACES_SAMPLER: sampler = "", OTEL_TRACES_SAMPLER_ARG: share = "" }: NodeJS.ProcessEnv): number {
  if (sampler.endsWith("always_off")) return 0;
  if (!sampler.endsWith("traceidratio") || share.trim() === "") return 1;
  const read = Number(share);
  return read >= 0 && read <= 1 ? read : 1;
}

function attributesOf({ executionId, runId, workflow, version }: Omit<TracedExecution, "namespace" | "traceparent">): Attributes {
  return { "pawl.execution_id": executionId, "pawl.run_id": runId, "pawl.workflow": workflow, "pawl.version": version };
}

function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    const { name, message } = toFailure(error);
    span.recordException({ name, message });
    span.setStatus({ code: SpanStatusCode.ERROR, message });
  }
  span.end();
}
