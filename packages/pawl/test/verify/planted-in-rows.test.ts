/** Rows that must not be: each is found, by exactly the invariant it breaks. */
import type { VerifyOptions } from "pawl/internal";
import { describe, expect, test } from "vitest";
import { append, describePlanted, liveWorker, pastRunOf, queue, replaceData, runOf, sharedWorkload, where } from "./planting.ts";
import { violations } from "./workload.ts";

const workload = sharedWorkload();

/** The queue of all executions had such a limit for long before they began. */
function limited(columns: string, values: string): readonly string[] {
  const longAgo = "now() - interval '1 day'";
  return [`INSERT INTO queues (namespace, name, ${columns}, created_at, updated_at) VALUES ('default', 'default', ${values}, ${longAgo}, ${longAgo})`];
}

/** A copy of an execution that is claimed. */
function claimed(id: string, key: string): readonly string[] {
  return [
    `INSERT INTO executions (run_id, epoch, last_seq, created_at, started_at, worker_id, state, namespace, execution_id, workflow, version, task_queue, queue_key)
SELECT gen_random_uuid(), epoch, 1, created_at, started_at, worker_id, state, namespace, '${id}', workflow, version, task_queue, ${key} FROM executions ${where("busy")}`,
    `INSERT INTO history SELECT (SELECT run_id FROM executions WHERE execution_id = '${id}'), seq, epoch, at, type, data FROM history ${where("busy", "seq = 1")}`,
  ];
}

/** Its worker died, and another one lives. */
const goneForAWeek = [
  "UPDATE workers SET started_at = now() - interval '8 days'",
  `INSERT INTO workers SELECT gen_random_uuid(), namespace, 'dead', now() - interval '7 days', host, pid, pid_started, task_queues, definitions, definition_queues,
 concurrency, started_at, now() - interval '7 days' FROM workers WHERE state = 'live'`,
  `UPDATE executions SET worker_id = (SELECT id FROM workers WHERE ended_at = now() - interval '7 days') ${where("busy")}`,
];

test("the claim of a worker that is gone is blamed on nobody where nobody works, or has just begun to", async () => {
  const found = async (statements: readonly string[], live = true) => violations(await workload.current.doctored([...goneForAWeek, ...statements], { live }));
  expect(await found([], false)).toEqual({});
  expect(await found(["UPDATE workers SET started_at = now() WHERE state = 'live'"])).toEqual({});
  expect(await found(["UPDATE workers SET state = 'stopped' WHERE state = 'live'"])).toEqual({});
  expect(await found(["UPDATE workers SET ended_at = now() WHERE state = 'dead'"])).toEqual({});
});

test("what has a task that is due may have had something to do before, and what is held need not wake", async () => {
  const past = replaceData("asleep", "TimerStarted", '"durationMs":3600000', '"durationMs":1');
  expect(violations(await workload.current.doctored([past, `UPDATE tasks SET visible_at = now() ${where("asleep")}`]))).toEqual({});
  const paused = [
    ...append("asleep", "ExecutionPaused", {}),
    `UPDATE executions SET state = 'paused' ${where("asleep")}`,
    `DELETE FROM tasks ${where("asleep")}`,
  ];
  expect(violations(await workload.current.doctored(paused))).toEqual({});
});

test("a rate counts first claims only: what continued as new, was forked or imported is left out", async () => {
  const found = async (...statements: readonly string[]) =>
    Object.keys(
      violations(
        await workload.current.doctored([
          ...limited("rate_limit, rate_ms", "1, 3600000"),
          "UPDATE executions SET queue_key = '' WHERE execution_id IN ('simple-1', 'continued')",
          ...statements,
        ]),
      ),
    );
  expect(await found()).toEqual([]);
  const another = "UPDATE executions SET queue_key = '' WHERE execution_id = 'simple-2'";
  expect(await found(another)).toEqual(["I17"]);
  expect(await found(another, `UPDATE executions SET commit_id = 0 ${where("simple-2")}`)).toEqual([]);
  const fork = { executionId: "simple-2", fromExecutionId: "simple-1", fromRunId: "r", fromSeq: 1 };
  expect(
    await found(
      another,
      `UPDATE history SET seq = seq + 1, epoch = epoch + 1 ${where("simple-2", "seq = 3")}`,
      `UPDATE history SET seq = seq + 1, epoch = epoch + 1 ${where("simple-2", "seq = 2")}`,
      `INSERT INTO history SELECT run_id, 2, epoch - 1, at, 'ExecutionForked', '${JSON.stringify(fork)}' FROM history ${where("simple-2", "seq = 3")}`,
      `UPDATE executions SET last_seq = 4, epoch = epoch + 1 ${where("simple-2")}`,
    ),
  ).toEqual([]);
});

test("limits that were lowered a moment ago, and what began before them, are not judged", async () => {
  const lowered = [
    ...limited("concurrency", "1"),
    "UPDATE queues SET updated_at = now()",
    `UPDATE executions SET queue_key = '' ${where("busy")}`,
    ...claimed("simple-3", "''"),
  ];
  expect(violations(await workload.current.doctored(lowered))).toEqual({});
});

test("what was planted elsewhere is found where it must be found too: a child that vanished strands its parent", async () => {
  const found = violations(
    await workload.current.doctored([
      `DELETE FROM history ${where("waiting.1")}`,
      `DELETE FROM tasks ${where("waiting.1")}`,
      "DELETE FROM executions WHERE execution_id = 'waiting.1'",
    ]),
  );
  expect(Object.keys(found)).toEqual(["I19", "I21"]);
});

describe("a task that is due while nothing has happened for a day", () => {
  const yesterday = [
    "UPDATE history SET at = at - interval '1 day'",
    "UPDATE executions SET created_at = created_at - interval '1 day', started_at = started_at - interval '1 day', finished_at = finished_at - interval '1 day'",
    "UPDATE past_runs SET finished_at = finished_at - interval '1 day'",
    "UPDATE workers SET started_at = started_at - interval '1 day'",
    `UPDATE tasks SET visible_at = now() - interval '1 hour' ${where("asleep")}`,
  ];
  // No other task would be due as well.
  const noOthers = [
    `DELETE FROM tasks WHERE run_id <> ${runOf("asleep")}`,
    "UPDATE executions SET state = 'quarantined' WHERE execution_id IN ('family', 'family.1', 'waiting', 'waiting.1', 'delayed')",
  ];
  const found = async (statements: readonly string[], options?: VerifyOptions) =>
    (await workload.current.doctored([...yesterday, ...noOthers, ...statements], options)).invariants.find(({ invariant }) => invariant === "I18")!;
  const held = { verdict: "holds", violations: 0 };
  const violated = { verdict: "violated", violations: 1 };

  test("is held against a worker that has room and does nothing", async () => {
    expect((await found([])).evidence).toMatchObject([
      {
        executionId: "asleep",
        detail: expect.stringMatching(/^it has been due for 3600 s, and worker .*, which does nothing, has \d+ of 100 claims$/) as string,
      },
    ]);
    expect(await found(limited("last_key", "''"))).toMatchObject(violated);
    expect(await found([], { limit: 3 })).toMatchObject({ verdict: "not checked" });
  });

  test("is held against nobody in a database that nobody works on, or if it is a suspect, or the worker has no room", async () => {
    expect(await found([], { live: false })).toMatchObject({ verdict: "not checked", why: expect.any(String) as string });
    expect(await found(["UPDATE tasks SET suspect = true"])).toMatchObject(held);
    expect(await found(["UPDATE workers SET concurrency = 1"])).toMatchObject(held);
    expect(await found([], { idleAfterMs: 7_200_000 })).toMatchObject(held);
  });

  test.each([
    ["has begun another one", `UPDATE executions SET started_at = now() ${where("simple-2")}`],
    ["has written to another one", `UPDATE history SET at = now() ${where("asked", "seq > 1")}`],
    [
      "has given another one back",
      `INSERT INTO tasks SELECT run_id, now(), namespace, task_queue, workflow || '@' || version FROM executions ${where("asked")}`,
    ],
    ["has just begun to work", "UPDATE workers SET started_at = now()"],
  ])("is held against nobody who %s", async (_name, statement) => {
    expect(await found([statement])).toMatchObject(held);
  });

  test("is held against a worker whatever happens in queues that it does not take", async () => {
    expect(await found([`UPDATE executions SET started_at = now(), task_queue = 'elsewhere' ${where("simple-2")}`])).toMatchObject(violated);
  });

  test("is held against nobody while its queue or workflow is paused", async () => {
    const pause = (kind: string, name: string): string => `INSERT INTO pauses VALUES ('default', '${kind}', '${name}', NULL, now())`;
    expect(await found([pause("task-queue", "default")])).toMatchObject(held);
    expect(await found([pause("workflow", "sleeper")])).toMatchObject(held);
    expect(await found([pause("workflow", "other")])).toMatchObject(violated);
  });

  test("is held against nobody while the places of its queue are taken", async () => {
    const keyed = `UPDATE executions SET queue_key = 'k' ${where("asleep")}`;
    expect(await found(limited("concurrency", "2"))).toMatchObject(violated);
    expect(await found(limited("concurrency", "1"))).toMatchObject(held);
    expect(await found(limited("key_concurrency", "1"))).toMatchObject(held);
    expect(await found([...limited("key_concurrency", "1"), keyed])).toMatchObject(violated);
    expect(await found(limited("rate_limit, rate_ms", "1, 1000"))).toMatchObject(held);
    expect(await found([...limited("concurrency", "2"), "UPDATE queues SET updated_at = now() + interval '1 minute'"])).toMatchObject(held);
  });
});

describePlanted(workload, {
  I2: [
    [
      "a label that the start did not have",
      /searchable: its row has the label team "blue", its history "red"/,
      [`UPDATE executions SET labels = labels || '{"team":"blue"}' ${where("searchable")}`],
    ],
    [
      "a label that code has taken away",
      /searchable: its row has the label draft "yes", its history not/,
      [`UPDATE executions SET labels = labels || '{"draft":"yes"}' ${where("searchable")}`],
    ],
    [
      "a label that was lost",
      /searchable: its row has the label stage not, its history "done"/,
      [`UPDATE executions SET labels = labels - 'stage' ${where("searchable")}`],
    ],
    [
      "an attribute that nobody has set",
      /simple-1: its row has the attribute size 7, its history not/,
      [`UPDATE executions SET attributes = '{"size":7}' ${where("simple-1")}`],
    ],
    [
      "an attribute that was lost",
      /searchable: its row has the attribute phase not, its history "done"/,
      [`UPDATE executions SET attributes = attributes - 'phase' ${where("searchable")}`],
    ],
  ],
  I5: [
    [
      "a worker that does not exist",
      /asleep: it is claimed by the worker .*, which does not exist/,
      [`DELETE FROM tasks ${where("asleep")}`, `UPDATE executions SET worker_id = gen_random_uuid() ${where("asleep")}`],
    ],
    ["claimed and queued", /busy: it is claimed by the worker .* and queued as well/, [queue("busy")]],
    ["held and queued", /held: it is quarantined and queued/, [queue("held")]],
    [
      "paused and queued",
      /asleep: it is paused and queued/,
      [...append("asleep", "ExecutionPaused", { wakeAt: 0 }), `UPDATE executions SET state = 'paused' ${where("asleep")}`],
    ],
    [
      "claimed before it began",
      /delayed: it is pending and claimed/,
      [`DELETE FROM tasks ${where("delayed")}`, `UPDATE executions SET worker_id = ${liveWorker} ${where("delayed")}`],
    ],
  ],
  I8: [
    [
      "two executions with one id",
      /simple-1: there are two executions with this id/,
      ["DROP INDEX executions_id", `UPDATE executions SET execution_id = 'simple-1' ${where("simple-2")}`],
    ],
    [
      "two executions with one key",
      /another execution of its workflow has its idempotency key/,
      ["DROP INDEX executions_idempotency", "UPDATE executions SET idempotency_key = 'k' WHERE execution_id IN ('simple-1', 'simple-2')"],
    ],
  ],
  I10: [
    [
      "a row that names a call without a parent",
      /simple-1: its row has a parent without a call, or a call without a parent/,
      [`UPDATE executions SET parent_position = 3 ${where("simple-1")}`],
    ],
  ],
  I16: [
    [
      "more executions of a queue than may be",
      /queue default: [2-9] executions are claimed, 1 are allowed/,
      [...limited("concurrency", "1"), `UPDATE executions SET queue_key = '' ${where("busy")}`, ...claimed("simple-3", "''")],
    ],
    [
      "more executions of a key than may be",
      /queue default: 2 executions with key "k" are claimed, 1 are allowed/,
      [...limited("key_concurrency", "1"), `UPDATE executions SET queue_key = 'k' ${where("busy")}`, ...claimed("simple-3", "'k'")],
    ],
  ],
  I17: [
    [
      "more begins than a rate allows",
      /queue default: 2 executions began within 3600000 ms, 1 are allowed/,
      [...limited("rate_limit, rate_ms", "1, 3600000"), "UPDATE executions SET queue_key = '' WHERE started_at IS NOT NULL AND execution_id LIKE 'simple-%'"],
    ],
    [
      "more begins of a key than its rate allows",
      /queue default: 2 executions with key "k" began within 3600000 ms, 1 are allowed/,
      [...limited("key_rate_limit, key_rate_ms", "1, 3600000"), "UPDATE executions SET queue_key = 'k' WHERE execution_id IN ('simple-1', 'simple-2')"],
    ],
  ],
  I19: [
    ["a timer without a task", /asleep: it is running and nothing will wake it/, [`DELETE FROM tasks ${where("asleep")}`]],
    [
      "a timer without a task, beside a child",
      /family: its sleep \(call 2\) is due at .*, and nothing will wake it then/,
      [`DELETE FROM tasks ${where("family")}`],
    ],
    [
      "the end of a wait without a task",
      /asked: the end of its wait for signal "other" \(call 90\) is due at .*, and nothing will wake it then/,
      append("asked", "WaitStarted", { position: 90, signal: "other", timeoutMs: 60000 }),
    ],
    [
      "a task that comes long after its timer",
      /asleep: its sleep \(call 2\) is due at .*, and its task is not visible before 2099-01-01T/,
      [`UPDATE tasks SET visible_at = '2099-01-01Z' ${where("asleep")}`],
    ],
    [
      "a start that was put off",
      /delayed: its start is due at .*, and its task is not visible before 2099-01-01T/,
      [`UPDATE tasks SET visible_at = '2099-01-01Z' ${where("delayed")}`],
    ],
    ["a claim of a worker that is gone, and that nobody takes over", /busy: the lease of worker .*, which has claimed it, was over at /, goneForAWeek],
    [
      "a cancel request that does not end a pause",
      /waiting: it is paused and nothing will wake it: 1 messages wait without a task/,
      [
        ...append("waiting", "ExecutionPaused", {}),
        `UPDATE executions SET state = 'paused' ${where("waiting")}`,
        `INSERT INTO inbox (run_id, message_id, type, data) VALUES (${runOf("waiting")}, 'cancel', 'CancelRequested', '{}')`,
      ],
    ],
    [
      "a message that wakes nobody",
      /waiting: .*1 messages wait without a task/,
      [`INSERT INTO inbox (run_id, message_id, type, data) VALUES (${runOf("waiting")}, 'cancel', 'CancelRequested', '{}')`],
    ],
  ],
  I21: [
    [
      "a child's end that its parent was not told",
      /family: its child family\.1 \(call 1\) is completed, and it was not told/,
      [
        ...append("family.1", "ExecutionCompleted", { result: 1 }),
        `UPDATE executions SET state = 'completed', finished_at = now() ${where("family.1")}`,
        `DELETE FROM tasks ${where("family.1")}`,
      ],
    ],
    [
      "a child that was not told of its parent's end",
      /waiting: it has ended, and its child waiting\.1 \(call 1\) is running and was not told/,
      [
        ...append("waiting", "ExecutionFailed", { failure: { name: "Error", message: "no" } }),
        `UPDATE executions SET state = 'failed', finished_at = now(), waiting_for = NULL ${where("waiting")}`,
      ],
    ],
    [
      "a parent that does not exist",
      /order-1\.4: its parent, run .*, does not exist/,
      [`UPDATE executions SET parent_run_id = gen_random_uuid() ${where("order-1.4")}`],
    ],
    [
      "a child that its parent did not start",
      /family: call 1 started another, and family\.1 says that it was it/,
      [replaceData("family", "ChildStarted", '"executionId":"family.1"', '"executionId":"another"')],
    ],
    [
      "a child that does not exist",
      /family: it waits for its child ghost \(call 40\)/,
      append("family", "ChildStarted", { position: 40, workflow: "child", executionId: "ghost", runId: "r" }),
    ],
  ],
  I22: [
    ["a task in another namespace", /asleep: it is of namespace default, its task of others/, [`UPDATE tasks SET namespace = 'others' ${where("asleep")}`]],
    [
      "a worker of another namespace",
      /busy: it is of namespace default, worker .*, which has claimed it, of others/,
      ["UPDATE workers SET namespace = 'others'"],
    ],
    [
      "a child in another namespace",
      /family\.1: it is of namespace others, its parent family of default/,
      [`UPDATE tasks SET namespace = 'others' ${where("family.1")}`, `UPDATE executions SET namespace = 'others' WHERE execution_id = 'family.1'`],
    ],
  ],
  I23: [
    ["a task for other code", /asleep: it is of sleeper@1, its task asks for sleeper@2/, [`UPDATE tasks SET definition = 'sleeper@2' ${where("asleep")}`]],
    [
      "a task in another queue",
      /asleep: it belongs to queue default, its task is in elsewhere/,
      [`UPDATE tasks SET task_queue = 'elsewhere' ${where("asleep")}`],
    ],
    [
      "a worker without the code",
      /busy: worker .* has claimed it and does not have busy@1/,
      ["UPDATE workers SET definitions = array_remove(definitions, 'busy@1')"],
    ],
    [
      "a run of another version",
      /resumed: run 1 was of resumable@0, the execution is of resumable@1/,
      ["UPDATE past_runs SET version = '0' WHERE execution_id = 'resumed'"],
    ],
    [
      "a run that continued another workflow",
      /continued: run 1 was of other@1, the execution is of continuing@1/,
      ["UPDATE past_runs SET workflow = 'other' WHERE execution_id = 'continued'"],
    ],
  ],
  I24: [
    [
      "a task without an execution",
      /a task without an execution \(1 in all\)/,
      [`INSERT INTO tasks VALUES (gen_random_uuid(), now(), 'default', 'default', 'x@1')`],
    ],
    [
      "messages without an execution",
      /messages to a run that is not the latest/,
      [`INSERT INTO inbox (run_id, message_id, type, data) VALUES (${pastRunOf("resumed")}, 'cancel', 'CancelRequested', '{}')`],
    ],
    ["a history without a run", /a history without a run/, ["INSERT INTO history VALUES (gen_random_uuid(), 1, 0, now(), 'ExecutionStarted', '{}')"]],
    [
      "an earlier run that is missing",
      /resumed: it is run 2 and continues none, and before it there is none/,
      [`DELETE FROM history WHERE run_id = ${pastRunOf("resumed")}`, "DELETE FROM past_runs WHERE execution_id = 'resumed'"],
    ],
    ["a gap between runs", /continued: it is run 2, and before it there are 0/, ["UPDATE past_runs SET run_number = 0 WHERE execution_id = 'continued'"]],
    [
      "a run that continued as another one than comes next",
      /continued: run 1 continued as nobody, run 2 is /,
      [`UPDATE history SET data = '{"nextRunId":"nobody"}' WHERE run_id = ${pastRunOf("continued")} AND type = 'ExecutionContinuedAsNew'`],
    ],
    [
      "a run that continued in another version than the next one is of",
      /continued: run 1 continued in version 2, run 2 is of 1/,
      [`UPDATE history SET data = replace(data, '{', '{"version":"2",') WHERE run_id = ${pastRunOf("continued")} AND type = 'ExecutionContinuedAsNew'`],
    ],
    [
      "a run that continues none of its own",
      /continued: it says that it continues run nobody, which is none of its runs/,
      [`UPDATE history SET data = regexp_replace(data, '"runId":"[^"]*"', '"runId":"nobody"') ${where("continued", "type = 'ExecutionStarted'")}`],
    ],
    [
      "an earlier run of nothing",
      /an earlier run of no execution/,
      [
        "INSERT INTO past_runs SELECT gen_random_uuid(), namespace, 'nobody', 1, workflow, version, state, 0, created_at FROM past_runs WHERE execution_id = 'resumed'",
      ],
    ],
    ["a state that there is not", /asleep: "dreaming" is no state/, [`UPDATE executions SET state = 'dreaming' ${where("asleep")}`]],
  ],
  I28: [
    ["a chunk that is missing", /searchable: stream log has 2 chunks, with the offsets 0 to 2/, ["DELETE FROM stream_chunks WHERE chunk_offset = 1"]],
    [
      "a chunk of an overtaken worker",
      /searchable: stream log has 1 chunks of an older epoch/,
      ["UPDATE stream_chunks SET epoch = 50 WHERE chunk_offset = 0", "UPDATE stream_chunks SET epoch = 50 WHERE chunk_offset = 1"],
    ],
    [
      "a chunk that workflow code wrote twice",
      /stream log has what workflow code wrote at 0, 2, 3, its history says 0, 2/,
      [`INSERT INTO stream_chunks SELECT namespace, execution_id, stream, 3, run_id, epoch, at, NULL, NULL, '1' FROM stream_chunks WHERE chunk_offset = 2`],
    ],
    [
      "a write that never arrived",
      /its history says that it wrote to stream other, which is empty/,
      [
        replaceData("searchable", "StreamWritten", '"stream":"log","offset":2', '"stream":"other","offset":0'),
        "DELETE FROM stream_chunks WHERE chunk_offset = 2",
      ],
    ],
    [
      "chunks of nobody",
      /nobody: chunks of a stream without an execution/,
      ["INSERT INTO stream_chunks VALUES ('default', 'nobody', 's', 0, gen_random_uuid(), 1, now())"],
    ],
  ],
  I25: [
    [
      "an id that is too long",
      /its execution id has 201 characters, 200 are allowed/,
      [`UPDATE executions SET execution_id = repeat('x', 201) ${where("simple-1")}`],
    ],
    [
      "a sleep that is too long",
      /asleep: event 3 \(TimerStarted\): a sleep of 360000000000000 ms/,
      [replaceData("asleep", "TimerStarted", '"durationMs":3600000', '"durationMs":360000000000000')],
    ],
    [
      "a value that is too large",
      /simple-1: event 3 \(ExecutionCompleted\): 34000013 bytes/,
      [`UPDATE history SET data = '{"result":"' || repeat('x', 34000000) || '"}' ${where("simple-1", "seq = 3")}`],
    ],
  ],
});
