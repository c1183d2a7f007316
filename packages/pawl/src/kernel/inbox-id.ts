import type { Event } from "./event.ts";

/** What signals and updates are known by, in the inbox and to later runs: a signal and an update of one id are two messages. */

export function signalInboxId(signalId: string): string {
  return `signal:${signalId}`;
}

/** Signals stay in the inbox of an execution that has ended: they are acknowledged, and a run that goes on from there gets them. */
export function isSignalInboxId(messageId: string): boolean {
  return messageId.startsWith(signalInboxId(""));
}

export function updateInboxId(updateId: string): string {
  return `update:${updateId}`;
}

/** Of the signal or update that was received; undefined for any other event. */
export function inboxIdOf(event: Event): string | undefined {
  if (event.type === "SignalReceived") return signalInboxId(event.signalId);
  return event.type === "UpdateReceived" ? updateInboxId(event.updateId) : undefined;
}
