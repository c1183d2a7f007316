import type { DatabaseGauges } from "../base/telemetry.ts";
import type { Store } from "../store/store.ts";

const mostStates = 100;

/** Reads what operators want to see over time. */
export function databaseGauges(store: Store, namespace: string): DatabaseGauges {
  return {
    async executions() {
      const groups = await store.count({ namespace }, { of: "text", name: "state" }, mostStates);
      return groups.map(({ value, count }) => ({ state: String(value), count }));
    },
    async backlog() {
      const { now } = await store.databaseFacts();
      const rows = await store.backlog(namespace);
      return rows.map(({ taskQueue, definition, tasks, oldestDueAt }) => ({ taskQueue, definition, tasks, ageMs: Math.max(0, now - oldestDueAt) }));
    },
    async stranded() {
      return (await store.stranded()).length;
    },
  };
}
