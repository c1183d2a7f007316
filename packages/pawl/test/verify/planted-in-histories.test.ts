/** Histories that must not be: each is found, by exactly the invariant it breaks. */
import { expect, test } from "vitest";
import { append, describePlanted, liveWorker, queue, replaceData, runOf, sharedWorkload, where } from "./planting.ts";
import { violations } from "./workload.ts";

const workload = sharedWorkload();

test("the database as it is holds", async () => {
  const report = await workload.current.doctored([], { operations: workload.current.operations, effects: workload.current.effects });
  expect(violations(report)).toEqual({});
  // Nothing to look at would hold as well.
  expect(report.invariants.filter(({ verdict, checked }) => verdict === "holds" && checked === 0)).toEqual([]);
  expect(report.scope).toMatchObject({ complete: true, executions: 23, runs: 25 });
});

test("at most five are shown, all are counted", async () => {
  const report = await workload.current.doctored(["UPDATE executions SET last_seq = last_seq + 1"]);
  const found = report.invariants.find(({ invariant }) => invariant === "I2")!;
  expect(found).toMatchObject({ verdict: "violated", violations: 23 });
  expect(found.evidence).toHaveLength(5);
});

describePlanted(workload, {
  I1: [
    [
      "a row that says something else than its history",
      /simple-1: its row says failed, its history completed/,
      [`UPDATE executions SET state = 'failed' ${where("simple-1")}`],
    ],
    [
      "a row that ended at another time",
      /simple-1: its row ended at .*, its history at /,
      [`UPDATE executions SET finished_at = finished_at + interval '1 ms' ${where("simple-1")}`],
    ],
    [
      "an event after the end",
      /simple-1: its history goes on after ExecutionCompleted/,
      append("simple-1", "StepStarted", { position: 9, name: "late", attempt: 1 }),
    ],
    ["a pause that the row does not show", /held: its row says paused, its history quarantined/, [`UPDATE executions SET state = 'paused' ${where("held")}`]],
    ["a task of an ended execution", /terminated: it is terminated and still has a task/, [queue("terminated")]],
    [
      "a message to an ended execution",
      /still has 1 messages/,
      [`INSERT INTO inbox (run_id, message_id, type, data) VALUES (${runOf("simple-1")}, 'cancel', 'CancelRequested', '{}')`],
    ],
    ["an ended execution with a worker", /still has the worker/, [`UPDATE executions SET worker_id = ${liveWorker} ${where("simple-1")}`]],
    [
      "an earlier run that was changed",
      /resumed: its row says completed, its history cancelled/,
      [`UPDATE past_runs SET state = 'completed' WHERE execution_id = 'resumed'`],
    ],
    [
      "an event after a run continued as new",
      /continued: its history goes on after ExecutionContinuedAsNew/,
      [
        `INSERT INTO history SELECT run_id, last_seq + 1, 1, now(), 'StepStarted', '{"position":2,"name":"late","attempt":1}' FROM past_runs WHERE execution_id = 'continued'`,
        "UPDATE past_runs SET last_seq = last_seq + 1 WHERE execution_id = 'continued'",
      ],
    ],
  ],
  I2: [
    ["a gap", /simple-1: event 3 follows event 1/, [`DELETE FROM history ${where("simple-1", "seq = 2")}`]],
    ["an epoch that falls", /event 3 was written under epoch 1, the one before it under 50/, [`UPDATE history SET epoch = 50 ${where("simple-1", "seq = 2")}`]],
    ["a row that counts other events", /its row counts 4 events, its history 3/, [`UPDATE executions SET last_seq = 4 ${where("simple-1")}`]],
    ["an event that cannot be read", /the data of event 2 cannot be read/, [`UPDATE history SET data = '{"position":1,' ${where("simple-1", "seq = 2")}`]],
    [
      "an event of a type that there is not",
      /asleep: event 2 is StepCompletd, which this version of Pawl does not know/,
      [`UPDATE history SET type = 'StepCompletd' ${where("asleep", "seq = 2")}`],
    ],
    [
      "a result that is gone",
      /asleep: event 2 \(StepCompleted\): data.result must be a value/,
      [`UPDATE history SET data = '{"position":1,"name":"before","attempt":1}' ${where("asleep", "seq = 2")}`],
    ],
    [
      "a result that cannot be read",
      /asleep: event 2 \(StepCompleted\): the value in data.result cannot be read/,
      [`UPDATE history SET data = '{"position":1,"name":"before","attempt":1,"result#":"#garbage["}' ${where("asleep", "seq = 2")}`],
    ],
    [
      "a result of no call",
      /asleep: event 2 \(StepCompleted\): data.position must be a whole number from 1/,
      [`UPDATE history SET data = '{"name":"before","attempt":1,"result":1}' ${where("asleep", "seq = 2")}`],
    ],
    ["no history at all", /simple-1: it has a row and no history/, [`DELETE FROM history ${where("simple-1")}`]],
  ],
  I3: [
    [
      "a second result",
      /asleep: event 4: call 1 has the results StepCompleted and StepCompleted/,
      append("asleep", "StepCompleted", { position: 1, name: "before", attempt: 1, result: 1 }),
    ],
    ["an attempt after the result", /call 1 has StepStarted after its result/, append("asleep", "StepStarted", { position: 1, name: "before", attempt: 2 })],
    [
      "a patch that is marked twice",
      /asleep: event 5: patch "p" was marked already/,
      [...append("asleep", "PatchMarked", { patchId: "p" }), ...append("asleep", "PatchMarked", { patchId: "p" })],
    ],
    ["a second start", /call 2 has TimerStarted twice/, append("asleep", "TimerStarted", { position: 2, durationMs: 7_200_000 })],
    ["another call at the same position", /call 1 is step "before" and timer/, append("asleep", "TimerStarted", { position: 1, durationMs: 7_200_000 })],
    [
      "an attempt with two outcomes",
      /order-1: .*StepAttemptFailed for attempt 1 again/,
      [replaceData("order-1", "StepAttemptFailed", '"attempt":2', '"attempt":1'), replaceData("order-1", "StepCompleted", '"attempt":3', '"attempt":2')],
    ],
  ],
  I4: [
    [
      "a start that was merged into what had begun",
      /asleep: event \d+ \(StartMerged\) was added after it had begun/,
      append("asleep", "StartMerged", { startId: "s", input: 1 }),
    ],
    [
      "an event written under no claim",
      /event 2 \(StepCompleted\) was written under no claim/,
      [`UPDATE history SET epoch = 0 ${where("simple-1", "seq = 2")}`],
    ],
    ["an event newer than its row", /asleep: event 3 was written under epoch 1, the row is at 0/, [`UPDATE executions SET epoch = 0 ${where("asleep")}`]],
    [
      "a takeover that did not raise the epoch",
      /asleep: event 4 \(WorkerLost\) did not raise the epoch/,
      append("asleep", "WorkerLost", { workerId: "w", claims: 1 }),
    ],
    [
      "an event under the epoch of a pause",
      /asleep: event 5 \(StepStarted\) was written under the epoch that ExecutionPaused had ended/,
      [...append("asleep", "ExecutionPaused", { wakeAt: 0 }), ...append("asleep", "StepStarted", { position: 9, name: "late", attempt: 1 })],
    ],
    [
      "an end by who was not the owner any more",
      /simple-1: ExecutionCompleted was written under epoch 1, when the row was at 3/,
      [`UPDATE executions SET epoch = epoch + 2 ${where("simple-1")}`],
    ],
    [
      "an event under the epoch of a takeover",
      /asleep: event 5 \(StepStarted\) was written under the epoch that WorkerLost had ended/,
      [
        ...append("asleep", "WorkerLost", { workerId: "w", claims: 1 }),
        `UPDATE history SET epoch = 2 ${where("asleep", "seq = 4")}`,
        ...append("asleep", "StepStarted", { position: 9, name: "late", attempt: 1 }),
      ],
    ],
  ],
  I6: [
    [
      "an attempt left out",
      /order-1: event \d+: attempt 5 of call 2 follows attempt 2/,
      [replaceData("order-1", "StepCompleted", '"attempt":3', '"attempt":5')],
    ],
    ["held too early", /held: it was held at death 2/, [replaceData("held", "WorkerLost", '"claims" : 3', '"claims" : 2')]],
    [
      "a death that was not counted",
      /held: event \d+ counts 3 claims without progress, the death before it 1/,
      [replaceData("held", "WorkerLost", '"claims" : 2', '"claims" : 1')],
    ],
    [
      "a third death that held nobody",
      /asleep: event 4 is death 3 without progress, and it was not held/,
      [...append("asleep", "WorkerLost", { workerId: "w", claims: 3 }), `UPDATE history SET epoch = 2 ${where("asleep", "seq = 4")}`],
    ],
    ["more claims than allowed", /busy: its row counts 4 claims/, [`UPDATE executions SET claims = 4 ${where("busy")}`]],
  ],
  I11: [
    [
      "a signal that came twice",
      /asked: event \d+: signal:s1 was received already/,
      append("asked", "SignalReceived", { signalId: "s1", name: "other", payload: 1 }),
    ],
    [
      "an update that was answered twice",
      /asked: event \d+: update:u1 was answered already/,
      append("asked", "UpdateCompleted", { updateId: "u1", result: 1 }),
    ],
    [
      "the reply to an update that nobody sent",
      /asked: event \d+: a reply to update:u2, which was never received/,
      append("asked", "UpdateRejected", { updateId: "u2", failure: { name: "Error", message: "no" } }),
    ],
  ],
  I12: [
    [
      "a wait that was given up early",
      /asked: event \d+ \(WaitTimedOut of call \d+\) came .* early/,
      [replaceData("asked", "WaitStarted", '"timeoutMs":20', '"timeoutMs":20000')],
    ],
    [
      "a timer that fired early",
      /order-1: event \d+ \(TimerFired of call 3\) came \d.* early/,
      [replaceData("order-1", "TimerStarted", '"durationMs":300', '"durationMs":300000')],
    ],
    [
      "an attempt before its back-off",
      /\(StepAttemptFailed of call 2\) came \d.* early/,
      [replaceData("order-1", "StepAttemptFailed", '"retryInMs":5', '"retryInMs":5000')],
    ],
    [
      "a delayed start that was claimed early",
      /delayed-and-done: it was claimed .* before its time/,
      [`UPDATE executions SET not_before = started_at + interval '1 s' ${where("delayed-and-done")}`],
    ],
    [
      "a run that went on although its time was over before it began",
      /simple-1: event \d+ \(\w+\) was written, and its time was over \d.* before it began/,
      [replaceData("simple-1", "ExecutionStarted", "^\\{", '{"deadline":1000,')],
    ],
    [
      "a parent that went on when the time of its child and its own was over",
      /waiting: event \d+ \(ChildFailed\) says that the time of the child was over, and so was its own/,
      [
        replaceData("waiting", "ExecutionStarted", "^\\{", '{"deadline":4102444800000,'),
        ...append("waiting", "ChildFailed", { position: 1, state: "timed_out", failure: { name: "Error", message: "late" }, deadline: 4102444800000 }),
        queue("waiting", "'2100-01-01Z'"),
      ],
    ],
  ],
  I13: [
    [
      "a second execution for an instant",
      /simple-1: it was started for 2025-01-01T00:00:00Z of schedule yearly, which its id does not say/,
      [replaceData("simple-1", "ExecutionStarted", "^\\{", '{"schedule":{"scheduleId":"yearly","at":"2025-01-01T00:00:00Z"},')],
    ],
    [
      "a time that is no instant",
      /it was started for "2025-01-01", which is not an instant/,
      [replaceData("yearly:2025-01-01T00:00:00Z", "ExecutionStarted", "T00:00:00Z", "")],
    ],
    [
      "a schedule that nobody will look at",
      /schedule yearly: it goes on at \d{4}-01-01T00:00:00Z, and nobody will look then/,
      ["UPDATE schedules SET next_fire_at = NULL, waiting = false"],
    ],
    [
      "a schedule that nobody will look at in time",
      /schedule yearly: it goes on at \d{4}-01-01T00:00:00Z, and nobody will look before 2099-01-01T00:00:00Z/,
      ["UPDATE schedules SET next_fire_at = '2099-01-01Z'"],
    ],
    [
      "a schedule that nobody has looked at for days",
      /schedule yearly: it was to be looked at .*, and worker .* lives and has not done so/,
      ["UPDATE schedules SET next_fire_at = now() - interval '4 days'", "UPDATE workers SET started_at = now() - interval '1 day'"],
    ],
    ["a schedule that makes no sense", /schedule yearly: its definition or state cannot be read/, ["UPDATE schedules SET state = '{}'"]],
  ],
  I14: [
    [
      "the end of a child that was not started",
      /family: event \d+: ChildCompleted of call 50 without ChildStarted/,
      append("family", "ChildCompleted", { position: 50, result: 1 }),
    ],
  ],
  I15: [
    ["a timer that was not started", /asleep: event 4: TimerFired of call 60 without TimerStarted/, append("asleep", "TimerFired", { position: 60 })],
    [
      "a wait that was given up and never made",
      /asleep: event 4: WaitTimedOut of call 60 without WaitStarted/,
      append("asleep", "WaitTimedOut", { position: 60 }),
    ],
  ],
  I20: [
    [
      "cancelled without a request",
      /simple-1: event 3: it was cancelled after StepCompleted, without a request/,
      [`UPDATE history SET type = 'ExecutionCancelled' ${where("simple-1", "seq = 3")}`, `UPDATE executions SET state = 'cancelled' ${where("simple-1")}`],
    ],
  ],
});
