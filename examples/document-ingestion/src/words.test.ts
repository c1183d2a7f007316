import { describe, expect, test } from "vitest";
import { stem, words } from "./words.ts";

describe("words", () => {
  test("are lower case, without stop words and punctuation", () => {
    expect(words("How do I retry the Step, exactly?")).toEqual(["retry", "step", "exactly"]);
  });

  test("take names of code apart", () => {
    expect(words("retryPolicy max_attempts ctx.step()")).toEqual(["retry", "policy", "max", "attempts", "ctx", "step"]);
  });

  test("keep the letters of other scripts", () => {
    expect(words("Über Größe, 日本 и слово")).toEqual(["über", "größe", "日本", "и", "слово"]);
  });
});

describe("stems", () => {
  test.each([
    ["retry", "retries", "retried", "retrying"],
    ["crash", "crashes", "crashed", "crashing"],
    ["step", "steps", "stepped", "stepping"],
    ["store", "stores", "stored", "storing"],
    ["worker", "workers"],
    ["queue", "queues", "queued", "queueing"],
    ["run", "runs", "running"],
    ["process", "processes", "processed", "processing"],
    ["quick", "quickly"],
  ])("%s is one word in all its forms", (base, ...forms) => {
    for (const form of forms) expect(`${form}: ${stem(form)}`).toBe(`${form}: ${stem(base)}`);
  });

  test.each([
    ["string", "str"],
    ["thing", "th"],
    ["need", "n"],
    ["speed", "sp"],
    ["class", "clas"],
    ["status", "statu"],
    ["bus", "bu"],
    ["id", ""],
  ])("%s does not become %s", (word, wrong) => {
    expect(stem(word)).not.toBe(wrong);
  });
});
