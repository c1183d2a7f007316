/** A piece of a document under one heading: what every loader returns, whatever the format. */
export interface Section {
  /** The headings above the text, outermost first: "Guide › Install". Empty before the first heading. */
  readonly heading: string;
  /** Plain text; paragraphs are separated by one empty line. */
  readonly text: string;
}

/** Takes a document's parts in reading order. */
export interface SectionSink {
  /** Depth 1 is outermost, 6 innermost. */
  heading(depth: number, title: string): void;
  paragraph(text: string): void;
}

interface OpenHeading {
  readonly depth: number;
  readonly title: string;
}

/** Collects paragraphs under their headings and hands back the sections that hold any text. */
export class SectionBuilder implements SectionSink {
  readonly #sections: Section[] = [];
  #headings: OpenHeading[] = [];
  #paragraphs: string[] = [];

  heading(depth: number, title: string): void {
    this.#finishSection();
    const line = normaliseText(title).replace(/\s+/g, " ");
    this.#headings = this.#headings.filter((heading) => heading.depth < depth);
    if (line !== "") this.#headings.push({ depth, title: line });
  }

  paragraph(text: string): void {
    const normalised = normaliseText(text);
    if (normalised !== "") this.#paragraphs.push(normalised);
  }

  finish(): Section[] {
    this.#finishSection();
    return this.#sections;
  }

  #finishSection(): void {
    if (this.#paragraphs.length > 0) {
      const heading = this.#headings.map(({ title }) => title).join(" › ");
      this.#sections.push({ heading, text: this.#paragraphs.join("\n\n") });
    }
    this.#paragraphs = [];
  }
}

// PostgreSQL refuses NUL in text, and the other controls and invisible marks would make equal words differ.
const invisible = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u200b\u2060\ufeff]/g;
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** One way to write the same text: NFC, "\n" for line ends, no invisible characters, no runs of blanks. */
export function normaliseText(text: string): string {
  return (
    text
      .normalize("NFC")
      .replace(/\r\n?|\u2028|\u2029|\u0085/g, "\n")
      .replace(invisible, "")
      .replace(loneSurrogate, "\ufffd")
      .replace(/(?<=\S)[^\S\n]+/g, " ")
      // The lookbehind lets a match begin only where a run of blanks does; without it a long run takes quadratic time.
      .replace(/(?<![^\S\n])[^\S\n]+$/gm, "")
      .replace(/\n{3,}/g, "\n\n")
      .replace(/^\n+|\n+$/g, "")
  );
}
