import { PawlError } from "../base/errors.ts";
import type { CrashReport } from "./crash-report.ts";

/** `assertCrashSafe` found a crash that changes what a workflow does. The message is the whole report. */
export class CrashUnsafe extends PawlError {
  readonly code = "CRASH_UNSAFE";
  readonly report: CrashReport;
  constructor(report: CrashReport) {
    super(report.toString());
    this.report = report;
  }
}

/** Two runs without any crash differ already, so that nothing can be said about crashes. */
export class ExplorationUnstable extends PawlError {
  readonly code = "EXPLORATION_UNSTABLE";
  readonly expected: unknown;
  readonly actual: unknown;
  constructor(workflow: string, what: string, expected: unknown, actual: unknown, nextStep: string) {
    super(`Two runs of "${workflow}" without any crash already differ in ${what}, so crashes cannot be judged. ${nextStep}`);
    this.expected = expected;
    this.actual = actual;
  }
}
