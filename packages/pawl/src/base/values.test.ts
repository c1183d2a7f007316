import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ValueNotSerializable, ValueTooDeep, ValueTooLarge } from "./errors.ts";
import { limits } from "./limits.ts";
import { decodeValue, encodeValue } from "./values.ts";

const trip = (value: unknown) => decodeValue(encodeValue(value, "value"));

/** `levels` arrays inside each other. */
function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

function refusal(value: unknown): string {
  try {
    encodeValue(value, "result");
  } catch (error) {
    if (error instanceof ValueNotSerializable) return error.message.split(", which cannot")[0] ?? "";
    throw error;
  }
  return "stored";
}

describe("encodeValue", () => {
  test("stores plain JSON values as their JSON text", () => {
    for (const value of [null, true, 0, -1.5, "", "#-1", [], {}, { a: 1, b: "x", c: [1, 2, { d: null }] }]) {
      expect(encodeValue(value, "value")).toBe(JSON.stringify(value));
      expect(trip(value)).toStrictEqual(value);
    }
  });

  test("keeps the values that JSON loses", () => {
    const values = [
      undefined,
      NaN,
      Infinity,
      -Infinity,
      -0,
      10n ** 40n,
      new Date(0),
      new Date(NaN),
      new Uint8Array([0, 255]),
      new Uint8Array(0),
      new Map<unknown, unknown>([
        ["a", 1],
        [{ key: 1 }, new Set([1n])],
      ]),
      new Set([undefined]),
      { a: undefined },
      [undefined, -0],
    ];
    for (const value of values) {
      const text = encodeValue(value, "value");
      expect(text.startsWith("#")).toBe(true);
      expect(decodeValue(text)).toStrictEqual(value);
    }
  });

  test("round trips any nesting of storable values, as text that PostgreSQL takes", () => {
    const { value: anything } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small", maxDepth: 4 },
        fc.jsonValue(),
        fc.constantFrom(undefined, NaN, -0, Infinity),
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        fc.bigInt(),
        fc.date({ noInvalidDate: false }),
        fc.uint8Array(),
        fc.array(tie("value")),
        fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { noNullPrototype: false }),
        fc.array(fc.tuple(tie("value"), tie("value"))).map((entries) => new Map(entries)),
        fc.array(tie("value")).map((values) => new Set(values)),
      ),
    }));
    fc.assert(
      fc.property(anything, (value) => {
        const text = encodeValue(value, "value");
        expect(text).not.toContain("\0");
        expect(Buffer.from(text).toString()).toBe(text);
        const decoded = decodeValue(text);
        expect(decoded).toStrictEqual(value);
        expect(encodeValue(decoded, "value")).toBe(text);
      }),
    );
  });

  test("escapes NUL and lone surrogates in strings and keys of both stored forms", () => {
    for (const value of ["\0", "\ud800", { "\0\udfff": "\0" }, { "\0\udfff": "\0", date: new Date(0) }, new Map([["\ud800", "\0"]])]) {
      const text = encodeValue(value, "value");
      expect(text).not.toContain("\0");
      expect(Buffer.from(text).toString()).toBe(text);
      expect(trip(value)).toStrictEqual(value);
    }
  });

  test("stores a Buffer, and only the visible part of a view, as bytes", () => {
    expect(trip(Buffer.from("abc"))).toStrictEqual(new Uint8Array([97, 98, 99]));
    const view = new Uint8Array(100_000).fill(7).subarray(10, 12);
    expect(encodeValue(view, "value").length).toBeLessThan(50);
    expect(trip([view])).toStrictEqual([new Uint8Array([7, 7])]);
  });

  test("keeps an own __proto__ key as inert data", () => {
    const evil: unknown = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}');
    const bare: unknown = Object.setPrototypeOf(JSON.parse('{"__proto__": 1}'), null);
    for (const value of [evil, { evil, date: new Date(0) }, bare]) expect(trip(value)).toStrictEqual(value);
    const decoded = trip({ evil, date: new Date(0) }) as { evil: object };
    expect(Object.hasOwn(decoded.evil, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(decoded.evil)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
    expect(Object.getPrototypeOf(trip(bare))).toBe(null);
  });

  test("stores holes of sparse arrays, whatever their length", () => {
    const sparse: unknown[] = [];
    sparse[4_000_000_000] = 1;
    for (const value of [sparse, [1, , 2]]) expect(trip(value)).toStrictEqual(value); // oxlint-disable-line no-sparse-arrays
    expect(Object.keys(trip(sparse) as object)).toEqual(["4000000000"]);
  });

  test("stores errors with their class, cause, code and fields", () => {
    const error = Object.assign(new TypeError("bad", { cause: new Error("why") }), { code: "E_BAD", detail: { at: new Date(0) } });
    const { error: decoded } = trip({ error }) as { error: typeof error };
    expect(decoded).toBeInstanceOf(TypeError);
    expect(decoded).toStrictEqual(error);
    expect([decoded.stack, decoded.code, decoded.detail]).toEqual([error.stack, "E_BAD", { at: new Date(0) }]);
    expect(decoded.cause).toStrictEqual(new Error("why"));
  });

  test("takes an object that is referenced twice and values of another realm", () => {
    const shared = { a: 1 };
    expect(trip([shared, shared])).toStrictEqual([shared, shared]);
    expect(trip([shared, shared, undefined])).toStrictEqual([shared, shared, undefined]);
    expect(trip(runInNewContext("({ list: [1, new Date(0)], map: new Map([[1, 2]]) })"))).toStrictEqual({ list: [1, new Date(0)], map: new Map([[1, 2]]) });
  });

  test("names the path and kind of what cannot be stored", () => {
    class Money {
      amount = 1;
    }
    const throwing = Object.defineProperty({}, "a", { enumerable: true, get: () => expect.unreachable() });
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = [cyclic];
    expect(refusal({ items: [1, 2, 3, { callback: () => 1 }] })).toBe("result.items[3].callback is a function");
    expect(refusal({ "a b": Symbol("x") })).toBe('result["a b"] is a symbol');
    expect(refusal(new Map([["k", Promise.resolve()]]))).toBe('result.get("k") is a promise');
    expect(refusal(new Map([[1, /x/]]))).toBe("result.entries[0][1] is a regular expression");
    expect(refusal(new Map([[new Money(), 1]]))).toBe("result.entries[0][0] is an instance of Money");
    expect(refusal(new Set([1, new WeakMap()]))).toBe("result.values[1] is an instance of WeakMap");
    expect(refusal([new (class extends Map {})()])).toBe("result[0] is an instance of a class");
    expect(refusal(new (class List extends Array {})())).toBe("result is an instance of List");
    expect(refusal({ n: Object(1) as unknown })).toBe("result.n is an instance of Number");
    expect(refusal({ p: new Proxy({}, {}) })).toBe("result.p is a Proxy");
    expect(refusal({ [Symbol("s")]: 1 })).toBe("result is an object with symbol keys");
    expect(refusal(throwing)).toBe("result.a is a property whose getter throws");
    expect(refusal({ x: { toJSON: () => 1 } })).toBe("result.x is an object with a toJSON method");
    expect(refusal(Object.assign([1], { toJSON: () => 1 }))).toBe("result is an array with a toJSON method");
    expect(refusal(cyclic)).toBe("result.self[0] is a circular reference");
    expect(refusal(Object.create(new Proxy({}, { getPrototypeOf: () => expect.unreachable() })))).toBe("result is an object that cannot be read");
  });

  test("refuses a value that is nested too deep, quickly and with a path of sensible length", () => {
    expect(trip(nested(limits.valueDepth))).toStrictEqual(nested(limits.valueDepth));
    expect(() => encodeValue(nested(limits.valueDepth + 1), "input")).toThrow(ValueTooDeep);
    expect(() => encodeValue([new Date(0), nested(limits.valueDepth)], "input")).toThrow(ValueTooDeep);
    // An object met a second time counts with all that is in it.
    const half = nested(limits.valueDepth / 2);
    let deeper = half;
    for (let level = 0; level < limits.valueDepth / 2; level++) deeper = [deeper];
    expect(() => encodeValue([new Date(0), half, deeper], "input")).toThrow(ValueTooDeep);
    const value = nested(1_000_000);
    const start = performance.now();
    expect(() => encodeValue(value, "input")).toThrow(/^input\[0\].{1,300} is nested more than 64 levels/);
    expect(performance.now() - start).toBeLessThan(500);
    expect(() => encodeValue({ ["k".repeat(100_000)]: () => 1 }, "input")).toThrow(/^.{1,500}$/);
  });

  test("refuses a value that is too large, counting bytes and every reference", () => {
    expect(() => encodeValue("x".repeat(limits.valueBytes), "input")).toThrow(ValueTooLarge);
    expect(() => encodeValue("€".repeat(limits.valueBytes / 2), "input")).toThrow(ValueTooLarge);
    expect(() => encodeValue(new Uint8Array(limits.valueBytes), "input")).toThrow(ValueTooLarge);
    expect(encodeValue("x".repeat(limits.valueBytes - 2), "input")).toHaveLength(limits.valueBytes);
    for (const seed of [1, "x".repeat(50_000), new Date(0), new Map([["a", undefined]])]) {
      let bomb: unknown = seed;
      for (let level = 2; level < limits.valueDepth; level++) bomb = [bomb, bomb];
      expect(() => encodeValue(bomb, "input")).toThrow(ValueTooLarge);
    }
  });
});
