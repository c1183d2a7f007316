import { randomFillSync } from "node:crypto";
import { OptionInvalid } from "./errors.ts";
import { limits } from "./limits.ts";

const RANDOM_BYTES = 10;
const LAST_MS = 2 ** 48 - 1;
const LAST_COUNT = 0xfff;

/** The id, when it is 1 to 200 characters of `A-Z a-z 0-9 . _ : -` that start with a letter or digit. */
export function checkId(id: unknown, path: string): string {
  return check(id, path, "an id", "");
}

/** The name of a workflow, a task queue, ...: the form of an id, with `/` allowed after the first character. */
export function checkName(name: unknown, path: string): string {
  return check(name, path, "a name", "/");
}

/** What makes a call repeatable: the form of an id, with the characters that the idempotency key of a step may have, and longer. */
export function checkKey(key: unknown, path: string): string {
  return check(key, path, "a key", "/%~!*'()", limits.keyLength);
}

/** The name of a step, which people read too: any text of 1 to 200 characters without control characters. */
export function checkStepName(name: unknown, path: string): string {
  const text = checkLength(name, path, "a step's name");
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 32 || (unit >= 127 && unit < 160))
      throw new OptionInvalid(path, `a step's name holds no control characters, not U+${unit.toString(16).padStart(4, "0")} as at position ${index + 1}.`);
  }
  return text;
}

function checkLength(text: unknown, path: string, what: string, longest: number = limits.idLength): string {
  if (typeof text !== "string") throw new OptionInvalid(path, `${what} is a string, not ${text === null ? "null" : typeof text}.`);
  if (text === "") throw new OptionInvalid(path, `${what} cannot be empty.`);
  if (text.length > longest) {
    throw new OptionInvalid(path, `${what} has at most ${longest} characters, this one has ${text.length}.`);
  }
  return text;
}

function check(name: unknown, path: string, what: string, extra: string, longest?: number): string {
  const text = checkLength(name, path, what, longest);
  for (let index = 0; index < text.length; index++) {
    if (isAlphanumeric(text.charCodeAt(index))) continue;
    const character = String.fromCodePoint(text.codePointAt(index) ?? 0);
    if (index === 0) throw new OptionInvalid(path, `${what} starts with a letter or digit (A-Z a-z 0-9), not with ${JSON.stringify(character)}.`);
    if (!`._:-${extra}`.includes(character)) {
      throw new OptionInvalid(
        path,
        `${what} holds only A-Z a-z 0-9 . _ : -${extra === "" ? "" : ` ${extra}`}, not ${JSON.stringify(character)} as at position ${index + 1}.`,
      );
    }
  }
  return text;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** A version 7 UUID (RFC 9562) of a time and 10 random bytes: the first two go to `rand_a`, the others to `rand_b`. */
export function uuidv7(nowMs: number, random: Uint8Array): string {
  if (!Number.isInteger(nowMs) || nowMs < 0 || nowMs > LAST_MS) throw new OptionInvalid("nowMs", `is a whole number from 0 to ${LAST_MS}, not ${nowMs}.`);
  if (random.length !== RANDOM_BYTES) throw new OptionInvalid("random", `has ${RANDOM_BYTES} bytes, not ${random.length}.`);
  const bytes = Buffer.alloc(16);
  bytes.set(random, 6);
  return format(bytes, nowMs);
}

/** Writes time, version and variant into 16 bytes whose last ten are random, and formats them. */
function format(bytes: Buffer, nowMs: number): string {
  bytes.writeUInt32BE(Math.floor(nowMs / 0x10000), 0);
  bytes.writeUInt16BE(nowMs % 0x10000, 4);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// Asking the system for random bytes costs far more than formatting an id, so they are drawn 4 kB at a time.
const pool = Buffer.alloc(4096);
const scratch = Buffer.alloc(16);
let used = pool.length;
let lastMs = 0;
let count = 0;

/** A new version 7 UUID. Those made in one process sort in the order of making, even when the clock goes back. */
export function newUuid(): string {
  if (used + RANDOM_BYTES > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  pool.copy(scratch, 6, used, used + RANDOM_BYTES);
  used += RANDOM_BYTES;
  const nowMs = Date.now();
  if (nowMs > lastMs) lastMs = nowMs;
  else if (count < LAST_COUNT) return numbered(count + 1);
  else lastMs++; // The counter is full: borrow from the next millisecond.
  // A random start in the lower half leaves room for at least 2048 ids in this millisecond.
  return numbered(scratch.readUInt16BE(6) & (LAST_COUNT >> 1));
}

function numbered(next: number): string {
  count = next;
  scratch.writeUInt16BE(count, 6);
  return format(scratch, lastMs);
}
