import { expect, test } from "vitest";
import { classifyFault, type Fault } from "./faults.ts";

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

test.each<readonly [Fault["kind"], readonly string[]]>([
  ["retry", ["40001", "40P01", "53300", "25006", "26000"]],
  ["locked", ["55P03"]],
  ["cancelled", ["57014"]],
  ["unknown", ["57P01", "57P05", "08006", "ECONNRESET", "ECONNABORTED", "ENETDOWN", "EMFILE", "ENFILE"]],
  ["refused", ["28P01", "28000", "3D000", "CERT_HAS_EXPIRED", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "ERR_TLS_CERT_ALTNAME_INVALID"]],
  ["permanent", ["23505", "42501", "55000", "22P05"]],
])("a fault is taken for %s after %s", (kind, codes) => {
  for (const code of codes) {
    expect([code, classifyFault(withCode(code)).kind]).toEqual([code, kind]);
    expect(classifyFault(new Error("of a library", { cause: withCode(code) })).kind).toBe(kind);
  }
});

test("what ends the session, or lets none begin, is not taken for a fault of the statement", () => {
  const fatal = (code: string): Error => Object.assign(withCode(code), { severity: "FATAL" });
  for (const code of ["42501", "55000"]) expect([code, classifyFault(fatal(code)).kind]).toEqual([code, "refused"]);
  expect(classifyFault(fatal("25P04")).kind).toBe("unknown");
  expect(classifyFault(fatal("53300")).kind).toBe("retry");
});

test("a server with which the driver comes to no terms has refused", () => {
  for (const message of ["SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string", "The server does not support SSL connections"])
    expect(classifyFault(new Error(message)).kind).toBe("refused");
});
