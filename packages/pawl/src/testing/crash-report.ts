import { inspect } from "node:util";
import type { CrashOutcome } from "./crash-run.ts";

/** A step whose function a crash made run again. */
export interface RepeatedStep {
  readonly step: string;
  readonly idempotencyKey: string;
  /** How often its function was called. */
  readonly calls: number;
}

/** One crash point at which a crash changes what the workflow does. */
export interface CrashDifference {
  /** In words, such as `after the function of step "charge", before its result is recorded`. */
  readonly crashPoint: string;
  /** Whether the execution ended otherwise, or the steps left something else behind. */
  readonly what: "outcome" | "effects";
  /** Without a crash. */
  readonly expected: unknown;
  readonly actual: unknown;
  /** Steps that this crash made run again. */
  readonly repeatedSteps: readonly RepeatedStep[];
}

export interface CrashReportParts {
  readonly workflow: string;
  readonly crashPoints: readonly string[];
  readonly unreached: readonly string[];
  readonly differences: readonly CrashDifference[];
  readonly repeatedSteps: readonly RepeatedStep[];
  readonly outcome: CrashOutcome;
  readonly effects: unknown;
}

/** What `exploreCrashes` found. `toString()` is for people. */
export class CrashReport {
  readonly workflow: string;
  /** Every point at which a worker was made to crash, in the order in which a run comes by them. */
  readonly crashPoints: readonly string[];
  /** Points that a run did not come by again, because what the steps do is not the same in every run. */
  readonly unreached: readonly string[];
  readonly differences: readonly CrashDifference[];
  /** All steps that some crash made run again: what they do must be safe to repeat. */
  readonly repeatedSteps: readonly RepeatedStep[];
  /** How the execution ends without a crash; with `waitingFor` where it does not, so that nothing after that was explored. */
  readonly outcome: CrashOutcome;
  /** What the steps leave behind without a crash. */
  readonly effects: unknown;

  constructor(parts: CrashReportParts) {
    this.workflow = parts.workflow;
    this.crashPoints = parts.crashPoints;
    this.unreached = parts.unreached;
    this.differences = parts.differences;
    this.repeatedSteps = parts.repeatedSteps;
    this.outcome = parts.outcome;
    this.effects = parts.effects;
  }

  /** Whether no crash changes anything. */
  get safe(): boolean {
    return this.differences.length === 0;
  }

  toString(): string {
    const where = new Set(this.differences.map(({ crashPoint }) => crashPoint)).size;
    const head = this.safe
      ? `"${this.workflow}" is safe: a crash at any of its ${this.crashPoints.length} crash points changes nothing.`
      : `"${this.workflow}" is not safe: at ${where} of its ${this.crashPoints.length} crash points, a crash changes what it does.`;
    const differences = this.differences.map((difference, index) => describeDifference(difference, index + 1));
    const unreached =
      this.unreached.length === 0 ? [] : [`These points were not come by again, since steps do not do the same in every run:\n${lines(this.unreached, "  ")}`];
    const advice = this.differences.some(({ what }) => what === "effects")
      ? ["A step that dies before its result is recorded runs again. Make what it does safe to repeat: step.idempotencyKey is the same for every attempt."]
      : [];
    return [head, ...unended(this.outcome), ...differences, ...unreached, ...advice].join("\n\n");
  }

  /** As `toString()`, where it is logged. */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** No crash can change how it ends where it does not end: that alone says nothing of the code. */
function unended(outcome: CrashOutcome): string[] {
  const waits = "waitingFor" in outcome;
  if (!waits && outcome.state !== "quarantined") return [];
  const why =
    waits && outcome.state === "running"
      ? `it waits for ${outcome.waitingFor ?? "something"}, and nobody gives it that`
      : `it stays ${outcome.state}${"error" in outcome ? ` (${outcome.error})` : ""}`;
  return [`It did not end, even without a crash: ${why}. Nothing behind that was explored. What it needs, give it in workflows, steps, mocks or interact.`];
}

function describeDifference({ crashPoint, what, expected, actual, repeatedSteps }: CrashDifference, number: number): string {
  return [
    `${number}. A crash ${crashPoint}`,
    ...repeatedSteps.map(({ step, idempotencyKey, calls }) => `   made step "${step}" (${idempotencyKey}) run ${calls} times`),
    `   ${what} without a crash:  ${show(expected)}`,
    `   ${what} with it:          ${show(actual)}`,
  ].join("\n");
}

function show(value: unknown): string {
  return lines(inspect(value, { depth: 6, breakLength: 100, sorted: true }).split("\n"), "     ").trimStart();
}

function lines(texts: readonly string[], indent: string): string {
  return texts.map((text) => `${indent}${text}`).join("\n");
}
