/** A stream of this execution, as its workflow code writes it. */
export interface WorkflowStream {
  /** Appends a chunk; when it returns, the chunk is durable. It is written exactly once, whatever crashes. Throws `StreamClosed`. */
  readonly write: (chunk: unknown) => Promise<void>;
  /** Says that nothing follows: whoever reads it comes to the end. Closing it again changes nothing. */
  readonly close: () => Promise<void>;
}

/** A stream of this execution, as a step writes it. */
export interface StepStream {
  /**
   * Appends a chunk. Chunks travel together: this waits only while too many are on their way, and all are durable before the
   * step's result is. An attempt that fails leaves what it has written, marked with its number. Throws `StreamClosed`, `StreamFull`.
   */
  readonly write: (chunk: unknown) => Promise<void>;
}
