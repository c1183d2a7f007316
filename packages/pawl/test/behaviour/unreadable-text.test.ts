/** NUL characters and halves of surrogate pairs, which PostgreSQL's `text` cannot hold, in whatever users may put them into. */
import { defineWorkflow, fold, OptionInvalid, update, UpdateRejected } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { query } from "../support/database.ts";
import { causeOf, eventually, failureOf, gate, harness, refusalOf } from "./harness.ts";

const h = harness();

const texts: readonly [string, string][] = [
  ["NUL", "a\u0000b"],
  ["half an emoji", "grin 😀".slice(0, 6)],
];

/** Every event, read as people and SQL read them. */
async function readableEvents(): Promise<void> {
  await query(h.url, "SELECT data::json->>'position', data::jsonb FROM pawl.history");
}

describe.each(texts)("%s", (_what, text) => {
  test("in a signal that a run has not taken goes to the next run", async () => {
    const workflow = defineWorkflow({
      name: "entity",
      signals: { go: z.unknown(), other: z.unknown() },
      run: async (ctx, round: number) => {
        if (round > 0) return ctx.signal("other");
        await ctx.signal("go");
        return ctx.continueAsNew(round + 1);
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, 0);
    await handle.signal("other", { [text]: text });
    await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("SignalReceived"));
    await handle.signal("go", text);
    expect(await handle.result({ timeout: 20_000 })).toEqual({ [text]: text });
    await readableEvents();
  });

  test("in an input keeps nobody from pausing what is running, or what waits", async () => {
    const [begun, letGo] = [gate(), gate()];
    const workflow = defineWorkflow({
      name: "holds",
      timeout: "1 hour",
      run: async (ctx, input: string) => {
        await ctx.step("first", () => {
          begun.open();
          return letGo.opened;
        });
        await ctx.sleep("1 hour");
        return input;
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, text);
    await begun.opened;
    expect(await handle.pause()).toBe("running");
    letGo.open();
    await eventually(async () => expect((await handle.status()).state).toBe("paused"), 20_000);
    await handle.resume();
    await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null, waitingFor: expect.any(String) }));
    expect(await handle.pause()).toBe("paused");
    await handle.terminate();
  });

  test("in updates, their answers and their errors reaches who sent them, also in an earlier run", async () => {
    const workflow = defineWorkflow({
      name: "answers",
      signals: { next: z.unknown() },
      state: () => ({ n: 0 }),
      updates: {
        add: update(z.string(), (_state: { n: number }, given) => {
          if (given === "wrong") throw new Error(text, { cause: new TypeError(text) });
          return given;
        }),
      },
      run: async (ctx, round: number) => {
        await ctx.signal("next");
        return round > 0 ? "done" : ctx.continueAsNew(round + 1);
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, 0);
    expect(await handle.update("add", text, { updateId: "one", timeout: 20_000 })).toBe(text);
    const refused = await refusalOf(handle.update("add", "wrong", { timeout: 20_000 }), UpdateRejected);
    expect(refused.cause).toMatchObject({ message: text, cause: { name: "TypeError", message: text } });
    await handle.signal("next", 1);
    await eventually(async () => expect((await handle.status()).runNumber).toBe(2));
    expect(await handle.update("add", text, { updateId: "one", timeout: 20_000 })).toBe(text);
    await handle.signal("next", 1);
    expect(await handle.result()).toBe("done");
    await readableEvents();
  });

  test("in starts that are merged into another one, and in the first", async () => {
    const workflow = defineWorkflow({ name: "merged", run: async (_ctx, input: string) => input });
    const { pawl } = await h.run([workflow]);
    const options = { debounce: { key: "doc", period: 200 } };
    for (let n = 0; n < 2; n++) await pawl.start(workflow, text, options);
    const handle = await pawl.start(workflow, `${text}!`, options);
    expect(await handle.result({ timeout: 20_000 })).toBe(`${text}!`);
  });

  test("in a value that was set before, and in the value that is asked for", async () => {
    const workflow = defineWorkflow({
      name: "sets",
      run: async (ctx) => {
        await ctx.set("other", text);
        await ctx.set("mine", { text });
        await ctx.sleep("1 hour");
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await eventually(async () => expect(await handle.value("mine")).toEqual({ text }), 20_000);
    expect(await handle.value("other")).toBe(text);
    await handle.terminate();
  });

  test("in an error, its stack and the names of steps is what it was, and the execution is resumed with the signals that it had read", async () => {
    const stepName = text === "a\u0000b" ? "step" : text;
    const error = Object.assign(new Error(text), { name: text, code: text, stack: text, detail: text });
    const workflow = defineWorkflow({
      name: "fails",
      signals: { more: z.unknown(), end: z.unknown() },
      run: async (ctx) => {
        await ctx.step(stepName, () => Promise.reject(error), { retry: { maximumAttempts: 1 } }).catch(() => {});
        await ctx.signal("end");
        const more = await ctx.signal("more");
        return ctx.step("again", () => Promise.reject(Object.assign(error, { detail: more })), { retry: { maximumAttempts: 1 } });
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await handle.cancel();
    await failureOf(handle.result());
    await handle.resume();
    await handle.signal("more", text);
    await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("SignalReceived"));
    await handle.cancel();
    await failureOf(handle.result());
    await handle.resume();
    await handle.signal("end", 1);
    expect(await causeOf(handle.result({ timeout: 20_000 }))).toMatchObject({ name: text, message: text, code: text, stack: text, detail: text });
    expect(fold((await handle.history()).map(({ seq, at, event }) => ({ seq, at: at.getTime(), event })))).toMatchObject({ state: "failed" });
    await readableEvents();
  });

  test("in an exported execution comes back as it was, also from a document that has it as JSON has it", async () => {
    const workflow = defineWorkflow({
      name: "exported",
      run: async (ctx, input: string) => ctx.step("fail", () => Promise.reject(new Error(input)), { retry: { maximumAttempts: 1 } }),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, text);
    await failureOf(handle.result());
    const document = await pawl.exportExecution(handle.executionId);
    const copies = [await pawl.importExecution(document, { executionId: `copy-${handle.executionId}` })];
    const [{ data }] = document.runs[0]!.events as unknown as [{ data: Record<string, unknown> }];
    delete data["input#"];
    data["input"] = text;
    copies.push(await pawl.importExecution(document, { executionId: `other-${handle.executionId}` }));
    for (const copy of copies) {
      expect((await copy.history())[0]!.event).toMatchObject({ input: { value: text } });
      expect((await causeOf(copy.result())).message).toBe(text);
    }
    await readableEvents();
  });

  test("in a reason is refused", async () => {
    const pawl = await h.open();
    const handle = pawl.handle("any");
    for (const refused of [handle.cancel({ reason: text }), handle.terminate({ reason: text }), handle.pause({ reason: text })]) {
      expect((await refusalOf(refused, OptionInvalid)).message).toContain("reason");
    }
  });
});
