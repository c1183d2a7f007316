/** Limits on what users can put in, checked at the boundary before anything is stored. Sizes are bytes of UTF-8 text. */
export const limits = {
  /** Nesting of a value: objects, arrays, maps, sets and error causes count one each. */
  valueDepth: 64,
  /** One stored value: an input, a step's result, a workflow's result. */
  valueBytes: 16 * 1024 * 1024,
  /** An error's message and stack are cut to this, its cause chain to `failureCauses`. */
  failureTextBytes: 16 * 1024,
  failureCauses: 8,
  /** Length of an id or name. */
  idLength: 200,
  /** Longest delay or sleep: five years, in milliseconds. */
  durationMs: 5 * 365 * 24 * 3_600_000,
} as const;
