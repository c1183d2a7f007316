import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DurableCallInStep, ExecutionNotFound, NonRetryable, StreamClosed, StreamFull } from "./errors.ts";
import type { Failure } from "./failure.ts";
import { toError, toFailure } from "./values.ts";
import { limits } from "./limits.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** What has to hold of every failure: it is the same after each replay, and it can be stored. */
function expectStable(failure: Failure): void {
  expect(toFailure(toError(failure))).toStrictEqual(failure);
  expect(decodeValue(encodeValue(failure, "failure"))).toStrictEqual(failure);
}

const hostile = new Proxy(new Error("x"), {
  get: () => expect.unreachable(),
  ownKeys: () => expect.unreachable(),
  getPrototypeOf: () => expect.unreachable(),
  getOwnPropertyDescriptor: () => expect.unreachable(),
  has: () => expect.unreachable(),
});

describe("toFailure", () => {
  test("takes name, message, stack, code, cause and other fields of an error", () => {
    const error = Object.assign(new RangeError("out", { cause: new TypeError("why") }), { code: 42, at: new Date(0) });
    const failure = toFailure(error);
    expect(failure).toMatchObject({ name: "RangeError", message: "out", stack: error.stack, code: 42, cause: { name: "TypeError", message: "why" } });
    expect(decodeValue(failure.fields ?? "")).toEqual({ at: new Date(0) });
    expect(toFailure(new Error("x"))).not.toHaveProperty("fields");
    expectStable(failure);
  });

  test("describes thrown values that are not errors", () => {
    expect(toFailure("boom")).toEqual({ name: "Error", message: "boom" });
    expect(toFailure(null)).toEqual({ name: "Error", message: "null was thrown" });
    expect(toFailure(undefined)).toEqual({ name: "Error", message: "undefined was thrown" });
    expect(toFailure(Symbol("s"))).toEqual({ name: "Error", message: "Symbol(s) was thrown" });
    expect(toFailure(() => 1)).toEqual({ name: "Error", message: "a function was thrown" });
    expect(toFailure({ message: "m", code: "C", a: 1 })).toEqual({ name: "Error", message: "m", code: "C", fields: '{"a":1}' });
    expect(toFailure({ a: 1 })).toEqual({ name: "Error", message: "an object was thrown", fields: '{"a":1}' });
  });

  test("reads what it can of hostile objects", () => {
    expect(toFailure(hostile)).toMatchObject({ name: "Error" });
    expect(toFailure(new Error("outer", { cause: hostile }))).toMatchObject({ message: "outer", cause: { name: "Error" } });
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    expect(toFailure(revoked.proxy)).toMatchObject({ name: "Error" });
    const error = new Error("x");
    expect(error.stack).toContain("x"); // Made on the first read, from the name that is about to throw.
    for (const key of ["name", "message", "stack", "cause", "code", "nonRetryable", "extra"]) {
      Object.defineProperty(error, key, { enumerable: true, get: () => expect.unreachable() });
    }
    expect(toFailure(error)).toEqual({ name: "Error", message: "" });
  });

  test("leaves out the fields that cannot be stored or take too much room, and only those", () => {
    const error = Object.assign(new Error("x"), { request: () => 1, status: 503, body: "x".repeat(limits.failureTextBytes * 20), nothing: undefined });
    const failure = toFailure(error);
    expect(failure.fields).toBe('{"status":503}');
    expectStable(failure);
  });

  test("cuts the chain of causes, also a cyclic one", () => {
    let chain = new Error("0");
    for (let level = 1; level <= 20; level++) chain = new Error(String(level), { cause: chain });
    let causes = 0;
    for (let at = toFailure(chain).cause; at !== undefined; at = at.cause) causes++;
    expect(causes).toBe(limits.failureCauses);
    const [first, second] = [new Error("first"), new Error("second")];
    first.cause = second;
    second.cause = first;
    expect(toFailure(first)).toMatchObject({ message: "first", cause: { message: "second" } });
    expect(toFailure(first).cause).not.toHaveProperty("cause");
    expectStable(toFailure(chain));
  });

  test("cuts errors that hold themselves or each other in fields", () => {
    const fields: { self: unknown; list: unknown[] } = { self: null, list: [] };
    const error = Object.assign(new Error("x"), fields);
    error.self = error;
    error.list.push(error, error);
    const failure = toFailure(error);
    expect(toError(failure)).toMatchObject({ self: { message: "x" }, list: [{ message: "x" }, { message: "x" }] });
    expectStable(failure);
  });

  test("cuts long texts at a whole character", () => {
    const error = new Error("€".repeat(limits.failureTextBytes));
    error.stack = "s".repeat(limits.failureTextBytes + 1);
    const failure = toFailure(error);
    expect(failure.message).toMatch(/^€+… \[cut\]$/);
    expect(failure.stack).toMatch(/^s+… \[cut\]$/);
    for (const text of [failure.message, failure.stack ?? ""]) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limits.failureTextBytes);
      expect(Buffer.byteLength(text)).toBeGreaterThan(limits.failureTextBytes - 4);
    }
    expectStable(failure);
  });

  test("marks failures that are not to be retried", () => {
    expect(toFailure(new NonRetryable("no"))).toMatchObject({ name: "NonRetryable", code: "NON_RETRYABLE", nonRetryable: true });
    expect(toFailure(new StreamClosed("e", "s"))).toMatchObject({ name: "StreamClosed", nonRetryable: true });
    expect(toFailure(new StreamFull("e", "s", 1))).toMatchObject({ name: "StreamFull", nonRetryable: true });
    // Of another copy of this library.
    expect(toFailure(Object.assign(new Error("no"), { name: "NonRetryable", code: "NON_RETRYABLE" }))).toMatchObject({ nonRetryable: true });
    expect(toFailure(new DurableCallInStep("ctx.uuid", "s"))).toMatchObject({ name: "DurableCallInStep", nonRetryable: true });
    expect(toFailure(Object.assign(new Error("no"), { nonRetryable: 1 })).nonRetryable).toBe(true);
    expect(toFailure(Object.assign(new Error("yes"), { nonRetryable: false }))).not.toHaveProperty("nonRetryable");
    expectStable(toFailure(new NonRetryable("no")));
  });
});

describe("toError", () => {
  test("gives built-in classes back as themselves", () => {
    for (const Class of [Error, TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError]) {
      const error = new Class("x");
      const restored = toError(toFailure(error));
      expect(Object.getPrototypeOf(restored)).toBe(Class.prototype);
      expect(Object.keys(restored)).toEqual([]);
      expect([restored.name, restored.message, restored.stack]).toEqual([error.name, "x", error.stack]);
    }
  });

  test("gives an AggregateError back with its errors", () => {
    const failure = toFailure(new AggregateError([new TypeError("a"), "b"], "all failed"));
    const restored = toError(failure);
    expect(restored).toBeInstanceOf(AggregateError);
    expect((restored as AggregateError).errors).toStrictEqual([new TypeError("a"), "b"]);
    expect(Object.keys(restored)).toEqual([]);
    expectStable(failure);
  });

  test("gives an AggregateError whose errors could not be kept back with an empty list", () => {
    const many = Array.from({ length: 400 }, (_, row) => new Error(`row ${row} could not be written: ${"x".repeat(100)}`));
    const nested = new AggregateError([new AggregateError([new AggregateError([new Error("leaf")], "2")], "1")], "0");
    const listless = Object.assign(new AggregateError([], "none"), { errors: undefined });
    for (const error of [new AggregateError(many, "400 rows failed"), listless, new AggregateError([], "empty")]) {
      const failure = toFailure(error);
      expect(failure).not.toHaveProperty("fields");
      expect(toError(failure)).toMatchObject({ name: "AggregateError", message: error.message, errors: [] });
      expectStable(failure);
    }
    expect(toError(toFailure(nested))).toMatchObject({ errors: [{ errors: [{ message: "2", errors: [] }] }] });
    expectStable(toFailure(nested));
  });

  test("gives other classes back as Error with their name, code and fields", () => {
    const restored = toError(toFailure(new ExecutionNotFound("e1")));
    expect(Object.getPrototypeOf(restored)).toBe(Error.prototype);
    expect(restored).toMatchObject({ name: "ExecutionNotFound", code: "EXECUTION_NOT_FOUND", executionId: "e1" });
  });

  test("does not confuse names with object properties, nor fields with prototypes", () => {
    for (const name of ["constructor", "__proto__", ""]) {
      expect(toError({ name, message: "x" })).toMatchObject({ name, message: "x" });
      expectStable({ name, message: "x" });
    }
    const restored = toError({ name: "Error", message: "x", fields: '{"__proto__":{"polluted":true}}' });
    expect(Object.getPrototypeOf(restored)).toBe(Error.prototype);
    expect("polluted" in restored).toBe(false);
  });

  test("makes an error whose failure equals the one it came from", () => {
    const { failure: failures } = fc.letrec<{ failure: Failure }>((tie) => ({
      failure: fc.record(
        {
          name: fc.oneof(fc.constantFrom("Error", "TypeError", "AggregateError", "MyError"), fc.string()),
          message: fc.string({ unit: "binary" }),
          stack: fc.string(),
          code: fc.oneof(fc.string(), fc.integer()),
          cause: fc.oneof({ maxDepth: 3, withCrossShrink: true }, fc.constant({ name: "Error", message: "last" }), tie("failure")),
          fields: fc
            .dictionary(
              fc.string({ minLength: 1 }).map((key) => `_${key}`),
              fc.jsonValue({ maxDepth: 2 }),
              { minKeys: 1, maxKeys: 4 },
            )
            .map((fields) => encodeValue({ ...fields, errors: [new Date(0)] }, "fields")),
          nonRetryable: fc.constant(true as const),
        },
        { requiredKeys: ["name", "message"], noNullPrototype: true },
      ),
    }));
    fc.assert(fc.property(failures, expectStable));
  });

  test("restores any thrown value the same way every time", () => {
    const thrown = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true });
    fc.assert(
      fc.property(thrown, thrown, (value, field) => {
        expectStable(toFailure(value));
        expectStable(toFailure(Object.assign(new Error("x", { cause: value }), { field, errors: value })));
        expectStable(toFailure(Object.assign(new AggregateError([value]), { field })));
      }),
    );
  });
});
