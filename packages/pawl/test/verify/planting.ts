/** SQL that plants one thing that must not be, and what must be found then. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { makeWorkload, violations, type Workload } from "./workload.ts";

export const runOf = (id: string): string => `(SELECT run_id FROM executions WHERE execution_id = '${id}')`;
export const pastRunOf = (id: string): string => `(SELECT run_id FROM past_runs WHERE execution_id = '${id}')`;
export const where = (id: string, ...conditions: string[]): string => ["WHERE run_id = " + runOf(id), ...conditions].join(" AND ");

/** One more event, under the epoch of the last one. */
export function append(id: string, type: string, data: object): string[] {
  return [
    `INSERT INTO history SELECT e.run_id, e.last_seq + 1, h.epoch, now(), '${type}', '${JSON.stringify(data)}'
FROM executions e JOIN history h ON h.run_id = e.run_id AND h.seq = e.last_seq WHERE e.execution_id = '${id}'`,
    `UPDATE executions SET last_seq = last_seq + 1 ${where(id)}`,
  ];
}

export const queue = (id: string, visibleAt = "now()"): string =>
  `INSERT INTO tasks SELECT run_id, ${visibleAt}, namespace, task_queue, workflow || '@' || version FROM executions ${where(id)}`;
export const replaceData = (id: string, type: string, pattern: string, by: string): string =>
  `UPDATE history SET data = regexp_replace(data, '${pattern}', '${by}') ${where(id, `type = '${type}'`)}`;
export const liveWorker = "(SELECT id FROM workers WHERE state = 'live' LIMIT 1)";

/** What breaks an invariant, how that is worded, and the statements that do it. */
export type Planted = readonly [name: string, evidence: RegExp, statements: readonly string[]];

/** One workload for a file. */
export function sharedWorkload(): { readonly current: Workload } {
  vi.setConfig({ hookTimeout: 60_000 });
  const shared: { current?: Workload } = {};
  beforeAll(async () => {
    shared.current = await makeWorkload();
  });
  afterAll(() => shared.current?.close());
  return shared as { readonly current: Workload };
}

/** Each of them is found, and nothing else. */
export function describePlanted(workload: { readonly current: Workload }, cases: Readonly<Record<string, readonly Planted[]>>): void {
  describe.each(Object.entries(cases))("%s is found violated by", (invariant, planted) => {
    test.each(planted)("%s", async (_name, evidence, statements) => {
      const found = violations(await workload.current.doctored(statements));
      expect(Object.keys(found), JSON.stringify(found)).toEqual([invariant]);
      expect(found[invariant]).toEqual(expect.arrayContaining([expect.stringMatching(evidence)]));
    });
  });
}
