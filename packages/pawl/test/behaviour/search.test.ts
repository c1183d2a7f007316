import { defineWorkflow, ExecutionFailed, FilterInvalid, OptionInvalid, fold, type Attributes, type LabelChanges, type Labels } from "pawl";
import { describe, expect, test } from "vitest";
import { query } from "../support/database.ts";
import { causeOf, eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (_ctx, value: unknown) => value });
const failing = defineWorkflow({
  name: "failing",
  run: async () => {
    throw new Error("no");
  },
});

describe("labels and attributes", () => {
  test("are given at the start, stand in the first event, and are shown", async () => {
    const { pawl } = await h.run([echo]);
    const when = new Date("2026-11-21T10:00:00Z");
    const labels = { customer: "acme", "app/part": "é😀" };
    const attributes = { size: 1.5, urgent: true, region: "eu", when };
    const handle = await pawl.start(echo, 1, { executionId: "given", labels, attributes });
    expect(await handle.result()).toBe(1);
    expect(await handle.status()).toMatchObject({ labels, attributes });
    const [first] = await handle.history();
    expect(first!.event).toMatchObject({ labels, attributes: { ...attributes, when: { time: when.getTime() } } });
    const plain = await pawl.start(echo, 1, { executionId: "plain" });
    expect(await plain.status()).toMatchObject({ labels: {}, attributes: {} });
    expect(await h.count("pawl.executions WHERE execution_id = 'plain' AND labels IS NULL AND attributes IS NULL")).toBe(1);
  });

  test("are written by a start without a worker, by one of many, and by a delayed one", async () => {
    const pawl = await h.open();
    const starts = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        pawl.start(echo, index, {
          executionId: `batch-${index}`,
          ...(index % 2 === 0 ? { labels: { number: String(index) } } : {}),
          ...(index % 3 === 0 ? { attributes: { index }, delay: "1 hour" } : {}),
        }),
      ),
    );
    for (const [index, handle] of starts.entries()) {
      expect(await handle.status()).toMatchObject({ labels: index % 2 === 0 ? { number: String(index) } : {}, attributes: index % 3 === 0 ? { index } : {} });
    }
  });

  test("of code are changed in order, survive restarts, and are not set again on replay", async () => {
    const slow = defineWorkflow({
      name: "slow",
      run: async (ctx) => {
        await ctx.setAttributes({ phase: "reading", pages: 0 });
        await ctx.setLabels({ stage: "reading", "app/part": "é😀" });
        await ctx.sleep(300);
        await Promise.all([ctx.setAttributes({ pages: 1 }), ctx.setAttributes({ pages: 2, checked: new Date(5) })]);
        await Promise.all([ctx.setLabels({ stage: "checking" }), ctx.setAttributes({ size: 1 }), ctx.setLabels({ stage: "checked", by: "ann" })]);
        await ctx.sleep(300);
        await ctx.setAttributes({ phase: null });
        await ctx.setLabels({ "app/part": null, never: null });
        return ctx.step("done", () => "done");
      },
    });
    const { pawl } = await h.run([slow]);
    const handle = await pawl.start(slow, undefined, { labels: { stage: "new", customer: "acme" }, attributes: { pages: -1, owner: "ann" } });
    expect(await handle.result()).toBe("done");
    const { labels, attributes } = await handle.status();
    expect(attributes).toEqual({ pages: 2, owner: "ann", checked: new Date(5), size: 1 });
    expect(labels).toEqual({ stage: "checked", customer: "acme", by: "ann" });
    const history = await handle.history();
    expect(fold(history)).toMatchObject({ labels, attributes });
    expect(history.filter(({ event }) => event.type === "AttributesSet")).toHaveLength(5);
    expect(history.filter(({ event }) => event.type === "LabelsSet")).toHaveLength(4);
    const { executions } = await pawl.list({ workflow: "slow", filter: 'labels.stage == "checked" && labels.by == "ann" && !has(labels["app/part"])' });
    expect(executions.map(({ executionId }) => executionId)).toEqual([handle.executionId]);
    expect((await pawl.count({ workflow: "slow", filter: 'labels.stage in ["new", "reading", "checking"]' })).count).toBe(0);
  });

  test("belong to the child that they were given to", async () => {
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx, options: { labels?: Labels; attributes?: Attributes }) => ctx.child(echo, 1, options),
    });
    const { pawl } = await h.run([parent, echo]);
    const handle = await pawl.start(parent, { labels: { of: "child" }, attributes: { n: 1 } }, { executionId: "family", labels: { of: "parent" } });
    await handle.result();
    expect(await handle.status()).toMatchObject({ labels: { of: "parent" }, attributes: {} });
    expect(await pawl.handle("family.1").status()).toMatchObject({ labels: { of: "child" }, attributes: { n: 1 } });
  });

  test("stay as they are when a cancelled execution is resumed, those set while cleaning up too", async () => {
    const flags = { finish: false };
    const resumable = defineWorkflow({
      name: "resumable",
      run: async (ctx) => {
        await ctx.setAttributes({ phase: "working" });
        await ctx.setLabels({ stage: "working" });
        try {
          if (!flags.finish) await ctx.sleep("1 hour");
        } catch (error) {
          await ctx.shield((shielded) => shielded.setAttributes({ phase: "cleaned", cleaned: true }));
          await ctx.shield((shielded) => shielded.setLabels({ stage: "cleaned", by: "ann" }));
          throw error;
        }
        return "finished";
      },
    });
    const { pawl } = await h.run([resumable]);
    const handle = await pawl.start(resumable, undefined, { executionId: "resumable", labels: { team: "a" } });
    await eventually(async () => expect((await handle.status()).waitingFor).toBe("a timer"));
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    const cleaned = { labels: { team: "a", stage: "cleaned", by: "ann" }, attributes: { phase: "cleaned", cleaned: true } };
    expect(await handle.status()).toMatchObject(cleaned);
    // The call that slept is in the prefix, so the code must make it again.
    const resumed = await handle.resume();
    expect(await resumed.status()).toMatchObject(cleaned);
    expect(fold(await resumed.history())).toMatchObject(cleaned);
    await resumed.terminate();
  });

  test("that were all taken away while cleaning up are not back when the execution is resumed", async () => {
    const cleaning = defineWorkflow({
      name: "cleaning",
      run: async (ctx) => {
        await ctx.setAttributes({ phase: "working" });
        try {
          await ctx.sleep("1 hour");
        } finally {
          await ctx.shield((shielded) => Promise.all([shielded.setAttributes({ phase: null }), shielded.setLabels({ team: null })]));
        }
      },
    });
    const { pawl } = await h.run([cleaning]);
    const handle = await pawl.start(cleaning, undefined, { labels: { team: "a" } });
    await eventually(async () => expect((await handle.status()).waitingFor).toBe("a timer"));
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    const resumed = await handle.resume();
    expect(await resumed.status()).toMatchObject({ labels: {}, attributes: {} });
    expect(fold(await resumed.history())).toMatchObject({ labels: {}, attributes: {} });
    await resumed.terminate();
  });

  test("that code has set stay when the execution continues as new, and are nobody's but its own", async () => {
    const round = defineWorkflow({
      name: "round",
      run: async (ctx, left: number): Promise<unknown> => {
        await ctx.setLabels({ stage: `left ${left}`, [`round-${left}`]: "done", first: null });
        if (left > 0) return ctx.continueAsNew(left - 1);
        return ctx.child(echo, 1, { labels: { of: "child" } });
      },
    });
    const { pawl } = await h.run([round, echo]);
    const handle = await pawl.start(round, 2, { executionId: "rounds", labels: { first: "yes", team: "red" } });
    await handle.result();
    const labels = { team: "red", stage: "left 0", "round-2": "done", "round-1": "done", "round-0": "done" };
    expect((await handle.status()).labels).toEqual(labels);
    const runs = await handle.runs();
    const firsts = await Promise.all(runs.map(async ({ runId }) => (await handle.history({ runId }))[0]!.event));
    expect(firsts[1]).toMatchObject({ labels: { team: "red", stage: "left 2", "round-2": "done" } });
    const { executions } = await pawl.list({ filter: 'labels.stage == "left 0" || executionId.startsWith("rounds")' });
    expect(executions.map((found) => found.labels)).toEqual([{ of: "child" }, labels]);
  });

  test.each<[string, Labels | undefined, Attributes | undefined, string]>([
    ["a label that is no string", { team: 1 as unknown as string }, undefined, "start labels.team"],
    ["a label's name", { "": "x" }, undefined, "start labels."],
    ["a long label", { team: "x".repeat(257) }, undefined, "start labels.team"],
    ["a label with NUL", { team: "a\0b" }, undefined, "start labels.team"],
    ["half a surrogate pair", { team: "\ud800" }, undefined, "start labels.team"],
    ["too many labels", Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, ""])), undefined, "start labels"],
    ["labels that are a list", ["a"] as unknown as Labels, undefined, "start labels"],
    ["an attribute's name", undefined, { "a-b": 1 }, "start attributes.a-b"],
    ["an attribute that is an object", undefined, { a: {} as unknown as string }, "start attributes.a"],
    ["an attribute that is null", undefined, { a: null as unknown as string }, "start attributes.a"],
    ["a number that is none", undefined, { a: Number.NaN }, "start attributes.a"],
    ["a time that is none", undefined, { a: new Date(Number.NaN) }, "start attributes.a"],
  ])("refuse %s, and nothing is started", async (_what, labels, attributes, path) => {
    const pawl = await h.open();
    const refused = await refusalOf(
      pawl.start(echo, 1, { executionId: "refused", ...(labels === undefined ? {} : { labels }), ...(attributes === undefined ? {} : { attributes }) }),
      OptionInvalid,
    );
    expect(refused.path).toBe(path);
    expect(await h.count("pawl.executions WHERE execution_id = 'refused'")).toBe(0);
  });

  test("of code are refused where they are set", async () => {
    const wrong = defineWorkflow({ name: "wrong", run: async (ctx, changes: Attributes) => ctx.setAttributes(changes) });
    const mislabelled = defineWorkflow({ name: "mislabelled", run: async (ctx, changes: LabelChanges) => ctx.setLabels(changes) });
    const many = defineWorkflow({
      name: "many",
      run: async (ctx, what: "setLabels" | "setAttributes") => {
        try {
          for (let index = 0; index < 33; index++) await ctx[what]({ [`a${index}`]: "x" });
        } catch (error) {
          // One that it has set before may change.
          await ctx[what]({ a0: "y" });
          throw error;
        }
      },
    });
    const { pawl } = await h.run([wrong, mislabelled, many]);
    for (const changes of [{}, { "a-b": 1 }, { "a-b": null as unknown as number }]) {
      const handle = await pawl.start(wrong, changes);
      expect(await causeOf(handle.result())).toMatchObject({ code: "OPTION_INVALID" });
      expect(await h.count("pawl.history WHERE run_id = $1 AND type = 'AttributesSet'", handle.runId)).toBe(0);
    }
    const bad: readonly (readonly [object, RegExp])[] = [
      [{}, /ctx\.setLabels: names no label/],
      [[], /labels are an object of names and values/],
      [{ team: 1 }, /ctx\.setLabels\.team: a label is a string, not/],
      [{ team: undefined }, /a label is a string/],
      [{ "-a": "x" }, /ctx\.setLabels\.-a: a label's name/],
      [{ "-a": null }, /a label's name/],
      [{ team: "x".repeat(257) }, /has 257 characters/],
      [{ team: "a\0b" }, /ctx\.setLabels\.team/],
      [Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, null])), /has 33 labels; at most 32/],
    ];
    for (const [changes, message] of bad) {
      const handle = await pawl.start(mislabelled, changes as LabelChanges);
      expect(await causeOf(handle.result())).toMatchObject({ code: "OPTION_INVALID", message: expect.stringMatching(message) as string });
      expect(await h.count("pawl.history WHERE run_id = $1 AND type = 'LabelsSet'", handle.runId)).toBe(0);
    }
    for (const what of ["setLabels", "setAttributes"] as const) {
      const handle = await pawl.start(many, what);
      await refusalOf(handle.result(), ExecutionFailed);
      const found = (await handle.status())[what === "setLabels" ? "labels" : "attributes"];
      expect(Object.keys(found)).toHaveLength(32);
      expect(found).toMatchObject({ a0: "y", a1: "x" });
    }
  });

  test("of an execution that continues as new are 64 at most, however many runs add some", async () => {
    const collector = defineWorkflow({
      name: "collector",
      run: async (ctx, run: number): Promise<string> => {
        if (run < 3) {
          for (let index = 0; index < 30; index++) await ctx.setLabels({ [`r${run}-${index}`]: "x" });
          return ctx.continueAsNew(run + 1);
        }
        let refused = "";
        try {
          await ctx.setLabels({ a: "x", b: "x", c: "x", d: "x", e: "x" });
        } catch (error) {
          refused = (error as Error).message;
        }
        await ctx.setLabels({ "r1-0": null, "r1-1": null, a: "x" });
        return refused;
      },
    });
    const { pawl } = await h.run([collector]);
    const handle = await pawl.start(collector, 1, { labels: { team: "red" } });
    expect(await handle.result()).toMatch(/^ctx\.setLabels: with these, the execution has 66 labels; at most 64 are allowed\. Take others away/);
    expect(Object.keys((await handle.status()).labels)).toHaveLength(60);
  });

  test("that are set and not awaited are written with the end", async () => {
    const hasty = defineWorkflow({
      name: "hasty",
      run: async (ctx) => {
        void ctx.setAttributes({ last: "word" });
        void ctx.setLabels({ stage: "over" });
        return 1;
      },
    });
    const { pawl } = await h.run([hasty]);
    const handle = await pawl.start(hasty, undefined);
    await handle.result();
    expect(await handle.status()).toMatchObject({ labels: { stage: "over" }, attributes: { last: "word" } });
  });

  test("of a commit whose reply was lost are changed once", async () => {
    let lose = 0;
    const lossy = await h.open({}, (name, phase) => {
      if (name === "commit" && phase === "after" && lose-- > 0) throw Object.assign(new Error("lost"), { code: "ECONNRESET" });
    });
    const set = defineWorkflow({
      name: "set",
      run: async (ctx) => {
        lose = 1;
        await ctx.setAttributes({ a: 1 });
        lose = 1;
        await ctx.setAttributes({ a: null, b: 2 });
        lose = 1;
        await ctx.setLabels({ stage: "set" });
      },
    });
    await lossy.worker({ workflows: [set], ...soon });
    const handle = await lossy.start(set, undefined);
    await handle.result();
    expect(await handle.status()).toMatchObject({ labels: { stage: "set" }, attributes: { b: 2 } });
    expect((await handle.history()).map(({ event }) => event.type)).toEqual([
      "ExecutionStarted",
      "AttributesSet",
      "AttributesSet",
      "LabelsSet",
      "ExecutionCompleted",
    ]);
  });
});

describe("a filter", () => {
  const found = async (filter: string, more: object = {}): Promise<string[]> => {
    const pawl = await h.open({ namespace: "filters" });
    const { executions } = await pawl.list({ filter, ...more });
    return executions.map(({ executionId }) => executionId).toSorted();
  };

  test("finds what it says, by every field, and counts the same", async () => {
    const pawl = await h.open({ namespace: "filters" });
    await pawl.worker({ workflows: [echo, failing], ...soon });
    const started = async (id: string, options: object, workflow: typeof echo | typeof failing = echo): Promise<void> => {
      const handle = await pawl.start(workflow as typeof echo, 1, { executionId: id, ...options });
      await handle.result().catch(() => {});
    };
    await started("a", { labels: { team: "red", "x/y": "1" }, attributes: { n: 1, flag: true, text: "Alpha", when: new Date("2026-01-01T00:00:00Z") } });
    await started("b", { labels: { team: "blue" }, attributes: { n: 20, flag: false, text: "beta", when: new Date("2026-06-01T00:00:00Z") } });
    await started("c", { attributes: { n: "1", text: "a%b_c\\\"'", when: "2026-01-01T00:00:00Z" } });
    await started("d", { key: "ann", priority: 7 });
    await started("e", { labels: { team: "red" } }, failing);
    await pawl.start(echo, 1, { executionId: "f", delay: "1 hour", taskQueue: "later", priority: -5 });

    const cases: readonly (readonly [string, string])[] = [
      ['state == "failed"', "e"],
      ['status != "completed"', "e f"],
      ['state in ["failed", "pending"]', "e f"],
      ['workflow == "echo" && taskQueue == "later"', "f"],
      ['workflow.startsWith("fail") || executionId == "d"', "d e"],
      ['key == "ann"', "d"],
      ['key != "ann" && has(labels.team)', "a b e"],
      ['key in ["ann", "bob"]', "d"],
      ['has(key) && key.startsWith("a") && key > "a"', "d"],
      ["!has(key)", "a b c e f"],
      ["priority == 7", "d"],
      ["priority == 0", "a b c e"],
      ["priority != 0", "d f"],
      ["priority < 0 || 7 <= priority", "d f"],
      ["priority > -0.5 && !(priority > 1e9)", "a b c d e"],
      ["priority in [-5, 7, 8]", "d f"],
      ["has(priority)", "a b c d e f"],
      ['version == "1"', "a b c d e f"],
      ['executionId in ["a", "x\\n\\"y\\\\", "b"]', "a b"],
      ['executionId > "d"', "e f"],
      ['labels.team == "red"', "a e"],
      ['labels["x/y"] == "1"', "a"],
      ['labels.team != "red"', "b c d f"],
      ['!(labels.team == "red")', "b c d f"],
      ['labels.team > "blue"', "a e"],
      ['labels.team in ["red", "green"]', "a e"],
      ['labels.team.contains("lu")', "b"],
      ["has(labels.team)", "a b e"],
      ["!has(labels.team)", "c d f"],
      ['"team" in labels && has(attributes.n)', "a b"],
      ["attributes.n == 1", "a"],
      ['attributes.n == "1"', "c"],
      ["attributes.n != 1", "b c d e f"],
      ["attributes.n < 20", "a"],
      ["attributes.n >= 1 && attributes.n <= 20", "a b"],
      ["!(attributes.n > 1)", "a c d e f"],
      ["attributes.n in [1, 20]", "a b"],
      ["attributes.flag", "a"],
      ["!attributes.flag", "b c d e f"],
      ["attributes.flag == false", "b"],
      ['attributes.text.startsWith("a")', "c"],
      ['attributes.text.contains("%b_")', "c"],
      ['attributes.text.endsWith("\\\\\\"\'")', "c"],
      ['attributes.text == "a%b_c\\\\\\"\'"', "c"],
      ['attributes.text < "a"', "a"],
      ['attributes.when == timestamp("2026-01-01T00:00:00Z")', "a"],
      ['attributes.when > timestamp("2026-01-01")', "b"],
      ['attributes.when < timestamp("2026-07-01") - duration("31 days")', "a"],
      ["attributes.when < now()", "a b"],
      ['createdAt > now() - duration("1h")', "a b c d e f"],
      ['createdAt < now() - duration("1h")', ""],
      ["has(finishedAt) && has(startedAt)", "a b c d e"],
      ["!has(finishedAt)", "f"],
      ['finishedAt < timestamp("2000-01-01T00:00:00Z")', ""],
      ['labels.nothing == "x" || attributes.nothing == 1', ""],
    ];
    for (const [filter, expected] of cases) {
      expect((await found(filter)).join(" "), filter).toBe(expected);
      expect((await pawl.count({ filter })).count, filter).toBe(expected === "" ? 0 : expected.split(" ").length);
    }
    expect(await found('labels.team == "red"', { workflow: "failing" })).toEqual(["e"]);
    expect(await found('labels.team == "red"', { state: "completed" })).toEqual(["a"]);

    const count = async (groupBy: string, filter?: string): Promise<unknown> =>
      (await pawl.count({ groupBy, ...(filter === undefined ? {} : { filter }) })).groups.map(({ value, count: n }) => [value, n]);
    expect(await pawl.count()).toEqual({ count: 6, groups: [], complete: true });
    expect(await count("state")).toEqual([
      ["completed", 4],
      ["failed", 1],
      ["pending", 1],
    ]);
    expect(await count("key")).toEqual([
      [null, 5],
      ["ann", 1],
    ]);
    expect(await count("priority")).toEqual([
      [0, 4],
      [-5, 1],
      [7, 1],
    ]);
    expect(await count("labels.team")).toEqual([
      [null, 3],
      ["red", 2],
      ["blue", 1],
    ]);
    expect(new Set((await count("attributes.n", "has(attributes.n)")) as [])).toEqual(
      new Set([
        ["1", 1],
        [1, 1],
        [20, 1],
      ]),
    );
    expect(await count("attributes.when", 'executionId == "a"')).toEqual([[new Date("2026-01-01T00:00:00Z"), 1]]);
    await refusalOf(pawl.count({ groupBy: "nonsense" }), FilterInvalid);
    await pawl.handle("f").terminate();
  });

  test("passes values on as values: nothing in a text is ever SQL", async () => {
    const pawl = await h.open({ namespace: "injection" });
    const evil = "'; DROP TABLE pawl.history; -- $1 ? \\";
    const handle = await pawl.start(echo, 1, { executionId: "evil", labels: { team: evil }, attributes: { text: evil } });
    const quoted = JSON.stringify(evil);
    for (const filter of [
      `labels.team == ${quoted}`,
      `attributes.text in [${quoted}, "x"]`,
      `attributes.text.endsWith(${quoted})`,
      `labels[${JSON.stringify("a'b\"c")}] != "x"`,
    ]) {
      expect(
        (await pawl.list({ filter })).executions.map(({ executionId }) => executionId),
        filter,
      ).toEqual(["evil"]);
    }
    await handle.terminate();
  });

  test("pages through what it finds without gap or repetition while more is started", async () => {
    const pawl = await h.open({ namespace: "paging" });
    const add = (from: number, to: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: to - from }, (_, index) => pawl.start(echo, 1, { executionId: `p${from + index}`, labels: { odd: String((from + index) % 2) } })),
      );
    await add(0, 100);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await pawl.list({ filter: 'labels.odd == "1"', limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.executions.map(({ executionId }) => executionId));
      cursor = page.nextCursor;
      await add(100 + seen.length, 102 + seen.length);
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => Number(id.slice(1)) < 100)).toHaveLength(50);
    await refusalOf(pawl.list({ cursor: "x" }), OptionInvalid);
  });

  test("is refused with the place of the mistake before the database is asked", async () => {
    const pawl = await h.open();
    const refused = await refusalOf(pawl.list({ filter: 'state == "failed" && sate == "x"' }), FilterInvalid);
    expect(refused).toMatchObject({ code: "FILTER_INVALID", position: 22 });
    expect(refused.message).toContain('position 22: there is no field "sate"');
    await refusalOf(pawl.count({ filter: "1" }), FilterInvalid);
  });

  test("reads now() from the database's clock", async () => {
    const pawl = await h.open({ namespace: "clock" });
    const handle = await pawl.start(echo, 1);
    const recent = 'createdAt > now() - duration("1h")';
    expect((await pawl.count({ filter: recent })).count).toBe(1);
    await query(h.url, "UPDATE pawl.executions SET created_at = created_at - interval '2 hours' WHERE run_id = $1", [handle.runId]);
    expect((await pawl.count({ filter: recent })).count).toBe(0);
    await query(h.url, "UPDATE pawl.executions SET created_at = created_at + interval '2 hours' WHERE run_id = $1", [handle.runId]);
    await handle.terminate();
  });
});

test("labels and attributes of a running step's execution are found while it runs", async () => {
  const begun = gate();
  const held = gate();
  const holding = defineWorkflow({
    name: "holding",
    run: async (ctx) => {
      await ctx.setAttributes({ phase: "holding" });
      await ctx.setLabels({ holding: "yes" });
      await ctx.step("hold", async () => {
        begun.open();
        await held.opened;
      });
      await ctx.setAttributes({ phase: "done" });
      await ctx.setLabels({ holding: null });
    },
  });
  const { pawl } = await h.run([holding]);
  const handle = await pawl.start(holding, undefined);
  await begun.opened;
  expect((await pawl.count({ filter: 'attributes.phase == "holding" && labels.holding == "yes"' })).count).toBe(1);
  held.open();
  await handle.result();
  expect((await pawl.count({ filter: 'attributes.phase == "holding" || has(labels.holding)' })).count).toBe(0);
  // Its last label is gone: it is as one that never had any.
  expect(await h.count("pawl.executions WHERE run_id = $1 AND labels IS NULL", handle.runId)).toBe(1);
});
