import { OptionInvalid } from "./errors.ts";
import { kindOf } from "./kind-of.ts";

/** Every option of a type, of a union those of all its members: with `satisfies`, the compiler says which one was forgotten. */
export type KnownKeys<Options> = Readonly<Record<Options extends unknown ? keyof Options : never, true>>;

/**
 * An option that nobody reads is a mistake that would do harm unseen: a limit that does not hold, a policy for everything. On the path of
 * every start and step, so it looks at what is given, not at what could be.
 *
 * @param path names the object in errors @throws OptionInvalid
 */
export function checkKeys(options: unknown, known: Readonly<Record<string, true>>, path: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new OptionInvalid(path, `must be an object with options, not ${kindOf(options)}. ${listed(known)}`);
  // What every object inherits, such as `constructor`, is not `true`.
  for (const key in options) if (known[key] !== true) throw unknownKey(key, known, path);
}

function unknownKey(key: string, known: Readonly<Record<string, true>>, path: string): OptionInvalid {
  const meant = nearest(key, Object.keys(known));
  const question = meant === undefined ? "." : `; did you mean ${meant}?`;
  return new OptionInvalid(`${path}.${key.slice(0, 60)}`, `there is no such option${question} ${listed(known)}`);
}

function listed(known: Readonly<Record<string, true>>): string {
  return `Known: ${Object.keys(known).join(", ")}.`;
}

/** The name that a third of changed letters, or less, makes of this one. */
function nearest(key: string, names: readonly string[]): string | undefined {
  if (key.length > 60) return undefined;
  let best: { readonly name: string; readonly changes: number } | undefined;
  for (const name of names) {
    const changes = distance(key.toLowerCase(), name.toLowerCase());
    if (changes <= Math.max(key.length, name.length) / 3 && changes < (best?.changes ?? Number.POSITIVE_INFINITY)) best = { name, changes };
  }
  return best?.name;
}

/** How many letters have to be put in, taken out or replaced to make one text of the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[other.length]!;
}
