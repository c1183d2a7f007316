import { decodeValue } from "../base/values.ts";

/**
 * A user's value on its way to or from storage: as text just after encoding, as a value just after an event was parsed.
 * Whoever reads it gets a fresh copy from the text, so that live and replayed code see equal values.
 */
export type Payload = { readonly text: string } | { readonly value: unknown };

export function readPayload(payload: Payload): unknown {
  return "text" in payload ? decodeValue(payload.text) : payload.value;
}
