import { randomUUID } from "node:crypto";
import {
  defineWorkflow,
  DocumentInvalid,
  DocumentTooLarge,
  ExecutionConflict,
  ExecutionFailed,
  ExecutionNotFound,
  OptionInvalid,
  type EventDocument,
  type ExecutionDocument,
  type ExecutionHandle,
  type Pawl,
  type RunDocument,
} from "pawl";
import { describe, expect, test } from "vitest";
import { query } from "../support/database.ts";
import { causeOf, eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

/** Deletes what has ended, once: what is imported afterwards stays. */
async function forgetAll(pawl: Pawl): Promise<void> {
  await pawl.retention.set({ keep: 0 });
  await pawl.retention.run();
  await pawl.retention.delete();
}

const rich = { when: new Date(5), big: 2n ** 70n, map: new Map([["a", new Set([1])]]), bytes: new Uint8Array([1, 2]), text: "\0\ud800é😀" };
const flags = { finish: false };
const workflow = defineWorkflow({
  name: "workflow",
  retry: { initialInterval: 1 },
  run: async (ctx, input: unknown) => {
    await ctx.setAttributes({ phase: "begun", when: new Date(7) });
    await ctx.setLabels({ stage: "begun" });
    await ctx.step("retried", ({ attempt, heartbeat }) => {
      heartbeat({ at: new Date(9) });
      if (attempt < 2) throw Object.assign(new TypeError("not yet"), { detail: 1n });
    });
    await ctx.step("hang", () => (flags.finish ? 1 : new Promise<number>(() => {})));
    await ctx.child(child, 1);
    return { input, uuid: ctx.uuid() };
  },
});
const child = defineWorkflow({ name: "child", run: async (_ctx, value: number) => value });
const failing = defineWorkflow({
  name: "failing",
  run: async () => {
    throw new RangeError("no");
  },
});
const all = [workflow, child, failing];

/** As it comes out of a file. */
const file = (document: ExecutionDocument): ExecutionDocument => JSON.parse(JSON.stringify(document)) as ExecutionDocument;

describe("an exported execution", () => {
  test("comes back whole: every run, every event, every value, labels and attributes", async () => {
    const { pawl } = await h.run(all);
    flags.finish = false;
    const handle = await pawl.start(workflow, rich, { executionId: "original", labels: { team: "red" }, attributes: { size: 1 } });
    await eventually(async () => expect((await handle.history()).some(({ event }) => event.type === "StepStarted" && event.name === "hang")).toBe(true));
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    flags.finish = true;
    const result = await (await handle.resume()).result();
    const document = file(await pawl.exportExecution("original"));
    expect(document.runs.map(({ state }) => state)).toEqual(["cancelled", "completed"]);

    const elsewhere = await h.open({ namespace: "elsewhere" });
    const copy = await elsewhere.importExecution(document, { executionId: "copy" });
    expect(await copy.result()).toEqual(result);
    expect((await copy.history()).map(({ at, event }) => [at, event.type])).toEqual((await handle.history()).map(({ at, event }) => [at, event.type]));
    const values = async (of: typeof handle): Promise<unknown[]> => (await of.history()).filter(({ event }) => event.type !== "ExecutionResumed");
    expect(await values(copy as typeof handle)).toEqual(await values(handle));
    const { labels, attributes, runNumber, createdAt, finishedAt, state } = await handle.status();
    expect(labels).toEqual({ team: "red", stage: "begun" });
    expect(await copy.status()).toMatchObject({ executionId: "copy", labels, attributes, runNumber, state, finishedAt });
    expect(Math.abs((await copy.status()).createdAt.getTime() - createdAt.getTime())).toBeLessThan(2);
    // And out again.
    const again = file(await elsewhere.exportExecution("copy"));
    expect(again.runs.map(({ events }) => events.length)).toEqual(document.runs.map(({ events }) => events.length));
  });

  test("comes back with the version of each run, also when it went back to one, and nothing is wrong with it", async () => {
    const moving = (version: string, next?: string) =>
      defineWorkflow({
        name: "moving",
        version,
        run: async (ctx, left: number) => (left > 0 && next !== undefined ? ctx.continueAsNew(left - 1, { version: next }) : version),
      });
    const { pawl } = await h.run([moving("1", "2"), moving("2", "1")]);
    const handle = await pawl.start(moving("1", "2"), 2, { executionId: "moved" });
    expect(await handle.result()).toBe("1");
    const document = file(await pawl.exportExecution("moved"));
    const copy = await pawl.importExecution(document, { executionId: "moved-copy" });
    expect((await copy.runs()).map(({ version }) => version)).toEqual(["1", "2", "1"]);
    const { runs } = document;
    const wrong: [unknown, string][] = [
      [{ ...document, runs: [runs[0], { ...runs[1], version: "1" }, runs[2]] }, "runs[1].version"],
      [{ ...document, runs: [runs[0], runs[1], { ...runs[2], version: undefined }] }, "runs[2].version"],
      [{ ...document, runs: [runs[0], runs[2]] }, "runs[0].state"],
      [{ ...document, runs: runs.slice(0, 2) }, "runs[1].state"],
    ];
    for (const [given, path] of wrong) {
      expect((await refusalOf(pawl.importExecution(given, { executionId: "wrong" }), DocumentInvalid)).path).toBe(path);
    }
  });

  test("has as many runs as it has", async () => {
    const { pawl } = await h.run(all);
    await pawl.execute(child, 1, { executionId: "one" });
    const document = file(await pawl.exportExecution("one"));
    const [last] = document.runs as [RunDocument];
    const [started, ended] = last.events as [EventDocument, EventDocument];
    const runIds = Array.from({ length: 1500 }, () => randomUUID());
    const runs = runIds.map((runId, index): RunDocument => {
      const from = index === 0 ? started : { ...started, data: { ...started.data, continuedFrom: { runId: runIds[index - 1], count: index } } };
      const next: EventDocument = { ...ended, type: "ExecutionContinuedAsNew", data: { nextRunId: runIds[index + 1] } };
      if (index === runIds.length - 1) return { ...last, runId, events: [from, ended] };
      return { ...last, runId, state: "continued_as_new", events: [from, next] };
    });
    await pawl.importExecution({ ...document, runs }, { executionId: "many" });
    const again = file(await pawl.exportExecution("many"));
    expect(again.runs).toHaveLength(1500);
    expect(again.runs.map(({ events }) => events.map(({ type }) => type))).toEqual(runs.map(({ events }) => events.map(({ type }) => type)));
    await (await h.open({ namespace: "many" })).importExecution(again);
  });

  test("comes back with more labels and attributes than a start may have, where its code has added some", async () => {
    const names = (from: number): string[] => Array.from({ length: 20 }, (_, index) => `n${from + index}`);
    const labels = (from: number): Record<string, string> => Object.fromEntries(names(from).map((name) => [name, "x"]));
    const adding = defineWorkflow({
      name: "adding",
      async run(ctx, round: number): Promise<string> {
        if (round > 0) return "done";
        await ctx.setLabels(labels(20));
        await ctx.setAttributes(labels(20));
        return ctx.continueAsNew(1);
      },
    });
    const { pawl } = await h.run([adding]);
    const handle = await pawl.start(adding, 0, { labels: labels(0), attributes: labels(0) });
    await handle.result();
    const copy = await pawl.importExecution(JSON.parse(JSON.stringify(await pawl.exportExecution(handle.executionId))), { executionId: "copy-of-adding" });
    const { labels: found, attributes } = await copy.status();
    for (const each of [found, attributes]) expect(each).toEqual({ ...labels(0), ...labels(20) });
  });

  test("that could not be imported again is refused, with how to read it otherwise", async () => {
    const pawl = await h.open();
    await pawl.start(child, 1, { executionId: "too-long", delay: "1 hour" });
    const grow = (by: number) => query(h.url, "UPDATE pawl.executions SET last_seq = last_seq + $1 WHERE execution_id = 'too-long'", [by]);
    await grow(200_000);
    const refused = await refusalOf(pawl.exportExecution("too-long"), DocumentTooLarge);
    expect(refused.message).toMatch(/at most 200000 events, and it has more\. Read its runs one by one/);
    await grow(-200_000);
  });

  test("brings its streams, its key and its priority", async () => {
    const writing = defineWorkflow({
      name: "writing",
      run: async (ctx) => {
        const stream = ctx.stream("log");
        await stream.write({ n: 1n });
        await ctx.step("tokens", async (step) => {
          await step.stream("log").write("a");
          await step.stream("log").write("b");
        });
        await stream.write("end");
        await stream.close();
      },
    });
    const { pawl } = await h.run([writing]);
    await pawl.execute(writing, undefined, { executionId: "writes", key: "customer", priority: -3 });
    const document = file(await pawl.exportExecution("writes"));
    const copy = await pawl.importExecution(document, { executionId: "writes-copy" });
    const chunks = async (id: string): Promise<unknown[]> => {
      const found: unknown[] = [];
      for await (const { offset, value, at, step } of pawl.handle(id).stream("log")) found.push({ offset, value, at, step });
      return found;
    };
    expect(await chunks("writes-copy")).toEqual(await chunks("writes"));
    expect(await chunks("writes")).toMatchObject([{ value: { n: 1n } }, { value: "a", step: { attempt: 1 } }, { value: "b" }, { value: "end" }]);
    expect(await copy.status()).toMatchObject({ key: "customer", priority: -3 });
    expect(file(await pawl.exportExecution("writes-copy")).streams!["log"]).toHaveLength(5);

    const log = document.streams!["log"]!;
    const wrong: [unknown, string][] = [
      [{ ...document, streams: [] }, "streams"],
      [{ ...document, streams: { log: "x" } }, "streams.log"],
      [{ ...document, streams: { log: log.slice(1) } }, "streams.log[2]"],
      [{ ...document, streams: { log: log.slice(0, 3) } }, "streams.log[3]"],
      [{ ...document, streams: { log: [{ ...log[0], runId: "other" }, ...log.slice(1)] } }, "streams.log[0].runId"],
      [{ ...document, streams: { log: [{ ...log[0], epoch: 7 }, ...log.slice(1)] } }, "streams.log[1].epoch"],
      [{ ...document, streams: { log: [{ ...log[0], at: "now" }, ...log.slice(1)] } }, "streams.log[0].at"],
      [{ ...document, streams: { log: [log[0], { ...log[1], step: { position: 0, attempt: 1 } }, ...log.slice(2)] } }, "streams.log[1].step"],
      [{ ...document, streams: { log: [{ ...log[0], "value#": "#!" }, ...log.slice(1)] } }, "streams.log[0].value"],
      [{ ...document, key: 1 }, "key"],
      [{ ...document, priority: 5000 }, "priority"],
    ];
    for (const [given, path] of wrong) {
      expect((await refusalOf(pawl.importExecution(given, { executionId: "wrong" }), DocumentInvalid)).path).toBe(path);
    }
    expect(await h.count("pawl.stream_chunks")).toBe(10);
  });

  test("never overwrites: a taken id is a conflict and nothing is written", async () => {
    const { pawl } = await h.run(all);
    await pawl.execute(child, 1, { executionId: "taken" });
    const document = await pawl.exportExecution("taken");
    const events = await h.count("pawl.history");
    await refusalOf(pawl.importExecution(document), ExecutionConflict);
    await refusalOf(pawl.importExecution(document, { executionId: "taken" }), ExecutionConflict);
    expect(await h.count("pawl.history")).toBe(events);
    await refusalOf(pawl.importExecution(document, { executionId: "a b" }), OptionInvalid);
    await refusalOf(pawl.exportExecution("nobody"), ExecutionNotFound);
  });

  test("with a failure keeps the error with all its parts", async () => {
    const { pawl } = await h.run(all);
    await refusalOf(pawl.execute(failing, undefined, { executionId: "failed" }), ExecutionFailed);
    const copy = await pawl.importExecution(file(await pawl.exportExecution("failed")), { executionId: "failed-copy" });
    expect(await causeOf(copy.result())).toEqual(await causeOf(pawl.handle("failed").result()));
  });

  test("stands in lists where it was created, found by what it can be found by", async () => {
    const { pawl } = await h.run(all);
    const listed = await h.open({ namespace: "listed" });
    await listed.worker({ workflows: all, ...soon });
    await pawl.execute(child, 1, { executionId: "old", labels: { archived: "yes" } });
    await listed.execute(child, 1, { executionId: "new" });
    await listed.importExecution(await pawl.exportExecution("old"));
    expect((await listed.list()).executions.map(({ executionId }) => executionId)).toEqual(["new", "old"]);
    expect((await listed.count({ filter: 'labels.archived == "yes"' })).count).toBe(1);
  });

  test("that had not ended is held, goes on when it is resumed, and fails for a child that did not come with it", async () => {
    const waiting = defineWorkflow({
      name: "waiting",
      run: async (ctx) => {
        const before = ctx.uuid();
        await ctx.step("before", () => 1);
        const outcome = await ctx.child(held, undefined).catch((error: Error) => (error.cause as Error).name);
        return { before, outcome };
      },
    });
    const held = defineWorkflow({ name: "held", run: async (ctx) => ctx.sleep("1 hour") });
    const from = await h.open({ namespace: "default" });
    const worker = await from.worker({ workflows: [waiting, held], ...soon });
    const handle = await from.start(waiting, undefined, { executionId: "open" });
    await eventually(async () => expect((await handle.status()).waitingFor).toContain("child"));
    const document = file(await from.exportExecution("open"));
    await handle.terminate();
    await from.handle("open.2").terminate();
    await worker.stop();
    // Elsewhere it would have other random numbers, and other children.
    expect((await refusalOf(from.importExecution(document, { executionId: "other" }), DocumentInvalid)).path).toBe("executionId");

    await forgetAll(from);
    const imported = await from.importExecution(document);
    expect(await imported.status()).toMatchObject({ state: "quarantined" });
    await from.worker({ workflows: [waiting, held], ...soon });
    expect(await (await imported.resume()).result()).toEqual({ before: expect.any(String) as string, outcome: "ExecutionNotFound" });
  });

  describe("that was made of merged starts", () => {
    const sum = defineWorkflow({
      name: "sum",
      run: async (ctx, input: readonly number[]) => ctx.step("sum", () => input.reduce((total, value) => total + value, 0)),
    });
    const merged = async (pawl: Pawl, key: string, size: number) => {
      const batch = { key, size, window: "1 hour" } as const;
      await pawl.start(sum, [1], { batch });
      return pawl.start(sum, [2], { batch });
    };
    const typesOf = async (handle: ExecutionHandle) => (await handle.history()).map(({ event }) => event.type);

    test("comes back with all of them, and so do its later runs, its forks, and those that ended before they began", async () => {
      const { pawl } = await h.run([sum]);
      const elsewhere = await h.open({ namespace: "merged" });
      const copyOf = async (handle: ExecutionHandle) => {
        const copy = await elsewhere.importExecution(file(await pawl.exportExecution(handle.executionId)));
        const types = await typesOf(handle);
        expect(types.slice(0, 2)).toEqual(["ExecutionStarted", "StartMerged"]);
        expect(await typesOf(copy)).toEqual(types);
        return copy;
      };
      const cancelled = await merged(pawl, "cancelled", 3);
      await cancelled.cancel();
      expect((await (await copyOf(cancelled)).status()).state).toBe("cancelled");
      const terminated = await merged(pawl, "terminated", 3);
      await terminated.terminate();
      expect((await (await copyOf(terminated)).status()).state).toBe("terminated");

      const ended = await merged(pawl, "ended", 2);
      expect(await ended.result()).toBe(3);
      const fork = await ended.fork({ from: 1 });
      expect(await fork.result()).toBe(3);
      expect(await (await copyOf(fork)).result()).toBe(3);
      expect(await (await ended.rollback({ to: 1 })).result()).toBe(3);
      const copy = await copyOf(ended);
      expect(await copy.result()).toBe(3);
      expect(await copy.runs()).toHaveLength(2);
    });

    test("and was paused before it began is held, and goes on with all of them", async () => {
      const pawl = await h.open({ namespace: "merged-and-paused" });
      const handle = await merged(pawl, "paused", 3);
      await handle.pause();
      const document = file(await pawl.exportExecution(handle.executionId));
      await handle.terminate();
      await forgetAll(pawl);
      const imported = await pawl.importExecution(document);
      expect(await imported.status()).toMatchObject({ state: "quarantined", startedAt: null });
      expect(await typesOf(imported)).toEqual(["ExecutionStarted", "StartMerged", "ExecutionPaused", "ExecutionQuarantined"]);
      await pawl.worker({ workflows: [sum], ...soon });
      expect(await (await imported.resume()).result()).toBe(3);
    });
  });

  test("that was pending, or quarantined already, is held too", async () => {
    const pawl = await h.open({ namespace: "pending" });
    const handle = await pawl.start(child, 1, { executionId: "delayed", delay: "1 hour" });
    const document = file(await pawl.exportExecution("delayed"));
    await handle.terminate();
    await forgetAll(pawl);
    const imported = await pawl.importExecution(document);
    expect(await imported.status()).toMatchObject({ state: "quarantined", startedAt: null });
    const held = file(await pawl.exportExecution("delayed"));
    expect(held.runs[0]!.events).toHaveLength(2);
    await imported.terminate();
    await pawl.retention.set({ keep: 0 });
    await pawl.retention.run();
    await pawl.worker({ workflows: all, ...soon, retentionInterval: "1h" });
    expect(await (await (await pawl.importExecution(held)).resume()).result()).toBe(1);
  });

  test("is imported once when the reply to its import is lost", async () => {
    const { pawl } = await h.run(all);
    await pawl.execute(child, 1, { executionId: "lost" });
    const document = await pawl.exportExecution("lost");
    let lose = 1;
    const lossy = await h.open({ namespace: "lossy" }, (name, phase) => {
      if (name === "import-execution" && phase === "after" && lose-- > 0) throw Object.assign(new Error("lost"), { code: "ECONNRESET" });
    });
    const copy = await lossy.importExecution(document);
    expect(await copy.result()).toBe(1);
    await refusalOf(lossy.importExecution(document), ExecutionConflict);
  });
});

describe("a document", () => {
  interface Loose {
    [name: string]: unknown;
    readonly runs: { [name: string]: unknown; events: { [name: string]: unknown; data: Record<string, unknown> }[] }[];
  }
  type Change = (document: Loose) => unknown;
  const labelsSet = (document: Loose, labels: object) => ({ ...document.runs[0]!.events[1]!, type: "LabelsSet", data: { position: 1, labels } });
  const cases: readonly (readonly [string, Change, string])[] = [
    ["that is something else", (d) => (d["format"] = "x"), "format"],
    ["of a later version", (d) => (d["formatVersion"] = 2), "formatVersion"],
    ["without runs", (d) => d.runs.splice(0), "runs"],
    ["with a wrong id", (d) => (d["executionId"] = "a b"), "executionId"],
    ["with a wrong workflow", (d) => (d["workflow"] = 7), "workflow"],
    ["whose run has no id", (d) => delete d.runs[0]!["runId"], "runs[0].runId"],
    ["whose state is none", (d) => (d.runs[0]!["state"] = "done"), "runs[0].state"],
    ["whose state is not what its events say", (d) => (d.runs[0]!["state"] = "failed"), "runs[0].state"],
    ["that claims to be open", (d) => (d.runs[0]!["state"] = "running"), "runs[0].state"],
    ["without events", (d) => (d.runs[0]!.events = []), "runs[0].events"],
    ["whose first event is missing", (d) => d.runs[0]!.events.shift(), "runs[0].events[0].type"],
    ["that begins twice", (d) => d.runs[0]!.events.unshift(d.runs[0]!.events[0]!), "runs[0].events[1].type"],
    [
      "that goes on after its end",
      (d) => d.runs[0]!.events.push({ ...d.runs[0]!.events.at(-1)!, type: "CancelRequested", data: {} }),
      "runs[0].events[1].type",
    ],
    ["with an unknown event", (d) => (d.runs[0]!.events[1]!["type"] = "toString"), "runs[0].events[1].type"],
    ["with an event that lacks a field", (d) => delete d.runs[0]!.events[1]!.data["result"], "runs[0].events[1].data.result"],
    ["with an event that is a list", (d) => (d.runs[0]!.events[1] = [] as never), "runs[0].events[1]"],
    ["with a value that cannot be read", (d) => (d.runs[0]!.events[1]!.data = { "result#": "#[[" }), "runs[0].events[1].data"],
    [
      "with a text that is none",
      (d) => d.runs[0]!.events.splice(1, 0, { ...d.runs[0]!.events[1]!, type: "SignalReceived", data: { signalId: "a", "name#": "7", payload: 1 } }),
      "runs[0].events[1].data.name",
    ],
    ["with a field of an odd name", (d) => (d.runs[0]!.events[1]!.data["a\u0000"] = 1), "runs[0].events[1].data"],
    [
      "with a message whose id holds NUL",
      (d) => d.runs[0]!.events.splice(1, 0, { ...d.runs[0]!.events[1]!, type: "SignalReceived", data: { signalId: "a\u0000", name: "n", payload: 1 } }),
      "runs[0].events[1].data.signalId",
    ],
    ["with a wrong time", (d) => (d.runs[0]!.events[1]!["at"] = "2026"), "runs[0].events[1].at"],
    ["with an epoch that falls", (d) => (d.runs[0]!.events[0]!["epoch"] = 9), "runs[0].events[1].epoch"],
    ["with an event that only the start has the epoch of", (d) => (d.runs[0]!.events[1]!["epoch"] = 0), "runs[0].events[1].epoch"],
    [
      "with a start merged after it had begun",
      (d) => d.runs[0]!.events.splice(1, 0, { ...d.runs[0]!.events[1]!, type: "StartMerged", data: { startId: "x", input: 1 } }),
      "runs[0].events[1].epoch",
    ],
    ["with a label that is none", (d) => (d.runs[0]!.events[0]!.data["labels"] = { a: 1 }), "runs[0].events[0].data"],
    ["with a change of a label to none", (d) => d.runs[0]!.events.splice(1, 0, labelsSet(d, { a: 1 })), "runs[0].events[1].data"],
    ["with a change of no label", (d) => d.runs[0]!.events.splice(1, 0, labelsSet(d, {})), "runs[0].events[1].data"],
    ["with an attribute that is none", (d) => (d.runs[0]!.events[0]!.data["attributes"] = { a: { time: "x" } }), "runs[0].events[0].data"],
  ];

  test.each(cases)("%s is refused with the place, and nothing is written", async (_what, change, path) => {
    const { pawl } = await h.run(all);
    const handle = await pawl.start(child, 1, { executionId: "source" });
    await handle.result();
    const document = file(await pawl.exportExecution("source"));
    change(document as unknown as Loose);
    const before = await h.count("pawl.history");
    const refused = await refusalOf(pawl.importExecution(document, { executionId: "target" }), DocumentInvalid);
    expect(refused.path, refused.message).toBe(path);
    expect(await h.count("pawl.history")).toBe(before);
  });

  test.each([undefined, null, 7, "text", [], {}, { runs: 1 }])("that is %j is refused", async (document) => {
    const pawl = await h.open();
    await refusalOf(pawl.importExecution(document), DocumentInvalid);
  });
});
