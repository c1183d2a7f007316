import { expect, test } from "vitest";
import { Closed, OptionInvalid } from "../base/errors.ts";
import { isAboutContent } from "./about-content.ts";

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

test("data, constraints, limits and values that cannot be encoded are about content", () => {
  for (const error of [
    withCode("22P05"),
    withCode("23505"),
    withCode("54000"),
    new RangeError("Invalid string length"),
    new OptionInvalid("input", "is not plain"),
  ])
    expect([error.message, isAboutContent(error)]).toEqual([error.message, true]);
});

test("rights, tables that are gone, connections and a store that closes are not", () => {
  for (const error of [
    withCode("42501"),
    withCode("42P01"),
    withCode("28P01"),
    withCode("3D000"),
    withCode("ECONNRESET"),
    new Error("?"),
    new Closed("The store"),
  ])
    expect([error.message, isAboutContent(error)]).toEqual([error.message, false]);
});
