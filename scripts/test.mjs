/** `npm test -- [vitest arguments]`: all tests. The last lines name the failed ones and say what the runner counted: `N passed, N failed`. */
import "./require-node.mjs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
const directory = await mkdtemp(join(tmpdir(), "pawl-report-"));
const report = join(directory, "report.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const code = await run(["node_modules/vitest/vitest.mjs", "run", ...reporters, ...process.argv.slice(2)]);
const { passed, skipped, failures, ...counts } = await readCounts();
await rm(directory, { recursive: true, force: true });

// An error outside of the tests, such as a rejected promise that nobody awaits, fails the run but no test.
const failed = code !== 0 && counts.failed === 0 && passed > 0 ? 1 : counts.failed;
if (passed + failed === 0) console.error("No test ran.");
else if (failed > counts.failed) console.error("Errors outside of the tests count as one failure; see above.");
for (const failure of failures) console.log(`failed: ${failure}`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);

/** What the runner's report says; nothing where it wrote none. */
async function readCounts() {
  let text;
  try {
    text = await readFile(report, "utf8");
  } catch {
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(text);
  // A file that could not be loaded, or whose hooks failed, fails without a failed test in it.
  const brokenFiles = testResults.filter((file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"));
  const failedTests = testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === "failed")
      .map((test) => `${relative(".", file.name)}: ${test.fullName}: ${firstLineOf(test.failureMessages[0])}`),
  );
  return {
    passed: numPassedTests,
    failed: numFailedTests + brokenFiles.length,
    skipped: numPendingTests + numTodoTests,
    failures: [...failedTests, ...brokenFiles.map((file) => `${relative(".", file.name)}: ${firstLineOf(file.message)}`)],
  };
}

function firstLineOf(message = "") {
  return message.split("\n", 1)[0].slice(0, 300);
}
