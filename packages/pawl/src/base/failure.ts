import { NonRetryable } from "./errors.ts";
import { isError } from "./is-error.ts";
import { limits } from "./limits.ts";

/** A thrown value as data: what a history stores and what comes back as an Error on every replay. */
export interface Failure {
  name: string;
  message: string;
  stack?: string;
  code?: string | number;
  cause?: Failure;
  /** `encodeValue` of the error's other own enumerable fields (and an AggregateError's `errors`). */
  fields?: string;
  /** No further attempt is to be made. */
  nonRetryable?: true;
}

const OWN_PROPERTIES = new Set(["name", "message", "stack", "cause", "nonRetryable"]);
const CUT_MARK = "… [cut]";
/** Fields that take more than this when stored are thinned out. */
const FIELDS_BYTES = 16 * limits.failureTextBytes;
/** Errors in the fields of errors keep their own fields down to this level, which also ends errors that hold themselves. */
const FIELDS_NESTING = 2;

const builtIns: Readonly<Record<string, new (message: string) => Error>> = { TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError };

/** How deep the current call is inside `fieldsOf`: encoding the fields comes back here for errors in them. */
let nesting = 0;

/** Stores and restores the fields of an error. Values may hold errors and errors values: `values.ts` ties the two together. */
export type EncodeFields = (fields: object) => string;
export type DecodeFields = (text: string) => unknown;

/** Anything thrown as a Failure. Never throws; what cannot be read or stored is left out, long texts are cut. */
export function makeFailure(thrown: unknown, encode: EncodeFields): Failure {
  return failureOf(thrown, [], encode);
}

/** The Error of a failure, equal on the first run and on every replay; built-in classes come back as themselves. */
export function makeError(failure: Failure, decode: DecodeFields): Error {
  const fields = failure.fields === undefined ? {} : (decode(failure.fields) as Record<string, unknown>);
  const error = newError(failure.name, failure.message);
  if (error.name !== failure.name) define(error, "name", failure.name, false);
  define(error, "stack", failure.stack, false);
  if (failure.cause !== undefined) define(error, "cause", makeError(failure.cause, decode), false);
  if (failure.code !== undefined) define(error, "code", failure.code, true);
  if (failure.nonRetryable) define(error, "nonRetryable", true, true);
  for (const [key, value] of Object.entries(fields)) {
    define(error, key, value, !(key === "errors" && error instanceof AggregateError));
  }
  return error;
}

function newError(name: string, message: string): Error {
  // The errors, when they were kept, come with the fields. Code relies on there being a list.
  if (name === "AggregateError") return new AggregateError([], message);
  const BuiltIn = (Object.hasOwn(builtIns, name) ? builtIns[name] : undefined) ?? Error;
  return new BuiltIn(message);
}

/** Defines rather than assigns, so that a field named `__proto__` or like a setter stays data. */
function define(error: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
}

/** `effects` are the errors that this one is the cause of, outermost first. */
function failureOf(thrown: unknown, effects: readonly object[], encode: EncodeFields): Failure {
  if (typeof thrown === "string") return { name: "Error", message: cut(thrown) };
  if (typeof thrown === "function") return { name: "Error", message: "a function was thrown" };
  if (typeof thrown !== "object" || thrown === null) return { name: "Error", message: cut(`${String(thrown)} was thrown`) };
  const name = read(thrown, "name");
  const message = read(thrown, "message");
  const failure: Failure = {
    name: typeof name === "string" ? cut(classNameOf(thrown, name)) : "Error",
    message: typeof message === "string" ? cut(message) : isError(thrown) ? "" : "an object was thrown",
  };
  const stack = read(thrown, "stack");
  if (typeof stack === "string") failure.stack = cut(stack);
  const code = read(thrown, "code");
  if (isCode(code)) failure.code = typeof code === "string" ? cut(code) : code;
  const cause = read(thrown, "cause");
  const chain = [...effects, thrown];
  if (cause !== undefined && cause !== null && chain.length <= limits.failureCauses && !chain.includes(cause)) {
    failure.cause = failureOf(cause, chain, encode);
  }
  const fields = fieldsOf(thrown, encode);
  if (fields !== undefined) failure.fields = fields;
  if (isNonRetryable(thrown)) failure.nonRetryable = true;
  return failure;
}

/** Errors of a class that sets no name are called `Error`: that of the class says more, and is what retry policies name. */
function classNameOf(thrown: object, name: string): string {
  if (name !== "Error" || Object.hasOwn(thrown, "name") || !isError(thrown)) return name;
  const className = read(read(thrown, "constructor") as object, "name");
  return typeof className === "string" && className !== "" ? className : name;
}

/** Only numbers that are the same in JSON; others stay ordinary fields. */
function isCode(code: unknown): code is string | number {
  return typeof code === "string" || (Number.isFinite(code) && !Object.is(code, -0));
}

function isNonRetryable(thrown: object): boolean {
  try {
    // One of another copy of this library in the process has the same code.
    if (thrown instanceof NonRetryable || read(thrown, "code") === "NON_RETRYABLE") return true;
    return Object.hasOwn(thrown, "nonRetryable") && Boolean(read(thrown, "nonRetryable"));
  } catch {
    return false;
  }
}

function fieldsOf(thrown: object, encode: EncodeFields): string | undefined {
  if (nesting >= FIELDS_NESTING) return undefined;
  nesting++;
  try {
    const entries = fieldKeys(thrown).flatMap((key): [string, unknown][] => {
      const value = read(thrown, key);
      return value === undefined || (key === "errors" && isRestoredEmpty(thrown, value)) ? [] : [[key, value]];
    });
    if (entries.length === 0) return undefined;
    return encoded(Object.fromEntries(entries), FIELDS_BYTES, encode) ?? encoded(Object.fromEntries(thinned(entries, encode)), FIELDS_BYTES, encode);
  } catch {
    return undefined; // A Proxy whose traps throw.
  } finally {
    nesting--;
  }
}

/** An AggregateError comes back with an empty list if there is none: as if there had been none, so that it is the same failure again. */
function isRestoredEmpty(thrown: object, errors: unknown): boolean {
  return Array.isArray(errors) && errors.length === 0 && read(thrown, "name") === "AggregateError";
}

/** `errors` comes last, because a restored AggregateError has it in another place than the original. */
function fieldKeys(thrown: object): string[] {
  const keys = Object.keys(thrown).filter((key) => key !== "errors" && !OWN_PROPERTIES.has(key) && !(key === "code" && isCode(read(thrown, key))));
  return Object.hasOwn(thrown, "errors") ? [...keys, "errors"] : keys;
}

/** The fields that can be stored, as many as fit. A quarter, because each takes more room in a whole than by itself. */
function thinned(entries: readonly [string, unknown][], encode: EncodeFields): [string, unknown][] {
  let room = FIELDS_BYTES / 4;
  return entries.filter(([key, value]) => {
    const text = encoded({ [key]: value }, room, encode);
    if (text === undefined) return false;
    room -= Buffer.byteLength(text);
    return true;
  });
}

function encoded(fields: object, room: number, encode: EncodeFields): string | undefined {
  try {
    const text = encode(fields);
    return text !== "{}" && Buffer.byteLength(text) <= room ? text : undefined;
  } catch {
    return undefined;
  }
}

function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function cut(text: string): string {
  if (text.length * 3 <= limits.failureTextBytes) return text;
  const bytes = Buffer.from(text.slice(0, limits.failureTextBytes + 1));
  if (bytes.length <= limits.failureTextBytes) return text;
  let end = limits.failureTextBytes - Buffer.byteLength(CUT_MARK);
  // Not in the middle of a character: continuation bytes are 10xxxxxx.
  while (end > 0 && (bytes.readUInt8(end) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end) + CUT_MARK;
}
