/** `npm test -- [vitest arguments]`: all tests. The last line says what the runner counted: `N passed, N failed`. */
import "./require-node.mjs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
const directory = await mkdtemp(join(tmpdir(), "pawl-report-"));
const report = join(directory, "report.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const code = await run(["node_modules/vitest/vitest.mjs", "run", ...reporters, ...process.argv.slice(2)]);
const { passed, skipped, ...counts } = await readCounts();
await rm(directory, { recursive: true, force: true });

// An error outside of the tests, such as a rejected promise that nobody awaits, fails the run but no test.
const failed = code !== 0 && counts.failed === 0 && passed > 0 ? 1 : counts.failed;
if (passed + failed === 0) console.error("No test ran.");
else if (failed > counts.failed) console.error("Errors outside of the tests count as one failure; see above.");
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);

/** What the runner's report says; nothing where it wrote none. */
async function readCounts() {
  let text;
  try {
    text = await readFile(report, "utf8");
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(text);
  // A file that could not be loaded, or whose hooks failed, fails without a failed test in it.
  const brokenFiles = testResults.filter((file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"));
  return { passed: numPassedTests, failed: numFailedTests + brokenFiles.length, skipped: numPendingTests + numTodoTests };
}
