/**
 * Of what was to be written, nothing was: an open transaction has started an execution with the same id or key as one that was to be started,
 * and whether that is there will be known when it ends.
 */
export class StartHeldUp extends Error {
  override readonly name = "StartHeldUp";

  constructor(cause: unknown) {
    super("An open transaction has started an execution with the same id or key.", { cause });
  }
}
