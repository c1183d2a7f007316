import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Failure } from "../base/failure.ts";
import { encodeValue } from "../base/values.ts";
import { decodeEvent, encodeAgain, encodeEvent } from "./event-codec.ts";
import type { Event } from "./event.ts";
import { readPayload, type Payload } from "./payload.ts";

const text = fc.string({ unit: fc.oneof(fc.constantFrom("\u0000", "\ud800", "\udfff", '"', "\\", "#", "é", "😀"), fc.string({ minLength: 1, maxLength: 1 })) });
const values = fc.oneof(
  fc.jsonValue(),
  text,
  fc.constantFrom<unknown>(undefined, -0, NaN, 10n ** 30n, new Date(5), new Map([["a", new Set([1])]]), new Uint8Array([1, 2])),
  fc.dictionary(fc.constantFrom("type", "input", "input#", "result", "__proto__", "position"), fc.oneof(text, fc.bigInt())),
);
const payload: fc.Arbitrary<{ payload: Payload; value: unknown }> = values.map((value) => ({ payload: { text: encodeValue(value, "value") }, value }));
const failure: fc.Arbitrary<Failure> = fc.record(
  {
    name: text,
    message: text,
    stack: text,
    code: fc.oneof(text, fc.integer()),
    nonRetryable: fc.constant(true as const),
    cause: fc.record({ name: text, message: text }, { noNullPrototype: true }),
  },
  { requiredKeys: ["name", "message"], noNullPrototype: true },
);
const position = fc.integer({ min: 1, max: 50_000 });
const attempt = fc.integer({ min: 1, max: 100 });
const name = fc.constantFrom("charge", "a/b", "x.y:z_-");

const attributes = <Value>(value: fc.Arbitrary<Value>) => fc.dictionary(fc.constantFrom("size", "when", "a_1"), value, { noNullPrototype: true });

interface Sample {
  readonly event: Event;
  /** What the payload must read as afterwards. */
  readonly value?: unknown;
}

const samples: fc.Arbitrary<Sample> = fc.oneof(
  fc
    .record({ input: payload, parent: fc.option(fc.record({ executionId: name, runId: name, position }, { noNullPrototype: true }), { nil: undefined }) })
    .map(({ input, parent }): Sample => ({
      event: { type: "ExecutionStarted", input: input.payload, ...(parent === undefined ? {} : { parent }) },
      value: input.value,
    })),
  fc
    .record({ input: payload, runId: name, count: fc.nat(), messages: fc.array(name) }, { noNullPrototype: true })
    .map(({ input, ...continuedFrom }): Sample => ({ event: { type: "ExecutionStarted", continuedFrom, input: input.payload }, value: input.value })),
  fc.record({ nextRunId: name, version: text }).map((fields): Sample => ({ event: { type: "ExecutionContinuedAsNew", ...fields } })),
  fc.record({ patchId: name }).map((fields): Sample => ({ event: { type: "PatchMarked", ...fields } })),
  fc.record({ position, name, attempt }).map((fields): Sample => ({ event: { type: "StepStarted", ...fields } })),
  fc.record({ position, name, attempt, heartbeat: payload }).map(({ heartbeat, ...fields }): Sample => ({
    event: { type: "StepHeartbeat", ...fields, heartbeat: heartbeat.payload },
    value: heartbeat.value,
  })),
  fc.record({ position, name, attempt, result: payload }).map(({ result, ...fields }): Sample => ({
    event: { type: "StepCompleted", ...fields, result: result.payload },
    value: result.value,
  })),
  fc
    .record({ position, name, attempt, failure, retryInMs: fc.nat(), heartbeat: fc.option(payload, { nil: undefined }) })
    .map(({ heartbeat, ...fields }): Sample => ({
      event: { type: "StepAttemptFailed", ...fields, ...(heartbeat === undefined ? {} : { heartbeat: heartbeat.payload }) },
      value: heartbeat?.value,
    })),
  fc.record({ position, name, attempt, failure }).map((fields): Sample => ({ event: { type: "StepFailed", ...fields } })),
  fc
    .record({
      input: payload,
      labels: fc.dictionary(name, text, { noNullPrototype: true }),
      attributes: attributes(fc.constantFrom("x", 1.5, true, { time: 5 })),
    })
    .map(({ input, ...fields }): Sample => ({ event: { type: "ExecutionStarted", ...fields, input: input.payload }, value: input.value })),
  fc
    .record({ position, labels: fc.dictionary(name, fc.option(text), { noNullPrototype: true }) })
    .map((fields): Sample => ({ event: { type: "LabelsSet", ...fields } })),
  fc
    .record({ position, attributes: attributes(fc.constantFrom("x", -2, false, { time: 0 }, null)) })
    .map((fields): Sample => ({ event: { type: "AttributesSet", ...fields } })),
  fc
    .record({ position, stream: name, offset: fc.nat(), closed: fc.constantFrom(undefined, true as const) })
    .map(({ closed, ...fields }): Sample => ({ event: { type: "StreamWritten", ...fields, ...(closed === undefined ? {} : { closed }) } })),
  fc.record({ position, durationMs: fc.nat() }).map((fields): Sample => ({ event: { type: "TimerStarted", ...fields } })),
  fc
    .record({ startId: name, input: payload })
    .map(({ input, ...fields }): Sample => ({ event: { type: "StartMerged", ...fields, input: input.payload }, value: input.value })),
  position.map((at): Sample => ({ event: { type: "TimerFired", position: at } })),
  fc.record({ position, workflow: name, executionId: name, runId: name }).map((fields): Sample => ({ event: { type: "ChildStarted", ...fields } })),
  fc
    .record({ position, result: payload })
    .map(({ result, ...fields }): Sample => ({ event: { type: "ChildCompleted", ...fields, result: result.payload }, value: result.value })),
  fc
    .record({ position, state: fc.constantFrom("failed" as const, "cancelled" as const), failure })
    .map((fields): Sample => ({ event: { type: "ChildFailed", ...fields } })),
  fc.option(text, { nil: undefined }).map((reason): Sample => ({ event: { type: "ExecutionPaused", wakeAt: 0, ...(reason === undefined ? {} : { reason }) } })),
  fc.constant<Sample>({ event: { type: "ExecutionUnpaused" } }),
  fc.constant<Sample>({
    event: { type: "ExecutionForked", executionId: "f", fromExecutionId: "x", fromRunId: "r", fromSeq: 2, edited: ["input", 1] },
  }),
  fc.option(text, { nil: undefined }).map((reason): Sample => ({ event: { type: "CancelRequested", ...(reason === undefined ? {} : { reason }) } })),
  payload.map(({ payload: result, value }): Sample => ({ event: { type: "ExecutionCompleted", result }, value })),
  failure.map((given): Sample => ({ event: { type: "ExecutionQuarantined", failure: given } })),
);

function payloadOf(event: Event): Payload | undefined {
  if (event.type === "ExecutionStarted") return event.input;
  if (event.type === "StepAttemptFailed" || event.type === "StepHeartbeat") return event.heartbeat;
  return "result" in event ? event.result : undefined;
}

function withoutPayload(event: Event): object {
  return Object.fromEntries(Object.entries(event).filter(([key]) => key !== "input" && key !== "result" && key !== "heartbeat"));
}

describe("the event codec", () => {
  test("brings every event back as it was, as one JSON text that PostgreSQL takes", () => {
    fc.assert(
      fc.property(samples, ({ event, value }) => {
        const data = encodeEvent(event);
        expect(typeof JSON.parse(data)).toBe("object");
        expect(data.includes("\u0000")).toBe(false);
        expect(data.isWellFormed()).toBe(true);
        // PostgreSQL would fail at such an escape, whichever field is asked for.
        expect(data).not.toMatch(/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/);
        const decoded = decodeEvent(event.type, data);
        expect(withoutPayload(decoded)).toStrictEqual(withoutPayload(event));
        const decodedPayload = payloadOf(decoded);
        expect(decodedPayload === undefined).toBe(payloadOf(event) === undefined);
        if (decodedPayload !== undefined) expect(readPayload(decodedPayload)).toStrictEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test("keeps a plain payload readable and the type out of the text", () => {
    const data = encodeEvent({ type: "StepCompleted", position: 2, name: "add", attempt: 1, result: { text: encodeValue({ sum: 3 }, "result") } });
    expect(JSON.parse(data)).toEqual({ position: 2, name: "add", attempt: 1, result: { sum: 3 } });
  });

  test("keeps a text readable unless it holds NUL or half a surrogate pair", () => {
    const event = (given: string): Event => ({ type: "SignalReceived", signalId: "s", name: given, payload: { text: encodeValue(given, "payload") } });
    expect(JSON.parse(encodeEvent(event("\u0007 😀")))).toEqual({ signalId: "s", name: "\u0007 😀", payload: "\u0007 😀" });
    expect(JSON.parse(encodeEvent(event("\u0000")))).toEqual({ signalId: "s", "name#": '"\\u0000"', "payload#": '"\\u0000"' });
  });

  test("reads an encoded field where it stands beside a readable one", () => {
    expect(decodeEvent("ChildFailed", '{"failure#":"1","failure":2,"input":{},"input#":"3"}')).toEqual({
      type: "ChildFailed",
      failure: 1,
      input: { value: 3 },
    });
  });

  test("encodes an event that was read as it was stored", () => {
    fc.assert(
      fc.property(samples, ({ event }) => {
        const data = encodeEvent(event);
        expect(JSON.parse(encodeAgain(decodeEvent(event.type, data)))).toEqual(JSON.parse(data));
      }),
    );
  });

  test("refuses to encode a payload that was already parsed", () => {
    expect(() => encodeEvent({ type: "ExecutionCompleted", result: { value: 1 } })).toThrow(TypeError);
  });
});
