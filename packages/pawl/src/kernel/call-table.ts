import { NondeterminismDetected } from "../base/errors.ts";
import { describeCall, setterOf, type Call, type WaitCall } from "./call.ts";
import type { CallEvent } from "./call-events.ts";

/**
 * The durable calls that the code of one run has made, by position: which are open, and what was called at the others.
 *
 * Owns: positions, in the order of calls.
 * Does not own: what a call asks for (CodeCalls), what becomes of it (Replay).
 */
export class CallTable {
  /** Calls whose outcome is not recorded yet, by position. */
  readonly open = new Map<number, Call>();
  /** Those of them that something else than an event may end, in call order: the state, or in a race a signal that came before. */
  readonly waits = new Set<WaitCall>();
  /** Waits that lost their race: nothing ends them any more but a cancel request, which the code behind them hears of. */
  readonly #lost = new Set<WaitCall>();
  /** What was called at the positions that are settled, for R2. */
  readonly #settled = new Map<number, string>();
  #lastPosition = 0;

  /** How many the code has made. */
  get calls(): number {
    return this.#lastPosition;
  }

  /** The position of the next call. */
  get nextPosition(): number {
    return this.#lastPosition + 1;
  }

  /** Takes the next position. */
  takePosition(): number {
    return ++this.#lastPosition;
  }

  add(call: Call): void {
    this.open.set(call.position, call);
    if (call.kind === "wait" && (call.isTrue !== undefined || call.race !== undefined)) this.waits.add(call);
  }

  /** A call that was never open. @param what as `NondeterminismDetected` names it */
  addSettled(position: number, what: string): void {
    this.#settled.set(position, what);
  }

  close(call: Call): void {
    call.settled = true;
    this.open.delete(call.position);
    if (call.kind === "wait") this.waits.delete(call);
    this.#settled.set(call.position, call.kind);
  }

  /** Nobody waits for it any more: what is still recorded about it changes nothing. */
  lose(call: WaitCall): void {
    this.close(call);
    this.#lost.add(call);
  }

  /** What a cancel request rejects, by position: in this order the code behind them goes on. */
  get cancellable(): readonly Call[] {
    if (this.#lost.size === 0) return [...this.open.values()];
    return [...this.open.values(), ...this.#lost].toSorted((a, b) => a.position - b.position);
  }

  /**
   * The open call an event is about, `undefined` if it is settled (R3).
   *
   * @param name what the call must name too: null if it must name nothing, undefined if the event does not say
   * @throws NondeterminismDetected (R2)
   */
  of(event: CallEvent, kind: Call["kind"], name?: string | null): Call | undefined {
    const { position } = event;
    const call = this.open.get(position);
    if (call === undefined) {
      if (this.#settled.has(position)) return undefined;
      throw new NondeterminismDetected(position, describeRecord(kind, name), "nothing");
    }
    // That nobody has begun it is recorded as the failure of the step it is.
    if (kind === "step" && call.kind === "child" && call.remote !== undefined && call.remote.name === name) return call;
    if (call.kind !== kind || (name !== undefined && (nameOf(call) ?? null) !== name)) {
      throw new NondeterminismDetected(position, describeRecord(kind, name), describeCall(call));
    }
    return call;
  }
}

/** What a record about this call must name too. */
function nameOf(call: Call): string | undefined {
  switch (call.kind) {
    case "step":
      return call.name;
    case "child":
      return call.workflow.name;
    case "wait":
      return call.signal;
    case "value":
      return call.key;
    case "stream":
      return call.stream;
    case "timer":
    case "labels":
    case "attributes":
      return undefined;
  }
}

function describeRecord(kind: Call["kind"], name: string | null | undefined): string {
  if (kind === "wait" && name !== undefined) return name === null ? "a wait for the state" : `a wait for signal "${name}"`;
  if (kind === "labels" || kind === "attributes") return setterOf[kind];
  return kind === "timer" ? "sleep" : name === undefined ? `a ${kind}` : `${kind} "${name}"`;
}
