import { describe, expect, test } from "vitest";
import type { ClaimRuleNames } from "../store/claim-rules.ts";
import { ClaimRules } from "./claim-rules.ts";

const none: ClaimRuleNames = { pausedQueues: [], pausedWorkflows: [], limitedQueues: [] };

/** Rules whose answers come when the test says so. */
function held() {
  const answers: ((names: ClaimRuleNames | Error) => void)[] = [];
  const rules = new ClaimRules(
    {
      readClaimRules: () => new Promise((resolve, reject) => answers.push((names) => (names instanceof Error ? reject(names) : resolve(names)))),
    },
    "n",
    ["a", "b"],
    ["w@1"],
  );
  return { rules, answers };
}

describe("claim rules", () => {
  test("are read once more when something changes while they are being read", async () => {
    const { rules, answers } = held();
    const first = rules.refresh();
    const hinted = rules.refresh();
    expect(rules.refresh()).toBe(hinted);
    answers[0]!({ ...none, pausedQueues: ["a"] });
    expect(await first).toBe(true);
    expect(rules.openQueues).toEqual(["b"]);
    await expect.poll(() => answers.length).toBe(2);
    answers[1]!(none);
    expect(await hinted).toBe(true);
    expect(rules.openQueues).toEqual(["a", "b"]);
    expect(answers).toHaveLength(2);
    const later = rules.refresh();
    expect(answers).toHaveLength(3);
    answers[2]!(none);
    expect(await later).toBe(false);
  });

  test("are read once more also when the answer under way fails", async () => {
    const { rules, answers } = held();
    const first = rules.refresh();
    const hinted = rules.refresh();
    answers[0]!(new Error("no"));
    await expect(first).rejects.toThrow("no");
    expect(rules.areKnown).toBe(false);
    await expect.poll(() => answers.length).toBe(2);
    answers[1]!(none);
    await hinted;
    expect(rules.areKnown).toBe(true);
  });
});
