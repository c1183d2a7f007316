import { defineWorkflow, ExecutionNotFound, OptionInvalid, type StreamChunk } from "pawl";
import { describe, expect, test } from "vitest";
import { causeOf, eventually, gate, harness, parkedSleep, quickly, refusalOf, soon } from "./harness.ts";

const h = harness();

async function all(chunks: AsyncIterable<StreamChunk>): Promise<StreamChunk[]> {
  const read: StreamChunk[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return read;
}
const values = async (chunks: AsyncIterable<StreamChunk>) => (await all(chunks)).map(({ value }) => value);

const telling = defineWorkflow({
  name: "telling",
  run: async (ctx, words: readonly string[]) => {
    const story = ctx.stream("story");
    for (const word of words) {
      await story.write(word);
      await ctx.sleep(parkedSleep);
    }
    await story.close();
    return words.length;
  },
});

describe("a stream that workflow code writes", () => {
  test("has each chunk once, in order, although the code was replayed for each of them", async () => {
    const { pawl } = await h.run([telling]);
    const handle = await pawl.start(telling, ["once", "upon", "a", "time"]);
    expect(await all(handle.stream("story"))).toEqual(
      ["once", "upon", "a", "time"].map((value, offset) => ({ offset, value, at: expect.any(Date) as Date, runId: handle.runId, step: undefined })),
    );
    expect(await handle.result()).toBe(4);
    expect(await values(handle.stream("story", { from: 2 }))).toEqual(["a", "time"]);
    // The history knows that something was written, not what.
    expect(JSON.stringify((await handle.history()).slice(1))).not.toContain("upon");
  });

  test("ends for its readers when the execution ends without closing it, also for those who come later or ask for another", async () => {
    const quiet = defineWorkflow({
      name: "quiet",
      run: async (ctx) => {
        void ctx.stream("log").write({ line: 1 });
        void ctx.stream("log").write({ line: 2 });
      },
    });
    const { pawl } = await h.run([quiet]);
    const handle = await pawl.start(quiet, undefined);
    expect(await values(handle.stream("log"))).toEqual([{ line: 1 }, { line: 2 }]);
    expect(await values(handle.stream("log"))).toHaveLength(2);
    expect(await values(handle.stream("never"))).toEqual([]);
  });

  test("takes nothing after its end, and is closed once", async () => {
    const closing = defineWorkflow({
      name: "closing",
      run: async (ctx) => {
        const log = ctx.stream("log");
        await log.write(1);
        await log.close();
        await log.close();
        // Claimed again, it knows that from its history.
        await ctx.sleep(parkedSleep);
        await ctx.step("late", (step) => step.stream("log").write(2)).catch((error: unknown) => ctx.set("late", error));
        await log.write(3);
      },
    });
    const { pawl } = await h.run([closing]);
    const handle = await pawl.start(closing, undefined);
    expect(await causeOf(handle.result())).toMatchObject({ name: "StreamClosed" });
    expect(await handle.value("late")).toMatchObject({ code: "STREAM_CLOSED" });
    expect(await values(handle.stream("log"))).toEqual([1]);
    const types = (await handle.history()).map(({ event }) => event.type);
    expect(types.filter((type) => type === "StreamWritten")).toHaveLength(2);
    // Another attempt could not write either.
    expect(types.filter((type) => type === "StepAttemptFailed" || type === "StepFailed")).toEqual(["StepFailed"]);
  });

  test("refuses what is too large, names that are none, and offsets that are none", async () => {
    const large = defineWorkflow({ name: "large", run: async (ctx) => ctx.stream("log").write("x".repeat(1024 * 1024)) });
    const unnamed = defineWorkflow({ name: "unnamed", run: async (ctx) => ctx.stream("").write(1) });
    const { pawl } = await h.run([large, unnamed]);
    expect(await causeOf(pawl.execute(large, undefined))).toMatchObject({ name: "ValueTooLarge" });
    expect((await causeOf(pawl.execute(unnamed, undefined))).message).toContain("ctx.stream name");
    await refusalOf(all(pawl.handle("nobody").stream("log")), ExecutionNotFound);
    for (const from of [-1, 1.5, Number.NaN]) expect(() => pawl.handle("x").stream("log", { from })).toThrow(OptionInvalid);
  });
});

describe("a stream that a step writes", () => {
  test("can be followed while the step runs, by another process too, within moments", async () => {
    const go = gate();
    const talking = defineWorkflow({
      name: "talking",
      run: async (ctx) =>
        ctx.step("talk", async (step) => {
          await step.stream("tokens").write("first");
          await go.opened;
          await step.stream("tokens").write("second");
        }),
    });
    const { pawl } = await h.run([talking]);
    const elsewhere = await h.open();
    const handle = await pawl.start(talking, undefined);
    const reading = elsewhere.handle(handle.executionId).stream("tokens");
    expect((await reading.next()).value).toMatchObject({ value: "first", step: { position: 1, attempt: 1 } });
    expect(await values(handle.stream("tokens", { follow: false }))).toEqual(["first"]);
    go.open();
    expect((await reading.next()).value).toMatchObject({ offset: 1, value: "second" });
    expect(await reading.next()).toEqual({ done: true, value: undefined });
  });

  test("takes ten thousand chunks in a few commits, all of them before the result", async () => {
    const many = defineWorkflow({
      name: "many",
      run: async (ctx) =>
        ctx.step("generate", async (step) => {
          const tokens = step.stream("tokens");
          for (let i = 0; i < 10_000; i++) await tokens.write(i);
        }),
    });
    const before = await h.open();
    let commits = 0;
    const pawl = await h.open({}, (name, phase) => {
      if (name === "commit" && phase === "before") commits++;
    });
    await pawl.worker({ workflows: [many], ...soon });
    const handle = await pawl.start(many, undefined);
    await handle.result();
    expect(commits).toBeLessThan(100);
    const read = await all(before.handle(handle.executionId).stream("tokens"));
    expect(read.map(({ value }) => value)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    expect(read.map(({ offset }) => offset)).toEqual(read.map(({ value }) => value));
    expect((await handle.history()).length).toBeLessThan(6);
  });

  test("keeps what failed attempts wrote, told apart by their number", async () => {
    const failing = defineWorkflow({
      name: "failing",
      run: async (ctx) =>
        ctx.step(
          "try",
          async (step) => {
            void step.stream("log").write(`attempt ${step.attempt}`);
            if (step.attempt < 3) throw new Error("not yet");
          },
          { retry: quickly },
        ),
    });
    const { pawl } = await h.run([failing]);
    const handle = await pawl.start(failing, undefined);
    expect((await all(handle.stream("log"))).map(({ value, step }) => [value, step?.attempt])).toEqual([
      ["attempt 1", 1],
      ["attempt 2", 2],
      ["attempt 3", 3],
    ]);
  });

  test("is written on when the database refuses at first to say where it ends", async () => {
    const parted = defineWorkflow({
      name: "parted",
      run: async (ctx) => {
        await ctx.stream("log").write("a");
        await ctx.sleep(parkedSleep);
        await ctx.stream("log").write("b");
      },
    });
    let refusals = 2;
    const pawl = await h.open({}, (name, phase) => {
      if (name === "stream-end" && phase === "before" && refusals-- > 0) throw Object.assign(new Error("permission denied"), { code: "42501" });
    });
    await pawl.worker({ workflows: [parted], ...soon });
    const handle = await pawl.start(parted, undefined);
    await handle.result({ timeout: "1 minute" });
    expect(refusals).toBeLessThan(0);
    expect(await values(handle.stream("log"))).toEqual(["a", "b"]);
  });

  test("goes on where another claim stopped writing, from steps and workflow code alike", async () => {
    const mixed = defineWorkflow({
      name: "mixed",
      run: async (ctx) => {
        await ctx.stream("log").write("a");
        await ctx.step("one", (step) => step.stream("log").write("b"));
        await ctx.sleep(parkedSleep);
        await ctx.map([1, 2, 3], (n) => ctx.step("more", (step) => step.stream("log").write(n)));
        await ctx.stream("log").write("z");
      },
    });
    const { pawl } = await h.run([mixed]);
    const handle = await pawl.start(mixed, undefined);
    const read = await values(handle.stream("log"));
    expect([read.slice(0, 2), new Set(read.slice(2, 5)), read.slice(5)]).toEqual([["a", "b"], new Set([1, 2, 3]), ["z"]]);
  });

  test("takes values that are no JSON, and refuses what cannot be stored where it was written", async () => {
    const rich = defineWorkflow({
      name: "rich",
      run: async (ctx) =>
        ctx.step(
          "write",
          (step) => {
            void step.stream("log").write(new Map([["k", new Date(5)]]));
            void step.stream("log").write(undefined);
            void step.stream("log").write(() => 1);
          },
          { retry: { maximumAttempts: 1 } },
        ),
    });
    const { pawl } = await h.run([rich]);
    const handle = await pawl.start(rich, undefined);
    expect((await causeOf(handle.result())).message).toContain("chunk");
    expect(await values(handle.stream("log"))).toEqual([new Map([["k", new Date(5)]]), undefined]);
  });
});

describe("readers", () => {
  test("stop waiting when told to", async () => {
    const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.sleep("1 hour") });
    const { pawl } = await h.run([waiting]);
    const handle = await pawl.start(waiting, undefined);
    const stop = new AbortController();
    const reading = all(handle.stream("log", { signal: stop.signal }));
    await eventually(async () => expect(await handle.status()).toMatchObject({ workerId: null }));
    stop.abort();
    expect(await reading).toEqual([]);
    await handle.terminate();
  });

  test("end at a close that is the last of a full page", async () => {
    const full = defineWorkflow({
      name: "full",
      run: async (ctx) => {
        await ctx.step("generate", async (step) => {
          for (let i = 0; i < 499; i++) await step.stream("tokens").write(i);
        });
        await ctx.stream("tokens").close();
        await ctx.sleep("1 hour");
      },
    });
    const { pawl } = await h.run([full]);
    const handle = await pawl.start(full, undefined);
    expect(await values(handle.stream("tokens"))).toHaveLength(499);
    expect(await handle.status()).toMatchObject({ state: "running" });
    await handle.terminate();
  });

  test("read on after a resume, which writes to the same stream again", async () => {
    const stopped = defineWorkflow({
      name: "stopped",
      run: async (ctx) => {
        await ctx.stream("log").write("begun");
        try {
          await ctx.sleep(parkedSleep);
        } finally {
          await ctx.shield(async (shielded) => {
            await shielded.stream("log").write("ended");
            await shielded.stream("log").close();
          });
        }
      },
    });
    const { pawl } = await h.run([stopped]);
    const handle = await pawl.start(stopped, undefined);
    await eventually(async () => expect(await values(handle.stream("log", { follow: false }))).toEqual(["begun"]));
    await handle.cancel();
    expect(await values(handle.stream("log"))).toEqual(["begun", "ended"]);
    // The stream ends a moment before the execution does.
    await eventually(async () => expect(await handle.status()).toMatchObject({ state: "cancelled" }));
    const resumed = await handle.resume();
    await resumed.result();
    expect((await all(handle.stream("log"))).map(({ value, runId }) => [value, runId === resumed.runId])).toEqual([
      ["begun", false],
      ["ended", false],
      ["ended", true],
    ]);
  });

  test("go on when a run does: what a run before has closed, steps of the next may write to", async () => {
    const answering = defineWorkflow({
      name: "answering",
      async run(ctx, round: number): Promise<string> {
        await ctx.step("think", () => {});
        await ctx.step("generate", (step) => step.stream("tokens").write(`round ${round}`));
        await ctx.stream("tokens").close();
        return round === 1 ? ctx.continueAsNew(2) : "done";
      },
    });
    const { pawl } = await h.run([answering]);
    const handle = await pawl.start(answering, 1);
    expect(await handle.result()).toBe("done");
    const again = await handle.rollback({ to: { step: "think" } });
    expect(await again.result()).toBe("done");
    const read = await all(handle.stream("tokens"));
    expect(read.map(({ offset, value, step }) => [offset, value, step])).toEqual([
      [0, "round 1", { position: 2, attempt: 1 }],
      [2, "round 2", { position: 2, attempt: 1 }],
      [4, "round 2", { position: 2, attempt: 1 }],
    ]);
    expect(new Set(read.map(({ runId }) => runId)).size).toBe(3);
    // Of what was written, nothing is written again that the rollback keeps.
    const closing = await handle.rollback({ to: { step: "generate" } });
    expect(await closing.result()).toBe("done");
    expect(await all(handle.stream("tokens"))).toEqual(read);
  });

  test("leave nothing behind when the execution is deleted", async () => {
    const { pawl, worker } = await h.run([telling]);
    const handle = await pawl.start(telling, ["bye"]);
    await handle.result();
    await pawl.retention.set({ workflow: "telling", keep: 0 });
    await pawl.retention.run();
    expect(await h.count("pawl.stream_chunks WHERE execution_id = $1", handle.executionId)).toBe(0);
    await worker.stop();
  });
});
