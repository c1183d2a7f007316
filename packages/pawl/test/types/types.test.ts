import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("what users infer compiles, and what must not compile does not", async () => {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const project = fileURLToPath(new URL("./", import.meta.url));
  const output = await promisify(execFile)(process.execPath, [compiler, "-p", project]).then(
    () => "",
    (error: { readonly stdout: string }) => error.stdout,
  );
  expect(output).toBe("");
});
