import { mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { discoverFiles, folderPath, FolderNotFound } from "./discover.ts";
import { MAX_FILE_BYTES } from "./load.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "discover-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(path: string, content = "x"): Promise<void> {
  await mkdir(join(folder, path, ".."), { recursive: true });
  await writeFile(join(folder, path), content);
}

const firstHash = async (): Promise<string | undefined> => (await discoverFiles(folder)).files[0]?.hash;
const paths = async (): Promise<string[]> => (await discoverFiles(folder)).files.map(({ path }) => path);

describe("discovering files", () => {
  test("finds every supported file in order, with size and SHA-256", async () => {
    await put("b/c.HTML");
    await put("b.txt", "hello");
    await put("a.md");
    await put("image.png");
    expect(await paths()).toEqual(["a.md", "b.txt", "b/c.HTML"]);
    expect((await discoverFiles(folder)).files[1]).toEqual({
      path: "b.txt",
      bytes: 5,
      hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    });
  });

  test("passes over dotfiles, dotfolders and node_modules", async () => {
    for (const path of [".hidden.md", ".git/a.md", "node_modules/p/readme.md", "kept.md"]) await put(path);
    expect(await paths()).toEqual(["kept.md"]);
  });

  test("ends in spite of symlink loops and takes a file with two names once, by its own", async () => {
    await put("real/doc.md");
    await symlink("..", join(folder, "real", "up"));
    await symlink("real", join(folder, "a-link"));
    await symlink("real/doc.md", join(folder, "alias.md"));
    await symlink("loop.md", join(folder, "loop.md"));
    const { files, unreadable } = await discoverFiles(folder);
    expect(files.map(({ path }) => path)).toEqual(["real/doc.md"]);
    expect(unreadable.map(({ path }) => path)).toEqual(["loop.md"]);
  });

  test("follows a link out of the folder", async () => {
    const outside = await mkdtemp(join(tmpdir(), "outside-"));
    await writeFile(join(outside, "far.md"), "x");
    await symlink(outside, join(folder, "link"));
    expect(await paths()).toEqual(["link/far.md"]);
    await rm(outside, { recursive: true });
  });

  test("reports a broken link without failing", async () => {
    await put("good.md");
    await symlink("nowhere.md", join(folder, "bad.md"));
    const { files, unreadable } = await discoverFiles(folder);
    expect(files).toHaveLength(1);
    expect(unreadable).toEqual([{ path: "bad.md", reason: expect.stringContaining("ENOENT") }]);
  });

  test("does not read a file that is too big to be ingested", async () => {
    await put("huge.txt");
    await truncate(join(folder, "huge.txt"), MAX_FILE_BYTES + 1);
    expect((await discoverFiles(folder)).files).toEqual([{ path: "huge.txt", bytes: MAX_FILE_BYTES + 1, hash: "" }]);
  });

  test("gives the same hash for the same content and another one after a change", async () => {
    await put("a.md", "one");
    const first = await firstHash();
    await put("a.md", "one");
    expect(await firstHash()).toBe(first);
    await put("a.md", "two");
    expect(await firstHash()).not.toBe(first);
  });

  test("says so when the folder is missing or is a file", async () => {
    await put("file.md");
    await expect(discoverFiles(join(folder, "missing"))).rejects.toThrow(FolderNotFound);
    await expect(discoverFiles(join(folder, "file.md"))).rejects.toThrow(FolderNotFound);
  });

  test("knows a folder by one path however it is named", async () => {
    await mkdir(join(folder, "docs"));
    await symlink("docs", join(folder, "link"));
    expect(await folderPath(join(folder, "link", "..", "link"))).toBe(join(await realpath(folder), "docs"));
  });
});
