import { beforeEach, describe, expect, test } from "vitest";
import { ProgressBar } from "./progress.ts";

let written: string[];
const output = (options: { isTTY?: boolean; columns?: number } = {}) => ({ ...options, write: (text: string) => written.push(text) });

beforeEach(() => {
  written = [];
});

describe("the progress bar", () => {
  test("redraws one line on a terminal, and only when something changed", () => {
    const bar = new ProgressBar("docs", output({ isTTY: true, columns: 100 }));
    bar.update({ done: 1, total: 4, failed: 0 });
    bar.update({ done: 1, total: 4, failed: 0 });
    bar.update({ done: 4, total: 4, failed: 1 });
    bar.stop();
    expect(written).toEqual([
      `\r\u001b[2Kdocs ${"█".repeat(8)}${"░".repeat(22)} 25 % (1 of 4 files)`,
      `\r\u001b[2Kdocs ${"█".repeat(30)} 100 % (4 of 4 files, 1 failed)`,
      "\n",
    ]);
  });

  test("never wraps on a narrow terminal", () => {
    new ProgressBar("docs", output({ isTTY: true, columns: 20 })).update({ done: 1, total: 2, failed: 0 });
    expect(written[0]?.replace("\r\u001b[2K", "")).toHaveLength(19);
  });

  test("writes a plain line for each tenth elsewhere", () => {
    const bar = new ProgressBar("docs", output());
    for (let done = 0; done <= 100; done++) bar.update({ done, total: 100, failed: 0 });
    bar.stop();
    expect(written).toHaveLength(11);
    expect(written[0]).toBe("docs 0 % (0 of 100 files)\n");
    expect(written.at(-1)).toBe("docs 100 % (100 of 100 files)\n");
  });

  test("is full when there is nothing to do", () => {
    new ProgressBar("docs", output()).update({ done: 0, total: 0, failed: 0 });
    expect(written).toEqual(["docs 100 % (0 of 0 files)\n"]);
  });
});
