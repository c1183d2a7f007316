import { OptionInvalid, WorkflowUnknown } from "../base/errors.ts";
import { compareVersions } from "../base/compare-versions.ts";
import { checkName } from "../base/ids.ts";
import { remoteStepName } from "../definition/remote-step.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { Store } from "../store/store.ts";
import { bulkWorkflowName } from "./bulk/bulk-workflow.ts";

/** @throws OptionInvalid for a version beside a definition of another one, which would count for nothing */
export function checkVersion(definition: Pick<AnyWorkflow, "name" | "version">, version: string | undefined): void {
  if (version !== undefined && version !== definition.version)
    throw new OptionInvalid(
      "version",
      `is "${version}", but the definition of workflow "${definition.name}" that is given is version "${definition.version}". Give the definition of that version, or the workflow's name.`,
    );
}

/**
 * The definition of that name which live workers offer, those of this process among them: nobody else could run it. Without a version
 * it is the highest in natural order, so that older ones run out.
 *
 * @throws WorkflowUnknown, OptionInvalid
 */
export async function findDefinition(
  store: Pick<Store, "workers">,
  namespace: string,
  name: string,
  version: string | undefined,
): Promise<{ name: string; version: string; taskQueue: string }> {
  checkName(name, "workflow");
  const live = (await store.workers(namespace)).filter((worker) => worker.state === "live");
  const known = new Set<string>();
  let found: { name: string; version: string; taskQueue: string } | undefined;
  for (const worker of live) {
    for (const [index, definition] of worker.definitions.entries()) {
      const at = definition.lastIndexOf("@");
      const offeredName = definition.slice(0, at);
      // Neither is anything that people start: what every worker has, and what stands for a step.
      if (offeredName !== bulkWorkflowName && remoteStepName(offeredName) === undefined) known.add(offeredName);
      if (offeredName !== name) continue;
      const offered = definition.slice(at + 1);
      if (version !== undefined && offered !== version) continue;
      if (found === undefined || compareVersions(offered, found.version) > 0)
        found = { name, version: offered, taskQueue: worker.definitionQueues[index] ?? "default" };
    }
  }
  if (found !== undefined) return found;
  throw new WorkflowUnknown(version === undefined ? name : `${name}" in version "${version}`, [...known].toSorted());
}
