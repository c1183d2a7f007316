import { expect, test } from "vitest";
import { handled } from "./handled.ts";

test("gives the same promise, which still rejects for whoever waits for it, and leaves other values alone", async () => {
  const promise = Promise.reject(new Error("no"));
  expect(handled(promise)).toBe(promise);
  await expect(promise).rejects.toThrow("no");
  expect(handled(5)).toBe(5);
});
