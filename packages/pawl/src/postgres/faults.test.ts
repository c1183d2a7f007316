import { expect, test } from "vitest";
import { classifyFault, type Fault } from "./faults.ts";

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

test.each<readonly [Fault["kind"], readonly string[]]>([
  ["retry", ["40001", "40P01", "53300", "25006", "26000"]],
  ["locked", ["55P03"]],
  ["cancelled", ["57014"]],
  ["unknown", ["57P01", "57P05", "08006", "ECONNRESET", "ECONNABORTED", "ENETDOWN", "EMFILE", "ENFILE"]],
  ["permanent", ["23505", "42501", "22P05"]],
])("a fault is taken for %s after %s", (kind, codes) => {
  for (const code of codes) {
    expect([code, classifyFault(withCode(code)).kind]).toEqual([code, kind]);
    expect(classifyFault(new Error("of a library", { cause: withCode(code) })).kind).toBe(kind);
  }
});
