import { types } from "node:util";
import { ValueNotSerializable, ValueTooDeep, ValueTooLarge } from "./errors.ts";
import { isError } from "./is-error.ts";
import { limits } from "./limits.ts";

/** A path in an error message is cut in the middle beyond this many characters. */
const PATH_LENGTH = 240;

/** What an object that was walked already adds to the whole where it is met again. */
interface Measure {
  readonly height: number;
  readonly size: number;
}

/** The thorough walk over a value: throws with the path and the reason of the first thing that cannot be stored. */
export class ValueInspection {
  /** Least bytes of all that was met, so that a value too large is refused before it is turned into text. */
  #size = 0;
  #depth = 0;
  /** The greatest depth met inside the object that is being walked. */
  #deepest = 0;
  /** Walked objects; `undefined` for those around the current one. Each is walked once, however often it is referenced. */
  readonly #measures = new Map<object, Measure | undefined>();
  readonly #root: string;
  /** Property keys and indexes; what is in brackets here is a piece of path as it stands. */
  readonly #trail: (string | number | readonly [string])[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** Returns when the value can be stored, as far as its size can be told before it is text. */
  run(value: unknown): void {
    this.#check(value);
    this.#checkSize();
  }

  #check(value: unknown): void {
    this.#size += 2;
    if (typeof value === "string") this.#size += value.length;
    else if (typeof value === "function") this.#refuse("a function");
    else if (typeof value === "symbol") this.#refuse("a symbol");
    else if (typeof value === "object" && value !== null) this.#checkObject(value);
  }

  #checkObject(value: object): void {
    if (types.isProxy(value)) this.#refuse("a Proxy");
    if (isError(value)) return; // Whatever an error holds, `toFailure` makes it storable.
    if (types.isUint8Array(value)) {
      this.#size += Math.ceil((value.byteLength * 4) / 3);
      return;
    }
    if (this.#measures.has(value)) this.#meetAgain(this.#measures.get(value));
    else this.#enter(value);
  }

  #meetAgain(measure: Measure | undefined): void {
    if (measure === undefined) this.#refuse("a circular reference");
    this.#checkDepth(this.#depth + measure.height);
    this.#size += measure.size;
  }

  #enter(value: object): void {
    this.#checkSize();
    const sizeBefore = this.#size;
    const deepestBefore = this.#deepest;
    this.#depth++;
    this.#deepest = 0;
    this.#checkDepth(this.#depth);
    this.#measures.set(value, undefined);
    if (Array.isArray(value)) this.#checkArray(value);
    else if (types.isMap(value) && chainLength(value) === 2) this.#checkMap(value);
    else if (types.isSet(value) && chainLength(value) === 2) this.#checkSet(value);
    else if (!types.isDate(value) || chainLength(value) !== 2) this.#checkPlain(value);
    this.#depth--;
    this.#measures.set(value, { height: this.#deepest - this.#depth, size: this.#size - sizeBefore });
    this.#deepest = Math.max(this.#deepest, deepestBefore);
  }

  #checkDepth(depth: number): void {
    if (depth > limits.valueDepth) throw new ValueTooDeep(this.#path(), limits.valueDepth);
    this.#deepest = Math.max(this.#deepest, depth);
  }

  #checkSize(): void {
    if (this.#size > limits.valueBytes) throw new ValueTooLarge(this.#root, this.#size, limits.valueBytes);
  }

  #checkArray(value: unknown[]): void {
    // Array.prototype is itself an array, in every realm; the prototype of a subclass is not.
    if (!Array.isArray(Object.getPrototypeOf(value))) this.#refuse(describe(value));
    if (hasToJson(value)) this.#refuse("an array with a toJSON method");
    // By keys and not by length: `array[4_000_000_000] = 1` is one element.
    for (const key of Object.keys(value)) {
      const index = Number(key);
      if (!Number.isInteger(index)) break;
      this.#checkProperty(value, index);
    }
  }

  #checkMap(value: Map<unknown, unknown>): void {
    let index = 0;
    for (const [key, entry] of value) {
      this.#checkAt(`.entries[${index}][0]`, key);
      this.#checkAt(typeof key === "string" ? `.get(${JSON.stringify(key.slice(0, PATH_LENGTH))})` : `.entries[${index}][1]`, entry);
      index++;
    }
  }

  #checkSet(value: Set<unknown>): void {
    let index = 0;
    for (const entry of value) this.#checkAt(`.values[${index++}]`, entry);
  }

  #checkPlain(value: object): void {
    if (!isPlainObject(value)) this.#refuse(describe(value));
    if (hasToJson(value)) this.#refuse("an object with a toJSON method");
    if (Object.getOwnPropertySymbols(value).length > 0) this.#refuse("an object with symbol keys");
    for (const key of Object.keys(value)) {
      this.#size += key.length;
      this.#checkProperty(value, key);
    }
  }

  #checkProperty(value: object, key: string | number): void {
    let property: unknown;
    this.#trail.push(key);
    try {
      property = (value as Record<string | number, unknown>)[key];
    } catch {
      this.#refuse("a property whose getter throws");
    }
    this.#check(property);
    this.#trail.pop();
  }

  #checkAt(piece: string, value: unknown): void {
    this.#trail.push([piece]);
    this.#check(value);
    this.#trail.pop();
  }

  #refuse(kind: string): never {
    throw new ValueNotSerializable(this.#path(), kind);
  }

  #path(): string {
    const pieces = this.#trail.map((step) => (typeof step === "object" ? step[0] : typeof step === "number" ? `[${step}]` : keyPiece(step)));
    const path = this.#root + pieces.join("");
    if (path.length <= PATH_LENGTH) return path;
    return `${path.slice(0, PATH_LENGTH / 2)}…${path.slice(-PATH_LENGTH / 2)}`;
  }
}

function keyPiece(key: string): string {
  const start = key.slice(0, PATH_LENGTH);
  return /^[A-Za-z_$][\w$]*$/.test(start) ? `.${start}` : `[${JSON.stringify(start)}]`;
}

/** Whether JSON.stringify would store something else in place of this object. */
export function hasToJson(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

/** Plain objects of every realm, and those without a prototype. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (chainLength(value) === 1 && Object.hasOwn(prototype as object, "hasOwnProperty"));
}

/** How many prototypes there are up to `null`; tells a Map or Date from an instance of a subclass in every realm. */
function chainLength(value: object): number {
  let length = 0;
  for (let prototype: unknown = Object.getPrototypeOf(value); prototype !== null; length++) prototype = Object.getPrototypeOf(prototype);
  return length;
}

function describe(value: object): string {
  if (types.isPromise(value)) return "a promise";
  if (types.isRegExp(value)) return "a regular expression";
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" ? `an instance of ${name.slice(0, PATH_LENGTH)}` : "an instance of a class";
}
