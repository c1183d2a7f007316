import { EncodingUnreadable, NotText } from "../document-errors.ts";

/**
 * Bytes to text. A byte order mark decides first, then the encoding the document declares, then the bytes themselves:
 * UTF-16 where every other byte of a sample is zero, UTF-8 where it is valid, Windows-1252 (a superset of Latin-1)
 * for what is left. Never guesses silently at binary data.
 */
export function decodeText(bytes: Uint8Array, declaredEncoding?: string): string {
  const encoding = encodingByMark(bytes) ?? declaredEncoding ?? encodingBySample(bytes);
  const text = encoding === undefined ? decodeUtf8OrWindows1252(bytes) : decodeAs(encoding, bytes);
  if (looksBinary(text)) throw new NotText();
  return text;
}

function encodingByMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  return undefined;
}

const SAMPLE_BYTES = 4096;

function encodingBySample(bytes: Uint8Array): string | undefined {
  const pairs = Math.floor(Math.min(bytes.length, SAMPLE_BYTES) / 2);
  let zerosFirst = 0;
  let zerosSecond = 0;
  for (let pair = 0; pair < pairs; pair++) {
    if (bytes[2 * pair] === 0) zerosFirst++;
    if (bytes[2 * pair + 1] === 0) zerosSecond++;
  }
  // Western text in UTF-16 has a zero in nearly every pair, always on the same side; binary data has them on both.
  const many = pairs * 0.7;
  if (zerosSecond > many && zerosFirst === 0) return "utf-16le";
  if (zerosFirst > many && zerosSecond === 0) return "utf-16be";
  return undefined;
}

function decodeUtf8OrWindows1252(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return decodeAs("windows-1252", bytes);
  }
}

function decodeAs(encoding: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new EncodingUnreadable(encoding, { cause });
  }
}

/** More than one character in a hundred is a control that text does not have (C1 controls: bytes Windows-1252 leaves undefined). */
function looksBinary(text: string): boolean {
  const controls = text.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/g)?.length ?? 0;
  return controls > 0 && (controls > text.length / 100 || text.includes("\u0000"));
}
