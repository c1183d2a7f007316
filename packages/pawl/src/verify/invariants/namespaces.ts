import type { Invariant } from "../invariant.ts";
import { about, type CurrentRun } from "../rows.ts";

/**
 * I22. Namespaces are apart: an execution's task, the worker that has claimed it and its parent are all of its own namespace.
 * What clients are answered is not a matter of rows.
 */
export const namespaces: Invariant = {
  id: "I22",
  title: "Namespaces are apart",
  check: (tally) => ({
    run(view) {
      if (view.kind === "past") return;
      tally.looked();
      for (const detail of problemsOf(view.run)) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf({ namespace, task, claim, parentExecutionId, parentNamespace }: CurrentRun): string[] {
  const of: readonly (readonly [what: string, its: string | null | undefined])[] = [
    ["its task", task?.namespace],
    [`worker ${claim?.workerId}, which has claimed it,`, claim?.worker?.namespace],
    [`its parent ${parentExecutionId}`, parentNamespace],
  ];
  return of.flatMap(([what, its]) => (its == null || its === namespace ? [] : [`it is of namespace ${namespace}, ${what} of ${its}`]));
}
