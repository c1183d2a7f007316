import { stem, words } from "./words.ts";
import type { Hit } from "./vector-store.ts";

const SNIPPET_LENGTH = 280;

/** Search results for people: where, how sure, and the part of the text that has most of the question's words. */
export function formatHits(hits: readonly Hit[], question: string): string {
  if (hits.length === 0) return "No document has anything to do with this question.";
  return hits
    .map((hit, index) => {
      const heading = hit.heading === "" ? "" : ` › ${hit.heading}`;
      const scores = `score ${hit.score.toFixed(2)}, similarity ${hit.similarity.toFixed(2)}`;
      return `${index + 1}. ${hit.path}${heading}  (${scores})\n${indent(snippet(hit.text, question))}`;
    })
    .join("\n\n");
}

/** At most `SNIPPET_LENGTH` characters of the text, cut at words, from where the question's words are densest. */
export function snippet(text: string, question: string): string {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= SNIPPET_LENGTH) return flat;
  const wanted = new Set(words(question).map(stem));
  const starts = [0, ...[...flat.matchAll(/(?<=[.!?:;|] )\S/g)].map((match) => match.index)];
  const lastStart = flat.length - SNIPPET_LENGTH / 2;
  const found = (start: number): number =>
    new Set(
      words(flat.slice(start, start + SNIPPET_LENGTH))
        .map(stem)
        .filter((word) => wanted.has(word)),
    ).size;
  let best = 0;
  let bestFound = found(0);
  for (const start of starts.filter((candidate) => candidate <= lastStart)) {
    const candidateFound = found(start);
    // Of equals the last: it begins nearest to the words.
    if (candidateFound > 0 && candidateFound >= bestFound) [best, bestFound] = [start, candidateFound];
  }
  const end = best + SNIPPET_LENGTH;
  const body = end >= flat.length ? flat.slice(best) : `${flat.slice(best, Math.max(flat.lastIndexOf(" ", end), best + 1))} …`;
  return `${best > 0 ? "… " : ""}${body}`;
}

function indent(text: string): string {
  return `   ${text}`;
}
