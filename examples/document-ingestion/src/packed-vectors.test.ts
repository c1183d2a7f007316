import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packVectors, unpackVectors } from "./packed-vectors.ts";

describe("packed vectors", () => {
  test("come back as they were, to the precision of 32 bits", () => {
    const vectors = fc
      .integer({ min: 0, max: 20 })
      .chain((dimensions) => fc.array(fc.array(fc.float({ noNaN: true }), { minLength: dimensions, maxLength: dimensions }), { maxLength: 8 }));
    fc.assert(
      fc.property(vectors, (rows) => {
        expect(unpackVectors(packVectors(rows))).toEqual(rows);
      }),
    );
  });

  test("are read from bytes that lie anywhere in a larger buffer", () => {
    const packed = packVectors([
      [1, 2],
      [3, 4],
    ]);
    const larger = new Uint8Array(packed.bytes.length + 3);
    larger.set(packed.bytes, 3);
    expect(unpackVectors({ count: 2, bytes: larger.subarray(3) })).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test("must have the same length", () => {
    expect(() => packVectors([[1, 2], [3]])).toThrow("Vector 1 has 1 dimensions, the first has 2.");
  });
});
