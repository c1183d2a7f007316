import { normaliseVector, type Embedder, type Vector } from "./embedder.ts";
import { stem, words } from "./words.ts";

const DIMENSIONS = 512;
// A pair of words is rarer than either, so it says more where it matches and is noise where it does not.
const BIGRAM_WEIGHT = 0.6;

/**
 * Works without a network or a model: counts stemmed words and pairs of neighbours, each hashed to one of 512 places.
 * It sees which words texts share and nothing of what they mean; "car" and "automobile" are strangers to it.
 */
export const localLexicalEmbedder: Embedder = {
  id: "local-lexical-512",
  // Words that happen to share a place give a cosine of about 0 ± 1/√512; among thousands of chunks some reach five times that.
  chanceSimilarity: 5 / Math.sqrt(DIMENSIONS),
  embed: (texts) => Promise.resolve(texts.map(lexicalVector)),
};

export function lexicalVector(text: string): Vector {
  const stems = words(text).map(stem);
  const counts = new Map<string, number>();
  for (const [index, current] of stems.entries()) {
    count(counts, current);
    const next = stems[index + 1];
    if (next !== undefined) count(counts, `${current} ${next}`);
  }
  const vector = Array.from({ length: DIMENSIONS }, () => 0);
  for (const [feature, times] of counts) {
    const hash = fnv1a(feature);
    const place = hash % DIMENSIONS;
    // A sign from another bit of the hash lets features that share a place cancel out instead of adding up.
    const sign = hash >>> 31 === 0 ? 1 : -1;
    const weight = (1 + Math.log(times)) * (feature.includes(" ") ? BIGRAM_WEIGHT : 1);
    vector[place] = (vector[place] ?? 0) + sign * weight;
  }
  return normaliseVector(vector);
}

function count(counts: Map<string, number>, feature: string): void {
  counts.set(feature, (counts.get(feature) ?? 0) + 1);
}

/** FNV-1a, 32 bits, with a final mix: its low bits alone spread short words badly. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
