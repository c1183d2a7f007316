import { MessageUnknown, PayloadInvalid } from "../base/errors.ts";
import { checkKey, checkName } from "../base/ids.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { encodeValue } from "../base/values.ts";
import { payloadIssues } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { signalInboxId } from "../kernel/inbox-id.ts";
import type { OutsideMessage } from "../store/store.ts";

/** A signal, checked and ready to be sent. @throws OptionInvalid, MessageUnknown, PayloadInvalid; what cannot be stored */
export function signalMessage(
  to: { readonly executionId: string; readonly workflow: AnyWorkflow | undefined },
  signal: { readonly name: string; readonly payload: unknown; readonly signalId?: string | undefined },
  { runtime, telemetry }: { readonly runtime: Pick<Runtime, "newUuid">; readonly telemetry: Telemetry | undefined },
): OutsideMessage {
  const name = checkName(signal.name, "signal name");
  checkMessage(to.workflow, "signal", name, signal.payload);
  const signalId = signal.signalId === undefined ? runtime.newUuid() : checkKey(signal.signalId, "signalId");
  const traceparent = telemetry?.sending();
  const data = encodeEvent({
    type: "SignalReceived",
    signalId,
    name,
    ...(traceparent === undefined ? {} : { traceparent }),
    payload: { text: encodeValue(signal.payload, "payload") },
  });
  return { executionId: to.executionId, messageId: signalInboxId(signalId), type: "SignalReceived", data };
}

/** Against the definition, where this process has it: who sent it hears of a mistake at once. */
export function checkMessage(workflow: AnyWorkflow | undefined, kind: "signal" | "update", name: string, payload: unknown): void {
  if (workflow === undefined) return;
  const known = kind === "signal" ? workflow.signals : workflow.updates;
  if (!Object.hasOwn(known, name)) throw new MessageUnknown(workflow.name, kind, name, Object.keys(known));
  const schema = kind === "signal" ? workflow.signals[name] : workflow.updates[name]?.input;
  const issues = schema === undefined ? undefined : payloadIssues(schema, payload);
  if (issues !== undefined) throw new PayloadInvalid(`${kind} "${name}"`, issues);
}
