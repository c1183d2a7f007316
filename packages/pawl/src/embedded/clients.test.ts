import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Clients } from "./clients.ts";
import { currentProcess } from "./process-identity.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pawl-test-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("two holds of one process see each other until one leaves", () => {
  const one = new Clients(directory);
  const two = new Clients(directory);
  one.register();
  expect(one.hasOthers()).toBe(false);
  two.register();
  expect(one.hasOthers()).toBe(true);
  two.unregister();
  two.unregister();
  expect(one.hasOthers()).toBe(false);
});

test("entries of dead processes, and files that are no entries, do not count and are removed", async () => {
  const [, , boot, space] = currentProcess().split("-");
  await writeFile(join(directory, `${process.pid}-1-${boot}-${space}.aaaa`), "");
  await writeFile(join(directory, "notes.txt"), "");
  expect(new Clients(directory).hasOthers()).toBe(false);
  expect(await readdir(directory)).toEqual([]);
});

test("an entry of another container counts until a server is started anew", async () => {
  const [, , boot] = currentProcess().split("-");
  await writeFile(join(directory, `1-1-${boot}-987654321.aaaa`), "");
  const clients = new Clients(directory);
  expect(clients.hasOthers()).toBe(true);
  clients.forgetUnknown();
  expect(clients.hasOthers()).toBe(false);
});

test("leaving is no error when the directory is gone", async () => {
  const clients = new Clients(join(directory, "gone"));
  clients.unregister();
  expect(clients.hasOthers()).toBe(false);
});
