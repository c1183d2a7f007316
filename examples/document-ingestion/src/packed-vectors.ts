import type { Vector } from "./embedder.ts";

/**
 * Vectors as the bytes of 32-bit floats, little-endian. A step's result is stored in the history, and as JSON numbers the
 * same vectors would take five times the room for digits that no search can see.
 */
export interface PackedVectors {
  readonly count: number;
  readonly bytes: Uint8Array;
}

export function packVectors(vectors: readonly Vector[]): PackedVectors {
  const dimensions = vectors[0]?.length ?? 0;
  const view = new DataView(new ArrayBuffer(vectors.length * dimensions * 4));
  for (const [row, vector] of vectors.entries()) {
    if (vector.length !== dimensions) throw new RangeError(`Vector ${row} has ${vector.length} dimensions, the first has ${dimensions}.`);
    for (const [column, value] of vector.entries()) view.setFloat32((row * dimensions + column) * 4, value, true);
  }
  return { count: vectors.length, bytes: new Uint8Array(view.buffer) };
}

export function unpackVectors({ count, bytes }: PackedVectors): Vector[] {
  const dimensions = count === 0 ? 0 : bytes.length / 4 / count;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_row, row) =>
    Array.from({ length: dimensions }, (_column, column) => view.getFloat32((row * dimensions + column) * 4, true)),
  );
}
