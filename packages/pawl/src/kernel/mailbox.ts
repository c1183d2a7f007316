import { handled } from "../base/handled.ts";
import { PayloadInvalid, MessageUnknown } from "../base/errors.ts";
import { copyValue, encodeValue, toFailure } from "../base/values.ts";
import { runAmbient } from "../definition/ambient.ts";
import { parsePayload } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { SignalReceived, UpdateCompleted, UpdateReceived, UpdateRejected } from "./event.ts";
import { readPayload } from "./payload.ts";

/** The reply to an update, as it is recorded. */
export type UpdateReply = UpdateCompleted | UpdateRejected;

interface Kept {
  readonly value: unknown;
  /** Its place in the history. */
  readonly seq: number;
  readonly signalId: string;
}

/**
 * What an execution was sent and its code has not taken yet, and the state that its updates change. Pure: the same history
 * gives the same state, whichever process replays it.
 */
export class Mailbox {
  /** Replies that are not recorded yet, by update id. */
  readonly replies = new Map<string, UpdateReply>();
  readonly #workflow: AnyWorkflow;
  #state: object | undefined;
  readonly #signals = new Map<string, Kept[]>();

  constructor(workflow: AnyWorkflow) {
    this.#workflow = workflow;
  }

  /** Made when it is needed, before the code is called at the latest. @throws what the workflow's function throws */
  get state(): object {
    return (this.#state ??= handled(runAmbient({ kind: "state" }, () => this.#workflow.state?.())) ?? {});
  }

  /** The parsed payload of a signal, or why it does not fit its schema: then nobody gets it. */
  parse({ name, payload }: SignalReceived): ReturnType<typeof parsePayload> {
    const schema = this.declares(name) ? this.#workflow.signals[name] : undefined;
    const value = readPayload(payload);
    if (schema === undefined) return { value };
    return parsePayload(schema, value);
  }

  /** Whether the workflow says that it takes signals of that name. Its code may wait for others too. */
  declares(name: string): boolean {
    return Object.hasOwn(this.#workflow.signals, name);
  }

  /** Keeps a signal that nobody waits for. @param seq its place in the history */
  keep({ name, signalId }: SignalReceived, value: unknown, seq: number): void {
    const kept = this.#signals.get(name);
    if (kept === undefined) this.#signals.set(name, [{ value, seq, signalId }]);
    else kept.push({ value, seq, signalId });
  }

  /** The signals that nobody has taken. */
  untaken(): readonly Pick<Kept, "seq" | "signalId">[] {
    return [...this.#signals.values()].flat();
  }

  /** The first signal of that name that nobody has taken. */
  take(name: string): { readonly value: unknown } | undefined {
    const kept = this.#signals.get(name);
    return kept?.shift();
  }

  /** Applies an update to the state; its reply waits in `replies` until it is recorded. */
  update({ updateId, name, payload }: UpdateReceived): void {
    this.replies.set(updateId, this.#reply(updateId, name, readPayload(payload)));
  }

  /**
   * The answer to a query: a copy, whoever asks where. What the function gives may be a part of the state itself.
   *
   * @throws MessageUnknown; ValueNotSerializable and the like; what the workflow's function throws
   */
  query(name: string, argument: unknown): unknown {
    const { queries } = this.#workflow;
    const query = Object.hasOwn(queries, name) ? queries[name] : undefined;
    if (query === undefined) throw new MessageUnknown(this.#workflow.name, "query", name, Object.keys(this.#workflow.queries));
    return copyValue(handled(query(this.state as never, argument as never)), `answer to query "${name}"`);
  }

  #reply(updateId: string, name: string, input: unknown): UpdateReply {
    try {
      const { updates } = this.#workflow;
      const update = Object.hasOwn(updates, name) ? updates[name] : undefined;
      if (update === undefined) throw new MessageUnknown(this.#workflow.name, "update", name, Object.keys(this.#workflow.updates));
      const parsed = update.input === undefined ? { value: input } : parsePayload(update.input, input);
      if ("issues" in parsed) throw new PayloadInvalid(`update "${name}"`, parsed.issues);
      // A promise is refused, and nobody waits for it.
      const result = handled(runAmbient({ kind: "state" }, () => update.apply(this.state as never, parsed.value as never)));
      return { type: "UpdateCompleted", updateId, result: { text: encodeValue(result, `result of update "${name}"`) } };
    } catch (error) {
      return { type: "UpdateRejected", updateId, failure: toFailure(error) };
    }
  }
}
