import { defineWorkflow } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, failureOf, harness, parkedSleep } from "./harness.ts";

const h = harness();

const original = new RangeError("out of range", { cause: Object.assign(new TypeError("the cause"), { code: "E_CAUSE" }) });

const values: readonly [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a Date", new Date(1_700_000_000_123)],
  ["an invalid Date", new Date(Number.NaN)],
  ["a BigInt", 2n ** 200n],
  ["a Uint8Array", new Uint8Array([0, 1, 254, 255])],
  [
    "a Map",
    new Map<unknown, unknown>([
      ["a", new Map([[1n, new Date(5)]])],
      [{ key: true }, undefined],
    ]),
  ],
  ["a Set", new Set([1, "1", null, new Date(0)])],
  ["not a number", Number.NaN],
  ["infinity", -Infinity],
  ["minus zero", -0],
  ["holes filled with undefined", { a: undefined, b: [undefined, null] }],
  ["text with NUL and lone surrogates", { "k\u0000\ud800": "a\u0000b\udfffc😀" }],
  ["text that looks like stored rich values", ["#-1", "#[1]", { "input#": "#1", type: "X" }]],
  ["an own __proto__ key", JSON.parse('{"__proto__":{"polluted":true}}')],
  ["an Error in an object", { error: original }],
];

describe.each(values)("%s", (_name, value) => {
  test("passes through input, step result, child result and result, equal on first run and replay", async () => {
    const seen: unknown[] = [];
    const child = defineWorkflow({ name: "echo-child", run: async (_ctx, input: unknown) => input });
    const echo = defineWorkflow({
      name: "echo",
      run: async (ctx, input: unknown) => {
        const fromStep = await ctx.step("echo", () => input);
        const fromChild = await ctx.child(child, input);
        seen.push([input, fromStep, fromChild]);
        await ctx.sleep(parkedSleep);
        return fromChild;
      },
    });
    const { pawl } = await h.run([echo, child]);
    const handle = await pawl.start(echo, value);
    const result = await handle.result();
    const elsewhere = await (await h.open()).handle(handle.executionId).result();
    expect(seen).toHaveLength(2);
    for (const given of [...seen.flat(), result, elsewhere]) expect(given).toStrictEqual(value);
  });
});

test("a value that is stored is a copy: changing it afterwards changes no replay", async () => {
  const seen: number[] = [];
  const mutating = defineWorkflow({
    name: "mutating",
    run: async (ctx, input: { list: number[] }) => {
      input.list.push(2);
      const made = await ctx.step("make", () => input.list);
      seen.push(made.length);
      made.push(3, 4);
      await ctx.sleep(parkedSleep);
      return made;
    },
  });
  const { pawl } = await h.run([mutating]);
  const input = { list: [1] };
  const handle = await pawl.start(mutating, input);
  input.list.push(99);
  expect(await handle.result()).toEqual([1, 2, 3, 4]);
  expect(seen).toEqual([2, 2]);
});

class PaymentError extends Error {
  override readonly name = "PaymentError";
  readonly code = "E_PAYMENT";
  readonly amount = 12n;
  readonly retryable = false;
}

const thrown: readonly [string, () => unknown][] = [
  ["a built-in error", () => new TypeError("wrong type")],
  ["an error with fields, code and causes", () => new PaymentError("declined", { cause: original })],
  ["an AggregateError", () => new AggregateError([new Error("one"), new RangeError("two")], "several")],
  ["a string", () => "just text"],
  ["null", () => null],
  ["a plain object", () => ({ message: "an object", code: 7 })],
];

const fieldsOf = (error: unknown): unknown => {
  if (!(error instanceof Error)) return { notAnError: error };
  const { stack, cause, ...own } = Object.fromEntries(
    Object.getOwnPropertyNames(error).map((key) => [key, (error as unknown as Record<string, unknown>)[key]]),
  );
  const errors = error instanceof AggregateError ? { errors: error.errors.map(fieldsOf) } : {};
  return {
    class: error.constructor.name,
    name: error.name,
    message: error.message,
    stack,
    ...own,
    ...errors,
    cause: cause === undefined ? undefined : fieldsOf(cause),
  };
};

describe.each(thrown)("%s thrown by a step", (_name, make) => {
  test("is the same error on the first run, on replay and for whoever asks for the result", async () => {
    const seen: unknown[] = [];
    const raw: unknown[] = [];
    const throwing = defineWorkflow({
      name: "throwing",
      retry: { maximumAttempts: 1 },
      run: async (ctx) => {
        try {
          await ctx.step("throw", () => {
            raw.push(make());
            throw raw[0];
          });
        } catch (error) {
          seen.push(fieldsOf(error));
          await ctx.sleep(parkedSleep);
          throw error;
        }
      },
    });
    const { pawl } = await h.run([throwing]);
    const handle = await pawl.start(throwing, undefined);
    const here = fieldsOf(await causeOf(handle.result()));
    const elsewhere = fieldsOf(await causeOf((await h.open()).handle(handle.executionId).result()));
    expect(seen).toHaveLength(2);
    expect(seen[1]).toStrictEqual(seen[0]);
    expect(here).toStrictEqual(seen[0]);
    expect(elsewhere).toStrictEqual(seen[0]);
    if (raw[0] instanceof Error) {
      const { name, message, stack, code } = raw[0] as Error & { code?: string };
      expect(seen[0]).toMatchObject({ name, message, stack, ...(code === undefined ? {} : { code }) });
    }
  });
});

test("the error of a failed execution names the workflow, in the process that ran it and in any other", async () => {
  const fails = defineWorkflow({
    name: "fails-by-name",
    run: async () => {
      throw new Error("broken");
    },
  });
  const { pawl } = await h.run([fails]);
  const handle = await pawl.start(fails, undefined, { executionId: "fails-1" });
  const here = await failureOf(handle.result());
  const elsewhere = await failureOf((await h.open()).handle("fails-1").result());
  expect(here.message).toBe('Execution "fails-1" of workflow "fails-by-name" failed: broken');
  expect(elsewhere.message).toBe(here.message);
});

describe("a schema", () => {
  test("fills defaults and transforms what the code gets; callers pass the untransformed form", async () => {
    const seen: unknown[] = [];
    const parsed = defineWorkflow({
      name: "parsed",
      input: z.object({
        folder: z.string().trim(),
        depth: z.number().default(3),
        since: z.string().transform((text) => new Date(text)),
        tags: z
          .array(z.string())
          .default([])
          .transform((tags) => new Set(tags)),
      }),
      run: async (ctx, input) => {
        seen.push(input);
        await ctx.sleep(parkedSleep);
        return [input.since.getTime(), input.tags.size, input.depth];
      },
    });
    const { pawl } = await h.run([parsed]);
    expect(await pawl.execute(parsed, { folder: " docs ", since: "2020-01-01", tags: ["a", "a"] })).toEqual([Date.UTC(2020, 0, 1), 1, 3]);
    const expected = { folder: "docs", depth: 3, since: new Date("2020-01-01"), tags: new Set(["a"]) };
    expect(seen).toEqual([expected, expected]);
  });

  test("that validates asynchronously works the same", async () => {
    const slow = defineWorkflow({
      name: "async-schema",
      input: z.string().refine(async (text) => {
        await Promise.resolve();
        return text !== "bad";
      }, "is bad"),
      run: async (ctx, input) => ctx.step("use", () => input.length),
    });
    const { pawl } = await h.run([slow]);
    expect(await pawl.execute(slow, "good")).toBe(4);
    expect((await failureOf(pawl.start(slow, "bad"))).message).toContain("is bad");
  });
});
