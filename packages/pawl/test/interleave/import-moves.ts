import type { ImportOperation } from "../../src/store/import.ts";
import { setRetention } from "../../src/postgres/statements/retention-policies.ts";
import { alone, type Fixture } from "./fixtures.ts";
import type { Move } from "./moves.ts";
import { events, namespace, runs } from "./world.ts";

/** Imports: whole executions that come with their runs, histories and streams. */

/** The database has nothing, and nobody keeps what has ended. */
export const unkept: Fixture = {
  name: "unkept",
  async build(gateway) {
    await alone.nothing.build(gateway);
    await gateway.run(setRetention(namespace, {}, 0));
  },
};

const began = Date.UTC(2026, 0, 1);
const started = { type: "ExecutionStarted", data: '{"input":1}' };
const resumed = { type: "ExecutionResumed", data: JSON.stringify({ fromRunId: runs.importedBefore, fromState: "cancelled", runNumber: 2 }) };

/** An execution in its second run, with a stream. */
function document(executionId: string, state: "completed" | "quarantined"): ImportOperation {
  const at = (list: readonly { readonly type: string; readonly data: string }[], from: number) =>
    list.map((event, index) => ({ ...event, epoch: index + from, at: began + index + from }));
  const ended = began + 4;
  return {
    namespace,
    executionId,
    workflow: "w",
    taskQueue: "q",
    labels: null,
    attributes: null,
    key: null,
    priority: 0,
    runs: [
      {
        runId: runs.importedBefore,
        version: "1",
        state: "cancelled",
        createdAt: began,
        startedAt: began,
        finishedAt: began + 2,
        events: at([started, events.cancelRequested, events.cancelled], 0),
      },
      {
        runId: runs.imported,
        version: "1",
        state,
        createdAt: began,
        startedAt: began,
        finishedAt: state === "completed" ? ended : null,
        events: at([started, resumed, events[state]], 2),
      },
    ],
    chunks: [{ stream: "s", offset: 0, runId: runs.imported, epoch: 3, at: ended, step: { position: 1, attempt: 1 }, data: '"imported"' }],
  };
}

export function importAs(state: "completed" | "quarantined", executionId = "parent"): Move {
  return {
    name: `import ${executionId} as ${state}`,
    run: async ({ store }) => ((await store.importExecution(document(executionId, state))) ? "imported" : "its id is taken"),
  };
}
