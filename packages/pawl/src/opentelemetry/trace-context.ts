import { isValidSpanId, isValidTraceId, ROOT_CONTEXT, trace, type Context, type SpanContext } from "@opentelemetry/api";
import type { TracedExecution } from "../base/telemetry.ts";

const sampled = 1;
const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** W3C trace context, version 00. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** What everything an execution does belongs to. Its run id has the form of a trace id: so one that nobody traced has a trace, too. */
export function contextOf({ traceparent, runId }: Pick<TracedExecution, "traceparent" | "runId">): Context {
  const read = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  const hex = runId.replaceAll("-", "");
  const remote = read ?? { traceId: hex, spanId: hex.slice(16), traceFlags: sampled };
  return trace.setSpanContext(ROOT_CONTEXT, { ...remote, isRemote: true });
}

/** Undefined: it is none. */
export function parseTraceparent(traceparent: string): SpanContext | undefined {
  const [, traceId = "", spanId = "", flags = ""] = form.exec(traceparent) ?? [];
  return isValidTraceId(traceId) && isValidSpanId(spanId) ? { traceId, spanId, traceFlags: Number.parseInt(flags, 16) } : undefined;
}
