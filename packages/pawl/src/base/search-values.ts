import { OptionInvalid } from "./errors.ts";
import { kindOf } from "./kind-of.ts";
import { limits } from "./limits.ts";
import { checkStorable } from "./storable-text.ts";

/** What an execution belongs to: names and texts, given at its start and changed by its code. */
export type Labels = Readonly<Record<string, string>>;

/** `null` takes a label away. */
export type LabelChanges = Readonly<Record<string, string | null>>;

/** A value that executions can be found by. A `Date` counts in whole milliseconds. */
export type AttributeValue = string | number | boolean | Date;

/** What is known of an execution so far: names and typed values, given at its start and changed by its code. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** `null` takes an attribute away. */
export type AttributeChanges = Readonly<Record<string, AttributeValue | null>>;

/** An attribute as rows and events hold it: a time is told from a text by its form. Milliseconds since 1970. */
export type StoredAttribute = string | number | boolean | { readonly time: number };
export type StoredAttributes = Readonly<Record<string, StoredAttribute>>;
export type StoredChanges = Readonly<Record<string, StoredAttribute | null>>;

const attributeName = /^[A-Za-z][A-Za-z0-9_]*$/;
const labelName = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/;

/** Copies them, undefined where there are none. @throws OptionInvalid naming the label */
export function checkLabels(labels: unknown, path: string): Labels | undefined {
  return checkAll(label, labels, path);
}

/** As `checkLabels`, with `null` for what is taken away. @throws OptionInvalid naming the label, or if there is none */
export function checkLabelChanges(changes: unknown, path: string): LabelChanges {
  return checkChanges(label, changes, path);
}

/** In their stored form, undefined where there are none. @throws OptionInvalid naming the attribute */
export function checkAttributes(attributes: unknown, path: string): StoredAttributes | undefined {
  return checkAll(attribute, attributes, path);
}

/** As `checkAttributes`, with `null` for what is taken away. @throws OptionInvalid naming the attribute, or if there is none */
export function checkAttributeChanges(changes: unknown, path: string): StoredChanges {
  return checkChanges(attribute, changes, path);
}

/** Of stored labels that come from outside: those of the start, and what code has added since. @throws OptionInvalid */
export function checkStoredLabels(stored: unknown, path: string): void {
  for (const entry of entriesOf(stored, path, "labels", Number.POSITIVE_INFINITY)) checkEntry(label, entry, path);
}

/** Of stored attributes that come from outside: those of the start, and what code has added since. @throws OptionInvalid */
export function checkStoredAttributes(stored: unknown, path: string): void {
  for (const [name, value] of entriesOf(stored, path, "attributes", Number.POSITIVE_INFINITY)) {
    attribute.checkName(name, path);
    const isTime = typeof value === "object" && value !== null && Object.keys(value).length === 1 && Number.isInteger((value as { time?: unknown }).time);
    if (value !== null && !isTime) storedAttribute(value, `${path}.${name}`);
  }
}

/** What becomes of labels or attributes through changes; undefined where none is left. */
export function changed<Value>(
  before: Readonly<Record<string, Value>> | undefined,
  changes: Readonly<Record<string, Value | null>>,
): Readonly<Record<string, Value>> | undefined {
  const left = Object.entries({ ...before, ...changes }).filter((entry): entry is [string, Value] => entry[1] !== null);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

/** Stored attributes as users see them. */
export function readAttributes(stored: StoredAttributes | null | undefined): Attributes {
  return Object.fromEntries(Object.entries(stored ?? {}).map(([name, value]) => [name, typeof value === "object" ? new Date(value.time) : value]));
}

/** What may stand in an entry; both throw `OptionInvalid`. */
interface EntryRules<Value> {
  readonly what: "label" | "attribute";
  readonly checkName: (name: string, path: string) => void;
  /** The value in its stored form. */
  readonly stored: (value: unknown, path: string) => Value;
}

const label: EntryRules<string> = {
  what: "label",
  checkName(name, path) {
    if (!labelName.test(name) || name.length > limits.searchNameLength)
      throw new OptionInvalid(
        `${path}.${shorten(name)}`,
        `a label's name is 1 to ${limits.searchNameLength} characters of A-Z a-z 0-9 . _ / - and starts with a letter or digit.`,
      );
  },
  stored(value, path) {
    if (typeof value !== "string") throw new OptionInvalid(path, `a label is a string, not ${kindOf(value)}. Numbers and times are attributes.`);
    return checkText(value, path, "a label", limits.labelLength);
  },
};

const attribute: EntryRules<StoredAttribute> = {
  what: "attribute",
  checkName(name, path) {
    if (!attributeName.test(name) || name.length > limits.searchNameLength)
      throw new OptionInvalid(
        `${path}.${shorten(name)}`,
        `an attribute's name is a letter followed by letters, digits and underscores, at most ${limits.searchNameLength} characters.`,
      );
  },
  stored: storedAttribute,
};

function checkAll<Value>(rules: EntryRules<Value>, given: unknown, path: string): Readonly<Record<string, Value>> | undefined {
  const entries = entriesOf(given, path, `${rules.what}s`);
  return entries.length === 0 ? undefined : Object.fromEntries(entries.map((entry) => checkEntry(rules, entry, path)));
}

function checkChanges<Value>(rules: EntryRules<Value>, given: unknown, path: string): Readonly<Record<string, Value | null>> {
  const entries = entriesOf(given, path, `${rules.what}s`);
  if (entries.length === 0)
    throw new OptionInvalid(path, `names no ${rules.what}; write, for example, { customer: "acme" }, or { customer: null } to take one away.`);
  const { stored } = rules;
  const orNull: EntryRules<Value | null> = { ...rules, stored: (value, where) => (value === null ? null : stored(value, where)) };
  return Object.fromEntries(entries.map((entry) => checkEntry(orNull, entry, path)));
}

function checkEntry<Value>({ checkName, stored }: EntryRules<Value>, [name, value]: readonly [string, unknown], path: string): readonly [string, Value] {
  checkName(name, path);
  return [name, stored(value, `${path}.${name}`)];
}

function entriesOf(given: unknown, path: string, what: string, most: number = limits.searchNames): readonly (readonly [string, unknown])[] {
  if (given === undefined) return [];
  if (typeof given !== "object" || given === null || Array.isArray(given) || given instanceof Date || given instanceof Map)
    throw new OptionInvalid(path, `${what} are an object of names and values, not ${kindOf(given)}.`);
  const entries = Object.entries(given);
  if (entries.length > most) throw new OptionInvalid(path, `has ${entries.length} ${what}; at most ${most} are allowed.`);
  return entries;
}

function storedAttribute(value: unknown, path: string): StoredAttribute {
  switch (typeof value) {
    case "string":
      return checkText(value, path, "an attribute", limits.attributeLength);
    case "boolean":
      return value;
    case "number":
      // Adding zero makes -0 an ordinary 0, as the database has it.
      if (Number.isFinite(value)) return value + 0;
      throw new OptionInvalid(path, `is ${value}; a number that executions are found by is finite.`);
    default:
      if (!(value instanceof Date)) throw new OptionInvalid(path, `is ${kindOf(value)}; an attribute is a string, a number, a boolean or a Date.`);
      if (Number.isNaN(value.getTime())) throw new OptionInvalid(path, "is an invalid Date.");
      return { time: value.getTime() };
  }
}

function checkText(text: string, path: string, what: string, longest: number): string {
  if (text.length > longest) throw new OptionInvalid(path, `has ${text.length} characters; ${what} has at most ${longest}. Put longer texts into the input.`);
  checkStorable(text, path);
  return text;
}

function shorten(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}...` : name;
}
