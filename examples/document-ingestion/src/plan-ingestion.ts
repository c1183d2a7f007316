import type { DiscoveredFile } from "./discover.ts";

/** What the database knows about a document of this folder. */
export interface KnownDocument {
  readonly path: string;
  readonly hash: string;
  readonly embedderId: string;
}

export interface IngestionPlan {
  /** New, changed, or embedded by another embedder. */
  readonly toIngest: readonly string[];
  readonly unchanged: number;
  /** In the database, no longer in the folder. */
  readonly vanished: readonly string[];
}

export interface Planning {
  readonly files: readonly DiscoveredFile[];
  /** There but unreadable just now: neither ingested nor taken for deleted. A folder stands for all that is in it. */
  readonly unreadable: readonly string[];
  readonly known: readonly KnownDocument[];
  readonly embedderId: string;
}

export function planIngestion({ files, unreadable, known, embedderId }: Planning): IngestionPlan {
  const knownByPath = new Map(known.map((document) => [document.path, document]));
  const toIngest = files
    .filter(({ path, hash }) => {
      const document = knownByPath.get(path);
      return document?.hash !== hash || document.embedderId !== embedderId;
    })
    .map(({ path }) => path);
  const present = new Set(files.map(({ path }) => path));
  const hidden = (path: string): boolean => unreadable.some((blocked) => blocked === "." || path === blocked || path.startsWith(`${blocked}/`));
  const vanished = known.map(({ path }) => path).filter((path) => !present.has(path) && !hidden(path));
  return { toIngest, unchanged: files.length - toIngest.length, vanished };
}
