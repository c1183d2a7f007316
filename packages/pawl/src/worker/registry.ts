import { OptionInvalid, WorkflowDuplicate } from "../base/errors.ts";
import { stepWorkflows, type ReusableStep } from "../definition/remote-step.ts";
import { definitionKey, type AnyWorkflow } from "../definition/workflow.ts";

/** The workflows a worker has, by name and version. */
export class WorkflowRegistry {
  readonly #workflows = new Map<string, AnyWorkflow>();

  /** @param steps as the workflows that stand for them @throws WorkflowDuplicate if two different definitions share name and version; OptionInvalid if one is no workflow. */
  constructor(workflows: readonly AnyWorkflow[], steps: readonly ReusableStep[] = []) {
    if (!Array.isArray(workflows)) throw new OptionInvalid("workflows", "must be an array of workflows made by defineWorkflow");
    workflows.forEach((workflow, index) => {
      if (typeof workflow?.name !== "string" || typeof workflow.run !== "function" || typeof workflow.version !== "string") {
        throw new OptionInvalid(`workflows[${index}]`, "must be a workflow made by defineWorkflow");
      }
      const key = definitionKey(workflow.name, workflow.version);
      const known = this.#workflows.get(key);
      if (known !== undefined && known !== workflow) throw new WorkflowDuplicate(workflow.name, workflow.version);
      this.#workflows.set(key, workflow);
    });
    stepWorkflows(steps).forEach((workflow, index) => {
      const key = definitionKey(workflow.name, workflow.version);
      if (this.#workflows.has(key)) throw new OptionInvalid(`steps[${index}]`, `another step here has the same name, or a workflow is called ${workflow.name}`);
      this.#workflows.set(key, workflow);
    });
    if (this.#workflows.size === 0) throw new OptionInvalid("workflows", "must hold at least one workflow, or steps at least one step");
  }

  get(name: string, version: string): AnyWorkflow | undefined {
    return this.#workflows.get(definitionKey(name, version));
  }

  get keys(): readonly string[] {
    return [...this.#workflows.keys()];
  }

  get all(): readonly AnyWorkflow[] {
    return [...this.#workflows.values()];
  }
}
