import { describe, expect, test, vi } from "vitest";
import { OptionInvalid } from "./errors.ts";
import { checkId, checkKey, checkName, newUuid, uuidv7 } from "./ids.ts";
import { limits } from "./limits.ts";

describe("checkId and checkName", () => {
  test("accept ids of the allowed characters up to the longest length", () => {
    for (const id of ["a", "0", "Order:42_a.b-c", "x".repeat(limits.idLength), newUuid()]) {
      expect(checkId(id, "id")).toBe(id);
      expect(checkName(id, "name")).toBe(id);
    }
    expect(checkName("orders/ship", "name")).toBe("orders/ship");
    for (const key of ["order-1/tell%20(him)!/3", "k".repeat(limits.keyLength)]) expect(checkKey(key, "key")).toBe(key);
    expect(() => checkKey("k".repeat(limits.keyLength + 1), "key")).toThrow("key: a key has at most 500 characters, this one has 501.");
  });

  test("name the first bad character and its position", () => {
    const cases: [unknown, string][] = [
      ["a b c", 'not " " as at position 2'],
      ["ab/c", 'not "/" as at position 3'],
      ["a\0", 'not "\\u0000" as at position 2'],
      ["a😀", 'not "😀" as at position 2'],
      ["-a", 'starts with a letter or digit (A-Z a-z 0-9), not with "-"'],
      ["é", 'not with "é"'],
      ["", "cannot be empty"],
      ["a\n", '"\\n"'],
      ["x".repeat(201), "at most 200 characters, this one has 201"],
      [7, "is a string, not number"],
      [null, "not null"],
      [undefined, "not undefined"],
    ];
    for (const [id, reason] of cases) {
      expect(() => checkId(id, "options.id")).toThrow(OptionInvalid);
      expect(() => checkId(id, "options.id")).toThrow(reason);
    }
    expect(() => checkName("/a", "name")).toThrow('name: a name starts with a letter or digit (A-Z a-z 0-9), not with "/".');
    expect(() => checkName("a b", "name")).toThrow('a name holds only A-Z a-z 0-9 . _ : - /, not " " as at position 2.');
  });
});

describe("uuidv7", () => {
  test("formats the example of RFC 9562", () => {
    const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
    expect(uuidv7(0x017f22e279b0, random)).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  });

  test("sets version and variant whatever the random bytes are", () => {
    expect(uuidv7(0, new Uint8Array(10))).toBe("00000000-0000-7000-8000-000000000000");
    expect(uuidv7(2 ** 48 - 1, new Uint8Array(10).fill(0xff))).toBe("ffffffff-ffff-7fff-bfff-ffffffffffff");
  });

  test("refuses a time or random bytes that do not fit", () => {
    for (const ms of [-1, 1.5, NaN, 2 ** 48]) expect(() => uuidv7(ms, new Uint8Array(10))).toThrow(OptionInvalid);
    expect(() => uuidv7(0, new Uint8Array(9))).toThrow(OptionInvalid);
  });
});

describe("newUuid", () => {
  test("makes distinct ids of the current time that sort in the order of making", () => {
    const before = Date.now();
    const ids = Array.from({ length: 20_000 }, newUuid);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    const malformed = ids.filter((id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id));
    expect(malformed).toEqual([]);
    expect(Math.abs(parseInt((ids[0] ?? "").replace("-", "").slice(0, 12), 16) - before)).toBeLessThan(1000);
  });

  test("keeps the order when the clock stands still or goes back", () => {
    vi.useFakeTimers({ now: Date.now() + 60_000 });
    const ids = Array.from({ length: 10_000 }, newUuid);
    vi.setSystemTime(Date.now() - 30_000);
    ids.push(newUuid(), newUuid());
    vi.useRealTimers();
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
