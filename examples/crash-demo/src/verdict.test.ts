import { expect, test } from "vitest";
import type { LedgerEntry } from "./ledger.ts";
import { formatRows, judge, type Observation } from "./verdict.ts";

const ran = (pid: number, step: string, attempt = 1): LedgerEntry => ({ pid, step, attempt });

const good: Observation = {
  killedPid: 1,
  recordedAtKill: ["a"],
  recordedAtEnd: ["a", "b", "c", "d"],
  ledger: [ran(1, "a"), ran(1, "b"), ran(2, "b"), ran(2, "c"), ran(2, "c", 2), ran(2, "d")],
  attempts: { c: 2 },
  result: { total: 1 },
  expected: { total: 1 },
};

test("an execution that kept its promises has no problems, and every step is explained", () => {
  const { rows, problems } = judge(good);
  expect(problems).toEqual([]);
  expect(rows).toEqual([
    { step: "a", before: 1, after: 0, note: "recorded before the kill, not run again" },
    { step: "b", before: 1, after: 1, note: "interrupted by the kill, run again" },
    { step: "c", before: 0, after: 2, note: "2 attempts: its code fails 1 times" },
    { step: "d", before: 0, after: 1, note: "" },
  ]);
  expect(formatRows(rows)).toContain("  a          1       0   recorded before the kill, not run again");
});

test.each<[string, Partial<Observation>, string]>([
  ["a recorded step that ran again", { ledger: [...good.ledger, ran(2, "a")] }, "a was recorded before the kill and ran again"],
  ["a step recorded twice", { recordedAtEnd: [...good.recordedAtEnd, "d"] }, "d is recorded 2 times"],
  ["a step that ran and was lost", { recordedAtEnd: ["a", "b", "c"] }, "d is recorded 0 times"],
  ["a record out of nowhere", { recordedAtEnd: [...good.recordedAtEnd, "e"] }, "e is recorded and never ran"],
  ["an attempt too many", { ledger: [...good.ledger, ran(2, "d")] }, "d ran 2 times, not 1"],
  ["a wrong result", { result: { total: 2 } }, 'the result is {"total":2}, not {"total":1}'],
  [
    "a kill that came too early to show anything",
    { recordedAtKill: [], ledger: good.ledger.filter(({ step }) => step !== "a").concat(ran(1, "a"), ran(2, "a")) },
    "nothing was recorded before the kill",
  ],
])("%s is a problem", (_what, change, problem) => {
  expect(judge({ ...good, ...change }).problems).toContain(problem);
});
