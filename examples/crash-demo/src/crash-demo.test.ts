import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** As a user runs it, on an embedded PostgreSQL in a temporary directory. */
test("npm start kills the process half way and shows that nothing recorded ran twice", async () => {
  const environment = { ...process.env };
  delete environment["DATABASE_URL"];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { stdout } = await promisify(execFile)(npm, ["run", "-w", "@pawl/example-crash-demo", "start"], {
    cwd: root,
    env: environment,
    timeout: 170_000,
    shell: process.platform === "win32",
  });
  expect(stdout).toMatch(/kill -9 \d+/);
  expect(stdout).toMatch(/check-stock +1 +0 +recorded before the kill, not run again/);
  expect(stdout).toMatch(/shipping +1 +[01] /);
  expect(stdout).toMatch(/charge-card +0 +3 +3 attempts/);
  expect(stdout).toContain("Result: Paid 79 for a parcel of 3.");
  expect(stdout).toContain("No recorded step ran twice, and the result is right.");
});
