import { OptionInvalid } from "./errors.ts";

/** PostgreSQL takes neither NUL nor half of a surrogate pair. */
const unstorable = /\u0000|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** @throws OptionInvalid if it is not storable */
export function checkStorable(text: string, path: string): void {
  if (!isStorable(text)) throw new OptionInvalid(path, "holds a NUL character or half of a surrogate pair, which PostgreSQL cannot store.");
}

/** Whether a column of `text` or `jsonb` holds this text as it is. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}
