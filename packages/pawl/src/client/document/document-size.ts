import { DocumentTooLarge } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

interface Part {
  readonly what: string;
  readonly most: number;
  readonly mostCharacters: number;
  count: number;
  characters: number;
}

/** How much of a document there is: an export that could not be imported again is refused while it is made. */
export class DocumentSize {
  readonly #executionId: string;
  readonly #events: Part;
  readonly #chunks: Part;

  constructor(executionId: string) {
    this.#executionId = executionId;
    const none = { mostCharacters: limits.documentCharacters, count: 0, characters: 0 };
    this.#events = { what: "events", most: limits.documentEvents, ...none };
    this.#chunks = { what: "chunks of streams", most: limits.documentChunks, ...none };
  }

  /** @throws DocumentTooLarge */
  addEvents(count: number): void {
    this.#add(this.#events, count, 0);
  }

  /** Of an event that was counted. @throws DocumentTooLarge */
  addEventText(characters: number): void {
    this.#add(this.#events, 0, characters);
  }

  /** @throws DocumentTooLarge */
  addChunk(characters: number): void {
    this.#add(this.#chunks, 1, characters);
  }

  #add(part: Part, count: number, characters: number): void {
    part.count += count;
    part.characters += characters;
    if (part.count > part.most) throw new DocumentTooLarge(this.#executionId, `${part.most} ${part.what}`);
    if (part.characters > part.mostCharacters) throw new DocumentTooLarge(this.#executionId, `${part.mostCharacters} characters of ${part.what}`);
  }
}
