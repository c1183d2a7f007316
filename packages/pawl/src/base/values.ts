import { types } from "node:util";
import { parse, stringify } from "devalue";
import { PawlError, ValueNotSerializable, ValueTooLarge } from "./errors.ts";
import { type Failure, makeError, makeFailure } from "./failure.ts";
import { isError } from "./is-error.ts";
import { limits } from "./limits.ts";
import { hasToJson, isPlainObject, ValueInspection } from "./value-inspection.ts";

/** Marks a stored value that is devalue text. No JSON text starts with it. */
const RICH = "#";
const UNDEFINED = "#-1";

/**
 * The text a value is stored as: JSON when that keeps the value whole, else `#` and devalue's format. The text holds
 * no NUL and no lone surrogate, so PostgreSQL `text` takes it. An object that is referenced twice may come back as two
 * equal ones; an array is its elements only, extra named properties are not kept. `path` names the value in errors.
 *
 * @throws ValueNotSerializable, ValueTooDeep or ValueTooLarge. The size counts every reference to a shared object.
 */
export function encodeValue(value: unknown, path: string): string {
  if (value === undefined) return UNDEFINED;
  return withinLimit(plainText(value, path) ?? richText(value, path), path);
}

/** The text of one chunk of a stream. @throws as `encodeValue`; a chunk may take less than another value */
export function encodeChunk(value: unknown): string {
  const text = encodeValue(value, "chunk");
  // Most are a few characters long; a character takes at most three bytes.
  const bytes = text.length * 3 <= limits.chunkBytes ? 0 : Buffer.byteLength(text);
  if (bytes > limits.chunkBytes) throw new ValueTooLarge("chunk", bytes, limits.chunkBytes);
  return text;
}

/** The value as it comes back once it has been stored. @throws what `encodeValue` throws */
export function copyValue(value: unknown, path: string): unknown {
  return decodeValue(encodeValue(value, path));
}

/** The value that `encodeValue` made this text from. */
export function decodeValue(text: string): unknown {
  if (text === UNDEFINED) return undefined;
  return text.startsWith(RICH) ? parse(text.slice(RICH.length), revivers) : JSON.parse(text);
}

const reducers = {
  Error: (value: unknown) => isError(value) && toFailure(value),
  // devalue would store the whole buffer behind a view, with bytes that are not part of the value.
  Bytes: (value: unknown) => types.isUint8Array(value) && [Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")],
  // devalue refuses objects with a `__proto__` key; as entries they are harmless.
  Entries: (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    Object.hasOwn(value, "__proto__") &&
    isPlainObject(value) && [Object.getPrototypeOf(value) === null, Object.entries(value)],
};

const revivers = {
  Error: (failure: Failure) => toError(failure),
  Bytes: ([base64]: [string]) => new Uint8Array(Buffer.from(base64, "base64")),
  Entries: ([nullPrototype, entries]: [boolean, [string, unknown][]]) => {
    const object = Object.fromEntries(entries);
    return nullPrototype ? Object.setPrototypeOf(object, null) : object;
  },
};

function plainText(value: unknown, path: string): string | undefined {
  let size: number;
  try {
    size = plainSize(value, 0, 0);
    if (size >= 0 && size <= limits.valueBytes) return JSON.stringify(value);
  } catch {
    return undefined; // A getter threw: `ValueInspection` meets it again and tells where.
  }
  if (size > limits.valueBytes) throw new ValueTooLarge(path, size, limits.valueBytes);
  return undefined;
}

function richText(value: unknown, path: string): string {
  try {
    new ValueInspection(path).run(value);
    return RICH + stringify(value, reducers);
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw new ValueNotSerializable(path, "an object that cannot be read");
  }
}

function withinLimit(text: string, path: string): string {
  // A UTF-16 unit takes at most three bytes, so most texts need no count.
  if (text.length * 3 <= limits.valueBytes) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.valueBytes) throw new ValueTooLarge(path, bytes, limits.valueBytes);
  return text;
}

/**
 * The hot path: `spent` plus the least number of bytes that `value` takes as JSON, or -1 when it is not plain JSON
 * or too deep: it knows no paths and no reasons, `ValueInspection` finds them. It ends as soon as the size is
 * over the limit, which also stops it where few objects refer to each other very often.
 */
function plainSize(value: unknown, depth: number, spent: number): number {
  switch (typeof value) {
    case "string":
      return spent + value.length + 2;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? spent + 1 : -1;
    case "boolean":
      return spent + 4;
    case "object":
      break;
    default:
      return -1;
  }
  if (value === null) return spent + 4;
  if (depth >= limits.valueDepth || types.isProxy(value)) return -1;
  const prototype: unknown = Object.getPrototypeOf(value);
  let size = spent + 1;
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype || hasToJson(value)) return -1;
    for (let index = 0; index < value.length; index++) {
      size = plainSize(value[index], depth + 1, size + 1);
      if (size < 0 || size > limits.valueBytes) break;
    }
    return size;
  }
  if (prototype !== Object.prototype || hasToJson(value) || Object.getOwnPropertySymbols(value).length > 0) return -1;
  for (const key in value) {
    size = plainSize((value as Record<string, unknown>)[key], depth + 1, size + key.length + 3);
    if (size < 0 || size > limits.valueBytes) break;
  }
  return size;
}

/** Anything thrown as a Failure, its fields stored like values. Never throws. */
export function toFailure(thrown: unknown): Failure {
  return makeFailure(thrown, (fields) => encodeValue(fields, "error"));
}

/** The Error of a failure, equal on the first run and on every replay. */
export function toError(failure: Failure): Error {
  return makeError(failure, decodeValue);
}
