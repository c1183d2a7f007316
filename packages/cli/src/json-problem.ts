/** Where a text stops being JSON, counted from 0, and what could stand there. JSON.parse tells only sometimes, and not in all versions alike. */
export interface JsonProblem {
  readonly position: number;
  readonly expected: string;
}

// JSON forbids raw control characters in strings.
const token =
  /[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)/y;
const space = /[ \t\n\r]*/y;

/** What may come next: a value, a value or `]`, a key or `}`, a key, a colon, or what follows a value. */
type Expected = "value" | "valueOrEnd" | "keyOrEnd" | "key" | "colon" | "after";

export function jsonProblem(text: string): JsonProblem {
  const open: ("{" | "[")[] = [];
  let next: Expected = "value";
  let position = 0;
  for (;;) {
    space.lastIndex = position;
    position += space.exec(text)![0].length;
    token.lastIndex = position;
    const found = token.exec(text)?.[0];
    const after: Expected | undefined = found === undefined ? undefined : accept(found, next, open);
    if (after === undefined || found === undefined) return { position, expected: inWords(next, open.at(-1)) };
    next = after;
    position += found.length;
  }
}

/** What may follow `found`, or undefined if it may not stand there. Keeps `open` up to date. */
function accept(found: string, expected: Expected, open: ("{" | "[")[]): Expected | undefined {
  const isString = found.startsWith('"');
  if (expected === "colon") return found === ":" ? "value" : undefined;
  if (expected === "key" || (expected === "keyOrEnd" && found !== "}")) return isString ? "colon" : undefined;
  const closes = found === (open.at(-1) === "{" ? "}" : "]") && open.length > 0;
  if (closes && expected !== "value") {
    open.pop();
    return "after";
  }
  if (expected === "after") {
    if (found !== "," || open.length === 0) return undefined;
    return open.at(-1) === "{" ? "key" : "value";
  }
  if (found === "{" || found === "[") {
    open.push(found);
    return found === "{" ? "keyOrEnd" : "valueOrEnd";
  }
  return isString || /^[-\dtfn]/.test(found) ? "after" : undefined;
}

function inWords(expected: Expected, inside: "{" | "[" | undefined): string {
  switch (expected) {
    case "value":
      return "a value";
    case "valueOrEnd":
      return 'a value or "]"';
    case "keyOrEnd":
      return 'a key in double quotes or "}"';
    case "key":
      return "a key in double quotes";
    case "colon":
      return '":"';
    case "after":
      return inside === undefined ? "the end" : `"," or "${inside === "{" ? "}" : "]"}"`;
  }
}
