import { expect, test } from "vitest";
import { guardedLogger, guardedTelemetry } from "./guarded.ts";
import { loggerOf, type Logger } from "./logger.ts";
import type { Telemetry } from "./telemetry.ts";

const broken = (): never => {
  throw new Error("the disk is full");
};
const execution = { namespace: "n", executionId: "e", traceparent: undefined, runId: "r", workflow: "w", version: "1" };

test("what a logger throws is dropped, also that of the loggers it makes", () => {
  const lines: string[] = [];
  const half: Logger = { info: (line) => void lines.push(line), warn: broken, error: broken, child: () => ({ info: broken, warn: broken, error: broken }) };
  const logger = guardedLogger(half);
  logger.info("hello");
  logger.warn("lost");
  loggerOf(logger, { runId: "r" }).error("lost too");
  expect(lines).toEqual(["hello"]);
  const childless = guardedLogger({ ...half, child: broken });
  loggerOf(childless, { runId: "r" }).info("without fields");
  expect(lines).toEqual(["hello", "without fields"]);
});

test("a logger keeps its own this, and its fields", () => {
  class Plain {
    readonly lines: string[] = [];
    info(line: string): void {
      this.lines.push(line);
    }
    warn = this.info.bind(this);
    error = this.info.bind(this);
  }
  const plain = new Plain();
  loggerOf(guardedLogger(plain), { runId: "r" }).info("hello");
  expect(plain.lines).toEqual(["hello (runId=r)"]);
});

test("what telemetry throws is dropped and logged once, and steps run all the same, once", () => {
  const warnings: string[] = [];
  const logger: Logger = { info: () => {}, warn: (line) => void warnings.push(line), error: () => {} };
  const nothing: Telemetry = { started: broken, attempt: broken, sending: broken, received: broken, ended: broken, measured: broken, observe: broken };
  const telemetry = guardedTelemetry(nothing, logger);
  expect(telemetry.started(execution)).toBeUndefined();
  expect(telemetry.sending()).toBeUndefined();
  telemetry.measured("commit.duration", 1);
  telemetry.ended(execution, { state: "completed", startedAt: 0, endedAt: 1 });
  telemetry.received(execution, { name: "go", sender: "", at: 0 });
  telemetry.observe({ executions: broken, backlog: broken, stranded: broken })();
  expect(telemetry.attempt({ ...execution, step: "s", attempt: 1 }).run(() => 1)).toBe(1);
  expect(warnings).toEqual(["telemetry failed, and is asked again: the disk is full. Further failures are not logged."]);

  let ran = 0;
  const spanless = guardedTelemetry({ ...nothing, attempt: () => ({ run: broken, end: broken }) }, logger).attempt({ ...execution, step: "s", attempt: 1 });
  expect(spanless.run(() => ++ran)).toBe(1);
  spanless.end(undefined);
  const late = guardedTelemetry({ ...nothing, attempt: () => ({ run: (fn) => fn(), end: broken }) }, logger).attempt({ ...execution, step: "s", attempt: 1 });
  expect(() =>
    late.run(() => {
      ran++;
      throw new Error("the step's own");
    }),
  ).toThrow("the step's own");
  expect(ran).toBe(2);
  const fragile = (fn: () => unknown): never => {
    fn();
    return broken();
  };
  const torn = guardedTelemetry({ ...nothing, attempt: () => ({ run: fragile, end: broken }) }, logger).attempt({ ...execution, step: "s", attempt: 1 });
  expect(torn.run(() => ++ran)).toBe(3);
  expect(ran).toBe(3);
});
