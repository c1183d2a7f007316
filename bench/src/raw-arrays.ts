/** PostgreSQL's binary form of arrays: the fastest way to hand it a batch of rows. `pg` sends a Buffer as binary. */

const typeOf = { int4: 23, text: 25, uuid: 2950 } as const;

function array(type: number, length: number, bytes: number): { buffer: Buffer; offset: number } {
  const buffer = Buffer.allocUnsafe(20 + bytes + length * 4);
  buffer.writeInt32BE(1, 0); // dimensions
  buffer.writeInt32BE(0, 4); // no nulls
  buffer.writeInt32BE(type, 8);
  buffer.writeInt32BE(length, 12);
  buffer.writeInt32BE(1, 16); // first index
  return { buffer, offset: 20 };
}

export function uuidArray(ids: readonly Buffer[]): Buffer {
  const { buffer, offset } = array(typeOf.uuid, ids.length, ids.length * 16);
  let at = offset;
  for (const id of ids) {
    buffer.writeInt32BE(16, at);
    id.copy(buffer, at + 4);
    at += 20;
  }
  return buffer;
}

export function int4Array(value: number, length: number): Buffer {
  const { buffer, offset } = array(typeOf.int4, length, length * 4);
  for (let at = offset; at < buffer.length; at += 8) {
    buffer.writeInt32BE(4, at);
    buffer.writeInt32BE(value, at + 4);
  }
  return buffer;
}

/** `text` must be ASCII. */
export function textArray(text: string, length: number): Buffer {
  const { buffer, offset } = array(typeOf.text, length, length * text.length);
  for (let at = offset; at < buffer.length; at += 4 + text.length) {
    buffer.writeInt32BE(text.length, at);
    buffer.write(text, at + 4, "latin1");
  }
  return buffer;
}
