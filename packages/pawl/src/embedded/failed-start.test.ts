import { expect, test } from "vitest";
import { mayPass } from "./failed-start.ts";

const refused = 'FATAL:  invalid value for parameter "shared_buffers": "plenty"';

test.each([
  ["was killed", { logTail: "LOG:  starting PostgreSQL 18.4", exit: "SIGKILL" }],
  ["was told to stop", { logTail: "LOG:  database system is shut down", exit: 0 }],
  ["was told to stop while it recovered", { logTail: "LOG:  received fast shutdown request\nLOG:  abnormal database system shutdown", exit: 1 }],
  ["lost one of its processes to a kill", { logTail: "LOG:  startup process (PID 7) was terminated by signal 9: Killed", exit: 1 }],
  ["lost one of its processes to a quit", { logTail: "LOG:  startup process (PID 7) exited with exit code 2", exit: 1 }],
  ["found memory of a killed one", { logTail: "FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", exit: 1 }],
  ["found another one that started", { logTail: 'FATAL:  lock file "postmaster.pid" already exists', exit: 1 }],
] as const)("a server that %s may start at the next attempt", (_, failed) => {
  expect(mayPass(failed)).toBe(true);
});

test.each([
  ["refuses its settings", { logTail: refused, exit: 1 }],
  ["crashes", { logTail: "LOG:  startup process (PID 7) was terminated by signal 6: Aborted", exit: 1 }],
  ["says nothing", { logTail: "", exit: 1 }],
] as const)("a server that %s will do so again", (_, failed) => {
  expect(mayPass(failed)).toBe(false);
});
