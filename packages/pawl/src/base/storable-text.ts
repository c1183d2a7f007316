/** PostgreSQL takes neither NUL nor half of a surrogate pair. */
const unstorable = /\u0000|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Whether a column of `text` or `jsonb` holds this text as it is. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}
