import type { AnyWorkflow, ExecutionHandle, Pawl } from "pawl";
import { compareVersions } from "pawl/internal";
import { UsageError } from "./failures.ts";
import { loadWorkflows, type LoadedFile } from "./load-workflows.ts";

/** A file that was loaded, and the name that it was given by. */
interface GivenFile {
  readonly file: string;
  readonly loaded: LoadedFile;
}

/** The file of an option that need not be given. @throws UsageError */
export async function loadGiven(file: string | undefined): Promise<GivenFile | undefined> {
  return file === undefined ? undefined : { file, loaded: await loadWorkflows(file) };
}

/** Of several versions the highest, if none is named. @throws UsageError if the file does not have it */
export function definitionOf(name: string, version: string | undefined, { file, loaded }: GivenFile): AnyWorkflow {
  const fitting = loaded.workflows.filter((workflow) => workflow.name === name && (version === undefined || workflow.version === version));
  const highest = fitting.toSorted((a, b) => compareVersions(a.version, b.version)).at(-1);
  if (highest !== undefined) return highest;
  const known = loaded.workflows.map((workflow) => `${workflow.name}@${workflow.version}`).join(", ");
  throw new UsageError("WORKFLOW_UNKNOWN", `${file} has no workflow "${name}"${version === undefined ? "" : ` in version "${version}"`}. It has ${known}.`);
}

/**
 * The handle of an execution with its definition, which checks what is sent; without a file a handle that knows none.
 *
 * @param version of the definition (the execution's own)
 * @throws UsageError
 */
export async function handleOf(pawl: Pawl, executionId: string, given: GivenFile | undefined, version?: string): Promise<ExecutionHandle> {
  if (given === undefined) return pawl.handle(executionId);
  const status = await pawl.handle(executionId).status();
  // By name: what a file exports is known only when it is loaded.
  return pawl.handle(executionId, definitionOf(status.workflow, version ?? status.version, given)) as ExecutionHandle;
}
