import { WorkflowUnknown } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { Store } from "../store/store.ts";
import { bulkWorkflowName } from "./bulk/bulk-workflow.ts";

/** The definition of that name which live workers offer: nobody else could run it. @throws WorkflowUnknown, OptionInvalid */
export async function findDefinition(
  store: Pick<Store, "workers">,
  namespace: string,
  name: string,
  version: string | undefined,
): Promise<{ name: string; version: string; taskQueue: string }> {
  checkName(name, "workflow");
  const live = (await store.workers(namespace)).filter((worker) => worker.state === "live");
  const known = new Set<string>();
  for (const worker of live) {
    for (const [index, definition] of worker.definitions.entries()) {
      const at = definition.lastIndexOf("@");
      if (definition.slice(0, at) !== bulkWorkflowName) known.add(definition.slice(0, at));
      if (definition.slice(0, at) === name && (version === undefined || definition.slice(at + 1) === version)) {
        return { name, version: definition.slice(at + 1), taskQueue: worker.definitionQueues[index] ?? "default" };
      }
    }
  }
  throw new WorkflowUnknown(version === undefined ? name : `${name}" in version "${version}`, [...known].toSorted());
}
