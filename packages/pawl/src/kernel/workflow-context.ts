import { OptionInvalid } from "../base/errors.ts";
import { handled } from "../base/handled.ts";
import type { Logger } from "../base/logger.ts";
import { limits } from "../base/limits.ts";
import { checkName } from "../base/ids.ts";
import { refuseInStep, runWithContext } from "../definition/ambient.ts";
import type { WaitOptions, WorkflowContext } from "../definition/context.ts";
import { allOf, mapConcurrently, raceOf } from "./combinators.ts";
import type { Replay } from "./replay.ts";
import { runSaga } from "./saga.ts";
import { transactionCall } from "./transaction-call.ts";

/** The `ctx` handed to workflow code: checks, then a durable call of the replay. */
export function createContext(replay: Replay, shielded: boolean): WorkflowContext {
  return new ReplayContext(replay, shielded);
}

function notCalled(): never {
  throw new TypeError("A transaction has no step function of its own.");
}

/** Calls are own properties, so that users may take them out of the context. */
class ReplayContext implements WorkflowContext {
  readonly #replay: Replay;
  readonly #shielded: boolean;

  constructor(replay: Replay, shielded: boolean) {
    this.#replay = replay;
    this.#shielded = shielded;
  }

  get executionId(): string {
    return this.#replay.identity.executionId;
  }

  get runId(): string {
    return this.#replay.identity.runId;
  }

  get workflow(): string {
    return this.#replay.workflow.name;
  }

  get version(): string {
    return this.#replay.workflow.version;
  }

  get schedule(): WorkflowContext["schedule"] {
    const link = this.#replay.schedule;
    return link === undefined ? undefined : { scheduleId: link.scheduleId, at: new Date(link.at) };
  }

  get log(): Logger {
    const write =
      (level: "info" | "warn" | "error") =>
      (message: string): void =>
        this.#replay.log(level, message);
    return { info: write("info"), warn: write("warn"), error: write("error") };
  }

  get historyLength(): number {
    return this.#replay.historyLength;
  }

  get continueAsNewSuggested(): boolean {
    return this.#replay.historyLength >= limits.historySuggested;
  }

  get cancelRequested(): boolean {
    return this.#replay.cancelRequested !== undefined;
  }

  step: WorkflowContext["step"] = (name, fn, options) => {
    refuseInStep("ctx.step");
    return this.#replay.calls.step(name, fn, options, this.#shielded);
  };

  transaction: WorkflowContext["transaction"] = (name, fn, options = {}) => {
    refuseInStep("ctx.transaction");
    return this.#replay.calls.step(name, notCalled, options, this.#shielded, transactionCall(name, fn, options));
  };

  sleep: WorkflowContext["sleep"] = (until) => {
    refuseInStep("ctx.sleep");
    return this.#replay.calls.timer(until, this.#shielded);
  };

  child: WorkflowContext["child"] = (workflow, input, options = {}) => {
    refuseInStep("ctx.child");
    return this.#replay.calls.child(workflow, input, options, this.#shielded) as never;
  };

  get state(): object {
    return this.#replay.mailbox.state;
  }

  signal = (name: string, options?: WaitOptions): Promise<never> => {
    refuseInStep("ctx.signal");
    checkName(name, "ctx.signal name");
    return this.#replay.calls.wait(name, undefined, options, this.#shielded) as Promise<never>;
  };

  until: WorkflowContext["until"] = (isTrue, options) => {
    refuseInStep("ctx.until");
    if (typeof isTrue !== "function") throw new OptionInvalid("ctx.until", "takes a function () => boolean of the state");
    return this.#replay.calls.wait(undefined, isTrue, options, this.#shielded) as Promise<void>;
  };

  set: WorkflowContext["set"] = (key, value) => {
    refuseInStep("ctx.set");
    return this.#replay.calls.value(key, value, this.#shielded);
  };

  stream: WorkflowContext["stream"] = (name) => {
    refuseInStep("ctx.stream");
    checkName(name, "ctx.stream name");
    return {
      write: (value) => {
        refuseInStep("stream.write");
        return this.#replay.calls.stream(name, { value }, this.#shielded);
      },
      close: () => {
        refuseInStep("stream.close");
        return this.#replay.calls.stream(name, undefined, this.#shielded);
      },
    };
  };

  saga: WorkflowContext["saga"] = (fn) => {
    refuseInStep("ctx.saga");
    if (typeof fn !== "function") throw new OptionInvalid("ctx.saga", "takes a function (saga) => promise");
    return handled(runSaga(fn, createContext(this.#replay, true)));
  };

  setLabels: WorkflowContext["setLabels"] = (changes) => {
    refuseInStep("ctx.setLabels");
    return this.#replay.calls.labels(changes, this.#shielded);
  };

  setAttributes: WorkflowContext["setAttributes"] = (changes) => {
    refuseInStep("ctx.setAttributes");
    return this.#replay.calls.attributes(changes, this.#shielded);
  };

  patched: WorkflowContext["patched"] = (patchId) => {
    refuseInStep("ctx.patched");
    return this.#replay.patched(patchId);
  };

  deprecatePatch: WorkflowContext["deprecatePatch"] = (patchId) => {
    refuseInStep("ctx.deprecatePatch");
    this.#replay.deprecatePatch(patchId);
  };

  continueAsNew: WorkflowContext["continueAsNew"] = (input, options = {}) => {
    refuseInStep("ctx.continueAsNew");
    return this.#replay.callContinue(input, options);
  };

  all: WorkflowContext["all"] = (tasks, options) => handled(allOf(tasks, options));

  map: WorkflowContext["map"] = (items, fn, options) => handled(mapConcurrently(items, fn, options));

  race: WorkflowContext["race"] = (tasks) => handled(raceOf(tasks));

  now: WorkflowContext["now"] = () => new Date(this.#replay.nowMs);

  random: WorkflowContext["random"] = () => {
    refuseInStep("ctx.random");
    return this.#replay.random.next();
  };

  uuid: WorkflowContext["uuid"] = () => {
    refuseInStep("ctx.uuid");
    return this.#replay.random.uuid();
  };

  shield: WorkflowContext["shield"] = (fn) => {
    if (typeof fn !== "function") throw new OptionInvalid("ctx.shield", "takes a function (ctx) => promise");
    const shielded = createContext(this.#replay, true);
    return handled(runWithContext(shielded, () => fn(shielded)));
  };
}
