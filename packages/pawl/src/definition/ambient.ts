import { AsyncLocalStorage } from "node:async_hooks";
import { DurableCallInStep, NotInWorkflow } from "../base/errors.ts";
import type { StepContext, WorkflowContext } from "./context.ts";

/**
 * What the code that is running now belongs to: workflow code, the functions of its state and its schemas (which must be deterministic) or a
 * step (which need not).
 */
export type Ambient =
  | { readonly kind: "workflow"; readonly context: WorkflowContext; readonly race?: Race }
  /** It makes or changes the state, and makes no durable calls. */
  | { readonly kind: "state" }
  | SchemaAmbient
  | { readonly kind: "step"; readonly context: StepContext };

/** One call of `ctx.race`, as the code sees it that one of its tasks runs. */
export interface Race {
  /** One of its tasks has won. */
  isOver: boolean;
  /** The race of whose tasks this one is a part. */
  readonly outer: Race | undefined;
}

/** It parses what the workflow gets, anew on each replay. */
export interface SchemaAmbient {
  readonly kind: "schema";
  /** What the determinism guard has against it. Thrown in there, a library might swallow it, or leave a rejection behind that ends the process. */
  refused?: Error;
}

/**
 * Shared by every copy of this library in the process: a workflow file may have loaded another copy than the worker's, and
 * its steps must still find the workflow they are called from.
 */
const key = Symbol.for("pawl.ambient.1");
const shared = globalThis as { [key]?: AsyncLocalStorage<Ambient | undefined> };
const storage = (shared[key] ??= new AsyncLocalStorage<Ambient | undefined>());

export function runAmbient<Result>(ambient: Ambient, fn: () => Result): Result {
  return storage.run(ambient, fn);
}

/**
 * Runs workflow code with another context in the place of its own, which reusable steps and `workflowContext()` then find. Where no
 * workflow code runs, nothing changes: a step that calls it stays a step, and its durable calls stay refused.
 */
export function runWithContext<Result>(context: WorkflowContext, fn: () => Result): Result {
  const ambient = currentAmbient();
  return ambient?.kind === "workflow" ? runAmbient({ ...ambient, context }, fn) : fn();
}

/** Runs a task of a race: the calls that its code makes, also later, are made in that race. */
export function runInRace<Result>(race: Race, fn: () => Result): Result {
  const ambient = currentAmbient();
  return ambient?.kind === "workflow" ? runAmbient({ ...ambient, race }, fn) : fn();
}

/** The innermost race that the code which is running now is a part of. */
export function currentRace(): Race | undefined {
  const ambient = currentAmbient();
  return ambient?.kind === "workflow" ? ambient.race : undefined;
}

/** Whether a task of it has won, or of a race around it: nobody waits for its other tasks any more. */
export function isRaceOver(race: Race | undefined): boolean {
  for (let each = race; each !== undefined; each = each.outer) if (each.isOver) return true;
  return false;
}

/** Runs Pawl's own code that workflow code has called into, so that timers and I/O it starts do not count as the workflow's. */
export function runOutside<Result>(fn: () => Result): Result {
  // Not exit(): before Node 22 that switches the storage off and on again, and a run() inside it brings the outer value back.
  return storage.run(undefined, fn);
}

export function currentAmbient(): Ambient | undefined {
  return storage.getStore();
}

/**
 * For what counts on replay, where the step does not run: positions in an order that nothing records, numbers that the code would get in
 * the place of later ones, compensations that would be missing.
 *
 * @throws DurableCallInStep inside a step
 */
export function refuseInStep(call: string): void {
  const ambient = currentAmbient();
  if (ambient?.kind === "step") throw new DurableCallInStep(call, ambient.context.step);
}

/** The context of the workflow this code runs in. @throws NotInWorkflow outside one. */
export function workflowContext(): WorkflowContext {
  const ambient = currentAmbient();
  if (ambient?.kind !== "workflow") {
    throw new NotInWorkflow("workflowContext()", "Call it from workflow code that a worker runs.");
  }
  return ambient.context;
}

/** The context of the step this code runs in. @throws NotInWorkflow outside one. */
export function stepContext(): StepContext {
  const ambient = currentAmbient();
  if (ambient?.kind !== "step") throw new NotInWorkflow("stepContext()", "Call it from inside a step's function.");
  return ambient.context;
}
