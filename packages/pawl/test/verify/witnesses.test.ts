/** Operation logs and effect ledgers against a database: what was answered and what was done, and what is there. */
import { describe, expect, test } from "vitest";
import { sharedWorkload } from "./planting.ts";
import { operationOf, violations, type Workload } from "./workload.ts";

const workload = sharedWorkload();

describe("with an operation log", () => {
  const client = (n: number) => ({ process: "other", n });
  const readings = (...states: readonly (readonly [state: string, value: string, at: number])[]) =>
    states.flatMap(([state, valueHash, at], index) => operationOf({ ...client(index), operation: "result", executionId: "simple-1", state, valueHash }, at));

  test.each([
    ["I1", /simple-1: .* saw two different outcomes, both completed/, readings(["completed", "a", 1000], ["completed", "b", 2000])],
    [
      "I1",
      /saw it completed, result other\/1 later running/,
      readings(["completed", "a", 1000], ["running", "", 2000]).map(({ valueHash: _hash, ...record }) => record),
    ],
    ["I1", /saw it failed, now it is completed/, readings(["failed", "a", 1000])],
    [
      "I9",
      /lost-1: start other\/1 was acknowledged, there is no such execution/,
      operationOf({ ...client(1), operation: "start", executionId: "lost-1", workflow: "simple" }, 1000),
    ],
    [
      "I9",
      /status other\/1 was acknowledged, there is no such execution/,
      operationOf({ ...client(1), operation: "status", executionId: "lost-2", state: "running" }, 1000),
    ],
    [
      "I9",
      /asleep: cancel other\/1 was acknowledged, it is running and has no cancel request/,
      operationOf({ ...client(1), operation: "cancel", executionId: "asleep" }, 1000),
    ],
    [
      "I9",
      /simple-1: terminate other\/1 was acknowledged, it is completed/,
      operationOf({ ...client(1), operation: "terminate", executionId: "simple-1" }, 1000),
    ],
    [
      "I9",
      /asked: signal other\/1 was acknowledged, it is running and has no signal s2/,
      operationOf({ ...client(1), operation: "signal", executionId: "asked", messageId: "s2" }, 1000),
    ],
    [
      "I9",
      /simple-1: update other\/1 was acknowledged, it is completed and has no update u2/,
      operationOf({ ...client(1), operation: "update", executionId: "simple-1", messageId: "u2" }, 1000),
    ],
    [
      "I9",
      /simple-1: resume other\/1 was acknowledged, there is no run made-up of it/,
      operationOf({ ...client(1), operation: "resume", executionId: "simple-1", runId: "made-up" }, 1000),
    ],
    [
      "I8",
      /two starts of simple with the key k were answered with this and with simple-1/,
      ["simple-1", "simple-2"].flatMap((executionId, n) =>
        operationOf({ ...client(n), operation: "start", executionId, workflow: "simple", idempotencyKey: "k" }, 1000 + n),
      ),
    ],
  ])("%s is found violated: %s", async (invariant, evidence, records) => {
    const found = violations(await workload.current.doctored([], { operations: [...workload.current.operations, ...records] }));
    expect(Object.keys(found), JSON.stringify(found)).toEqual([invariant]);
    expect(found[invariant]).toEqual([expect.stringMatching(evidence)]);
  });

  test.each([
    ["start", "simple-1", /simple-1: nobody started it/],
    ["cancel", "cancelled", /cancelled: nobody cancelled it/],
    ["terminate", "terminated", /terminated: nobody terminated it/],
    ["resume", "resumed", /resumed: it has 2 runs, after 0 resumes/],
    ["signal", "asked", /asked: nobody sent signal:s1/],
    ["update", "asked", /asked: nobody sent update:u1/],
  ])("I10 is found violated by a %s that nobody asked for", async (operation, executionId, evidence) => {
    const operations = workload.current.operations.filter((record) => record.operation !== operation || record.executionId !== executionId);
    const found = violations(await workload.current.doctored([], { operations }));
    expect(Object.keys(found), JSON.stringify(found)).toEqual(["I10"]);
    expect(found["I10"]).toEqual([expect.stringMatching(evidence)]);
  });

  test("what is unknown may have happened or not", async () => {
    const unknown = [
      ...operationOf({ ...client(1), operation: "start", executionId: "never-seen", workflow: "simple" }, 1000, "unknown"),
      ...operationOf({ ...client(2), operation: "terminate", executionId: "asleep" }, 1000, "unknown"),
    ];
    const operations = workload.current.operations.map((record) =>
      record.phase === "ok" && record.executionId === "simple-1" ? { ...record, phase: "unknown" as const } : record,
    );
    expect(violations(await workload.current.doctored([], { operations: [...operations, ...unknown] }))).toEqual({});
    const without = operations.map(({ executionId, ...record }) => (executionId === "simple-1" ? record : { executionId: executionId!, ...record }));
    expect(violations(await workload.current.doctored([], { operations: without }))).toEqual({});
  });

  test("a part of the database is not compared with the log", async () => {
    const report = await workload.current.doctored([], { operations: workload.current.operations, limit: 3 });
    expect(report.invariants.find(({ invariant }) => invariant === "I9")).toMatchObject({
      verdict: "not checked",
      why: expect.stringContaining("limit") as string,
    });
    expect(report.scope).toMatchObject({ executions: 3, complete: false });
  });
});

describe("with an effect ledger", () => {
  test("I7 is found violated by a result without a call, of another attempt, or under another key", async () => {
    const verify = async (change: (record: Workload["effects"][number]) => readonly Workload["effects"][number][]) =>
      violations(await workload.current.doctored([], { effects: workload.current.effects.flatMap(change) }));
    const is = (record: Workload["effects"][number]): boolean => record.key === "simple-1/only/1";
    expect(await verify((record) => (is(record) ? [] : [record]))).toEqual({
      I7: [expect.stringMatching(/simple-1: event 2: .* the ledger has no call with the key simple-1\/only\/1/)],
    });
    expect(await verify((record) => [is(record) ? { ...record, attempt: 2 } : record])).toEqual({
      I7: [expect.stringMatching(/the ledger has only attempts 2/)],
    });
    expect(await verify((record) => (is(record) ? [record, { ...record, key: "simple-1/only/2" }] : [record]))).toEqual({
      I7: [expect.stringMatching(/attempt 1 of call 1 was told the key simple-1\/only\/2/)],
    });
  });

  test("calls that overlap are remarked, not blamed", async () => {
    const again = workload.current.effects.flatMap((record) =>
      record.key === "simple-1/only/1" ? [record, { ...record, pid: 2, at: record.at + 2 }] : [record],
    );
    const report = await workload.current.doctored([], { effects: again });
    expect(violations(report)).toEqual({});
    const remarks = report.invariants.find(({ invariant }) => invariant === "I7")!.remarks;
    expect(remarks).toContain("1 calls began while another one of the same step went on, for up to 3 ms together");
  });
});
