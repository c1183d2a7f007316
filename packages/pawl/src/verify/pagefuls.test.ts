import { expect, test } from "vitest";
import { pagefuls } from "./pagefuls.ts";

test("a page takes as many as fit, and one that fits into none", () => {
  const cut = (...sizes: readonly number[]) => pagefuls(sizes, (size) => size, 10);
  expect(cut()).toEqual([]);
  expect(cut(4, 6, 1)).toEqual([[4, 6], [1]]);
  expect(cut(3, 40, 2, 3)).toEqual([[3], [40], [2, 3]]);
});
