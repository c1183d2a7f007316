import { createHash } from "node:crypto";
import { isValidSpanId, isValidTraceId, ROOT_CONTEXT, trace, type Context, type SpanContext } from "@opentelemetry/api";
import type { TraceOrigin } from "../base/telemetry.ts";

const sampled = 1;
const unsampled = 0;
/** The last 56 bits of a trace id count as random, by the W3C recommendation. */
const randomDigits = 14;
const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** W3C trace context, version 00. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/**
 * What everything an execution does belongs to, in whichever process and run.
 *
 * @param sampleUntraced which share of those that nobody traced is recorded
 */
export function spanContextOf({ namespace, executionId, traceparent }: TraceOrigin, sampleUntraced: number): SpanContext {
  const read = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return { ...(read ?? derived(`${namespace}/${executionId}`, sampleUntraced)), isRemote: true };
}

export function contextOf(origin: TraceOrigin, sampleUntraced: number): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(origin, sampleUntraced));
}

/** Of an execution that nobody traced when it was started: every process makes the same of its id, whether it is sampled included. */
function derived(name: string, sampleUntraced: number): SpanContext {
  const hex = createHash("sha256").update(name).digest("hex");
  const traceId = hex.slice(0, 32);
  const isSampled = Number.parseInt(traceId.slice(-randomDigits), 16) < sampleUntraced * 16 ** randomDigits;
  return { traceId, spanId: hex.slice(32, 48), traceFlags: isSampled ? sampled : unsampled };
}

/** Undefined: it is none. */
export function parseTraceparent(traceparent: string): SpanContext | undefined {
  const [, traceId = "", spanId = "", flags = ""] = form.exec(traceparent) ?? [];
  return isValidTraceId(traceId) && isValidSpanId(spanId) ? { traceId, spanId, traceFlags: Number.parseInt(flags, 16) } : undefined;
}
