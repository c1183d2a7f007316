import { createHash } from "node:crypto";
import type { Section } from "./section.ts";
import { splitText } from "./split-text.ts";

export interface Chunk {
  /** From heading and text, so it stays the same when other parts of the document change. Unique in its document. */
  readonly id: string;
  readonly heading: string;
  readonly text: string;
}

export interface ChunkOptions {
  /** Characters a chunk aims at. It holds at most `targetLength + overlap`. */
  readonly targetLength?: number;
  /** Characters repeated from the end of the chunk before, so that a thought cut in two is whole in one of them. */
  readonly overlap?: number;
}

/** Cuts a document for retrieval: never across headings, at paragraphs where it can, else at lines, sentences, words. */
export function chunkSections(sections: readonly Section[], options: ChunkOptions = {}): Chunk[] {
  const { targetLength = 800, overlap = 120 } = options;
  const timesSeen = new Map<string, number>();
  return sections.flatMap(({ heading, text }) =>
    splitText(text, targetLength)
      .map((piece, index, pieces) => withOverlap(pieces[index - 1], piece, overlap))
      .map((chunkText) => {
        const content = `${heading}\u0000${chunkText}`;
        const times = timesSeen.get(content) ?? 0;
        timesSeen.set(content, times + 1);
        return { id: chunkId(content, times), heading, text: chunkText };
      }),
  );
}

/** What is embedded: the heading says what the text is about, often in words the text leaves out. */
export function embeddingInput(chunk: Chunk): string {
  return chunk.heading === "" ? chunk.text : `${chunk.heading}\n${chunk.text}`;
}

function chunkId(content: string, times: number): string {
  return createHash("sha256").update(`${content}\u0000${times}`).digest("hex").slice(0, 24);
}

function withOverlap(previous: string | undefined, piece: string, overlap: number): string {
  if (previous === undefined || overlap === 0) return piece;
  // One character is kept for the line break between the two.
  const tail = previous.slice(-(overlap - 1));
  if (tail.length === previous.length) return `${previous}\n${piece}`;
  const firstBlank = tail.search(/\s/);
  const words = firstBlank === -1 ? "" : tail.slice(firstBlank).trim();
  return words === "" ? piece : `${words}\n${piece}`;
}
