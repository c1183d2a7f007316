import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { ExecutionConflict, ExecutionStateInvalid, OptionInvalid } from "../base/errors.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { StartOperation } from "../store/operations.ts";
import type { OutsideMessage, SignalWithStartOutcome, Store } from "../store/store.ts";
import { startKeys, type StartOptions } from "./start-options.ts";

/** How an execution is started if there is none, and the signal that it gets either way. */
export interface SignalWithStartOptions<Name extends string = string, Payload = unknown> extends Omit<
  StartOptions,
  "idempotencyKey" | "executionId" | "transaction"
> {
  /** Whom to send the signal to, and the id of who is started. */
  readonly executionId: string;
  readonly signal: {
    readonly name: Name;
    readonly payload: Payload;
    /** Sent twice with the same id, it arrives once (made). */
    readonly signalId?: string;
  };
}

/** With those that do not go with a signal, which have errors of their own. */
const signalWithStartKeys = { ...startKeys, signal: true } satisfies KnownKeys<SignalWithStartOptions | StartOptions>;
const signalKeys = { name: true, payload: true, signalId: true } satisfies KnownKeys<SignalWithStartOptions["signal"]>;

/** @throws OptionInvalid */
export function checkSignalWithStart(options: SignalWithStartOptions): SignalWithStartOptions {
  checkKeys(options, signalWithStartKeys, "signalWithStart");
  checkKeys(options.signal, signalKeys, "signal");
  if (options.executionId === undefined) throw new OptionInvalid("executionId", "must be given: it says who gets the signal");
  if ((options as StartOptions).idempotencyKey !== undefined)
    throw new OptionInvalid("idempotencyKey", "does not go with a signal: the executionId says whom it is for");
  if ((options as StartOptions).transaction !== undefined)
    throw new OptionInvalid("transaction", "does not go with signalWithStart; start in the transaction, then signal in it");
  return options;
}

/** @throws ExecutionStateInvalid, ExecutionConflict where the signal has reached nobody, now or when it was sent before */
export async function checkReached(
  store: Pick<Store, "hasReceived">,
  { namespace, executionId, workflow }: StartOperation,
  { messageId }: OutsideMessage,
  outcome: SignalWithStartOutcome,
): Promise<void> {
  if (outcome.workflow !== workflow) throw new ExecutionConflict(executionId, `runs workflow "${outcome.workflow}", not "${workflow}"`);
  // What it has started may be over by the time that the reply, lost the first time, arrives.
  if (!isTerminal(outcome.state) || outcome.started || (await store.hasReceived(namespace, executionId, messageId))) return;
  throw new ExecutionStateInvalid(executionId, outcome.state, "sent anything", "It has ended; nothing was changed. Choose another id to start a new one.");
}
