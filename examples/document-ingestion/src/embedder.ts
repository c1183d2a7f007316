/** Turns texts into vectors of equal length, of which similar texts get similar ones. */
export interface Embedder {
  /** Saved with every document: vectors of different embedders cannot be compared. */
  readonly id: string;
  /** The similarity that two texts reach by chance, with nothing in common. What is no more similar is not shown. */
  readonly chanceSimilarity: number;
  embed(texts: readonly string[], signal?: AbortSignal): Promise<readonly Vector[]>;
}

export type Vector = readonly number[];

/** Length 1, so that the dot product of two vectors is their cosine. A zero vector stays zero: it is similar to nothing. */
export function normaliseVector(vector: Vector): Vector {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

export function dotProduct(a: Vector, b: Vector): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
