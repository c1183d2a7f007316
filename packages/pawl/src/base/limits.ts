/** Limits on what users can put in, checked at the boundary before anything is stored. Sizes are bytes of UTF-8 text. */
export const limits = {
  /** Nesting of a value: objects, arrays, maps, sets and error causes count one each. */
  valueDepth: 64,
  /** One stored value: an input, a step's result, a workflow's result. */
  valueBytes: 16 * 1024 * 1024,
  /** An error's message and stack are cut to this, its cause chain to `failureCauses`. */
  failureTextBytes: 16 * 1024,
  failureCauses: 8,
  /** Details of a heartbeat that are recorded while the attempt runs, in characters as they are stored. */
  heartbeatCharacters: 16 * 1024,
  /** One chunk of a stream, and how many of them steps may write to one stream. */
  chunkBytes: 1024 * 1024,
  streamChunks: 1_000_000,
  /** Length of an id or name. */
  idLength: 200,
  /** Of what makes a call repeatable, such as an idempotency key. */
  keyLength: 500,
  /** Labels and attributes at a start, and labels and attributes that an execution's code sets: so many of each. */
  searchNames: 32,
  /** Labels, and attributes, that an execution has: its runs take over those of the run before. */
  searchNamesKept: 64,
  searchNameLength: 63,
  /** Characters of a label's value, and of an attribute that is a string. */
  labelLength: 256,
  attributeLength: 1000,
  /** A filter: its characters, its nesting, its parts, and the values of one list. */
  filterLength: 4000,
  filterDepth: 32,
  filterNodes: 500,
  filterList: 200,
  /** An execution that is exported or imported: the events of all its runs, the chunks of its streams, and the characters of all events, and of all chunks. */
  documentEvents: 200_000,
  documentChunks: 1_000_000,
  documentCharacters: 128 * 1024 * 1024,
  /** From so many events on, `ctx.continueAsNewSuggested` is true. Code acts upon it, so it is part of replay: it never changes. */
  historySuggested: 4000,
  /** The history of one run: at so many events a warning is logged, at so many, or characters of event data, its execution fails. */
  historyWarning: 10_000,
  historyEvents: 51_200,
  historyCharacters: 50 * 1024 * 1024,
  /** Of signals and updates that earlier runs have read, a run that continues them knows the ids of so many. */
  rememberedMessages: 200,
  /** Longest delay or sleep: five years, in milliseconds. */
  durationMs: 5 * 365 * 24 * 3_600_000,
} as const;
