/** Where a text may be cut, best first. Each matches the blanks that the cut consumes. */
const boundaries: readonly RegExp[] = [
  /\n\s*\n/g, // paragraphs
  /\n/g, // lines: code, tables, lists
  /(?<=[.!?…。！？])\s+/g, // sentences
  /\s+/g, // words
];

/**
 * Cuts a text into pieces of at most `length` characters, at the best boundary that gives pieces that small, and packs
 * neighbours together again as long as they fit. Only blanks are lost.
 */
export function splitText(text: string, length: number): string[] {
  return pack(cut(text.trim(), length, 0), length);
}

interface Piece {
  readonly text: string;
  /** The blanks between this piece and the one before it. */
  readonly gap: string;
}

function cut(text: string, length: number, level: number): Piece[] {
  if (text.length <= length) return text === "" ? [] : [{ text, gap: "" }];
  const boundary = boundaries[level];
  if (boundary === undefined) return cutAnywhere(text, length);
  const pieces: Piece[] = [];
  let start = 0;
  let gap = "";
  const add = (end: number): void => {
    const [first, ...rest] = cut(text.slice(start, end), length, level + 1);
    if (first !== undefined) pieces.push({ text: first.text, gap }, ...rest);
  };
  for (const match of text.matchAll(boundary)) {
    add(match.index);
    gap = match[0];
    start = match.index + gap.length;
  }
  add(text.length);
  return pieces;
}

/** A word longer than a chunk: a data URL, or a language without blanks. Never cuts a surrogate pair. */
function cutAnywhere(text: string, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + length, text.length);
    if (end < text.length && isLowSurrogate(text.charCodeAt(end)) && end - 1 > start) end--;
    pieces.push({ text: text.slice(start, end), gap: "" });
    start = end;
  }
  return pieces;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

function pack(pieces: readonly Piece[], length: number): string[] {
  const packed: string[] = [];
  let current = "";
  for (const { text, gap } of pieces) {
    if (current !== "" && current.length + gap.length + text.length <= length) {
      current += gap + text;
    } else {
      if (current !== "") packed.push(current);
      current = text;
    }
  }
  if (current !== "") packed.push(current);
  return packed;
}
