import { protocol, type PGlite, type QueryOptions, type Results } from "@electric-sql/pglite";

const dataRow = 0x44;
const rowDescription = 0x54;
const commandComplete = 0x43;
const errorResponse = 0x45;

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
  readonly parse: (text: string) => unknown;
}

/**
 * What PostgreSQL has answered to one simple query, as PGlite would give it. Reading the bytes here takes a quarter of the time that
 * PGlite's reader takes, and a simulation asks some thousand times.
 *
 * @throws the database's error, as PGlite throws it
 */
export function readResults(answer: Uint8Array, pglite: PGlite, { rowMode, parsers }: QueryOptions = {}): Results {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  let fields: readonly Field[] = [];
  const rows: Results["rows"] = [];
  let affectedRows = 0;
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    const type = bytes[at];
    const from = at + 5;
    if (type === dataRow) {
      const values = readRow(bytes, from, fields);
      rows.push(rowMode === "array" ? values : Object.fromEntries(values.map((value, index) => [fields[index]!.name, value])));
    } else if (type === rowDescription) fields = readFields(bytes, from, (dataType) => parsers?.[dataType] ?? pglite.parsers[dataType]);
    else if (type === commandComplete) affectedRows = Number(/\d+$/.exec(bytes.toString("latin1", from, bytes.indexOf(0, from)))?.[0] ?? 0);
    else if (type === errorResponse) throw errorIn(answer);
  }
  return { rows, fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeID })), affectedRows };
}

function readFields(bytes: Buffer, from: number, parserOf: (type: number) => PGlite["parsers"][string] | undefined): readonly Field[] {
  const fields: Field[] = [];
  let at = from + 2;
  for (let left = bytes.readInt16BE(from); left > 0; left--) {
    const end = bytes.indexOf(0, at);
    const dataTypeID = bytes.readUInt32BE(end + 7);
    const parser = parserOf(dataTypeID);
    fields.push({ name: bytes.toString("utf8", at, end), dataTypeID, parse: (text) => (parser === undefined ? text : parser(text, dataTypeID)) });
    at = end + 19;
  }
  return fields;
}

function readRow(bytes: Buffer, from: number, fields: readonly Field[]): readonly unknown[] {
  let at = from + 2;
  return fields.map(({ parse }) => {
    const length = bytes.readInt32BE(at);
    at += 4 + Math.max(0, length);
    return length < 0 ? null : parse(bytes.toString("utf8", at - length, at));
  });
}

function errorIn(answer: Uint8Array): unknown {
  let error: unknown;
  new protocol.Parser().parse(answer, (message) => {
    if (message.name === "error") error = message;
  });
  return error;
}
