/**
 * PostgreSQL's binary form of one-dimensional arrays, for the parameters of the hot statements. `pg` sends a Buffer as a
 * binary parameter; against text arrays this doubles the rows per second of a batch, because neither side escapes or parses.
 */

const oid = { bool: 16, int8: 20, int4: 23, text: 25, timestamptz: 1184, uuid: 2950 } as const;

/** Milliseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const postgresEpochMs = 946_684_800_000;

function header(buffer: Buffer, elementOid: number, length: number, hasNull: boolean): void {
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(hasNull ? 1 : 0, 4);
  buffer.writeInt32BE(elementOid, 8);
  if (length > 0) {
    buffer.writeInt32BE(length, 12);
    buffer.writeInt32BE(1, 16);
  }
}

function allocate(elementOid: number, length: number, bytes: number, hasNull: boolean): Buffer {
  const buffer = Buffer.allocUnsafe((length === 0 ? 12 : 20) + bytes);
  header(buffer, elementOid, length, hasNull);
  return buffer;
}

export function int4Array(values: readonly number[]): Buffer {
  const buffer = allocate(oid.int4, values.length, values.length * 8, false);
  let offset = 20;
  for (const value of values) {
    buffer.writeInt32BE(4, offset);
    buffer.writeInt32BE(value, offset + 4);
    offset += 8;
  }
  return buffer;
}

export function boolArray(values: readonly boolean[]): Buffer {
  const buffer = allocate(oid.bool, values.length, values.length * 5, false);
  let offset = 20;
  for (const value of values) {
    buffer.writeInt32BE(1, offset);
    buffer[offset + 4] = value ? 1 : 0;
    offset += 5;
  }
  return buffer;
}

/** Times in milliseconds since 1970, or null. */
export function timestamptzArray(values: readonly (number | null)[]): Buffer {
  let nulls = 0;
  for (const value of values) if (value === null) nulls++;
  const buffer = allocate(oid.timestamptz, values.length, values.length * 12 - nulls * 8, nulls > 0);
  let offset = 20;
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(-1, offset);
      offset += 4;
    } else {
      buffer.writeInt32BE(8, offset);
      buffer.writeBigInt64BE(BigInt(Math.round((value - postgresEpochMs) * 1000)), offset + 4);
      offset += 12;
    }
  }
  return buffer;
}

export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = 0;
  let hasNull = false;
  const lengths = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === null) {
      hasNull = true;
      lengths[i] = -1;
      bytes += 4;
    } else {
      const length = Buffer.byteLength(value);
      lengths[i] = length;
      bytes += 4 + length;
    }
  }
  const buffer = allocate(oid.text, values.length, bytes, hasNull);
  let offset = 20;
  for (let i = 0; i < values.length; i++) {
    const length = lengths[i]!;
    buffer.writeInt32BE(length, offset);
    offset += 4;
    if (length > 0) {
      buffer.write(values[i]!, offset, length, length === values[i]!.length ? "latin1" : "utf8");
      offset += length;
    }
  }
  return buffer;
}

const nibbles = new Uint8Array(128);
for (let i = 0; i < 16; i++) {
  nibbles[i.toString(16).charCodeAt(0)] = i;
  nibbles[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

function writeUuid(buffer: Buffer, offset: number, uuid: string): void {
  let at = offset;
  for (let i = 0; i < 36;) {
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      i++;
      continue;
    }
    buffer[at++] = (nibbles[uuid.charCodeAt(i)]! << 4) | nibbles[uuid.charCodeAt(i + 1)]!;
    i += 2;
  }
}

export function uuidArray(values: readonly (string | null)[]): Buffer {
  let nulls = 0;
  for (const value of values) if (value === null) nulls++;
  const buffer = allocate(oid.uuid, values.length, values.length * 20 - nulls * 16, nulls > 0);
  let offset = 20;
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(-1, offset);
      offset += 4;
    } else {
      buffer.writeInt32BE(16, offset);
      writeUuid(buffer, offset + 4, value);
      offset += 20;
    }
  }
  return buffer;
}
