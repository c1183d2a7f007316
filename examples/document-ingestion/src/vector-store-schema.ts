import type { ClientBase } from "pg";

/** How vectors are kept here: pgvector's type where the server has it, else an array of floats. */
export interface VectorColumn {
  /** The SQL type, also to cast a parameter to. */
  readonly type: string;
  /** A vector as the text that the type reads. */
  literal(vector: readonly number[]): string;
  /** SQL for the cosine of two vectors of length 1. */
  similarity(left: string, right: string): string;
}

const floatArray: VectorColumn = {
  type: "real[]",
  literal: (vector) => `{${vector.join(",")}}`,
  similarity: (left, right) => `coalesce((SELECT sum(x * y) FROM unnest(${left}, ${right}) AS pair (x, y)), 0)::float8`,
};

function pgvector(extensionSchema: string): VectorColumn {
  return {
    type: `${extensionSchema}.vector`,
    literal: (vector) => `[${vector.join(",")}]`,
    // <#> is the negative inner product, which needs no division: the vectors have length 1, and a zero vector gives 0, not NaN.
    similarity: (left, right) => `-(${left} OPERATOR(${extensionSchema}.<#>) ${right})`,
  };
}

/** Creates the schema `document_ingestion`, or brings it to pgvector if the server has it by now. Safe to run anywhere, any time. */
export async function prepareSchema(client: ClientBase): Promise<VectorColumn> {
  await client.query("BEGIN");
  try {
    // IF NOT EXISTS alone lets two processes that start together both try, and one fail.
    await client.query("SELECT pg_advisory_xact_lock(hashtext('document_ingestion'))");
    const column = await chooseVectorColumn(client);
    await client.query(tables(column));
    if (await hasOtherType(client, column)) {
      await client.query(`ALTER TABLE document_ingestion.chunks ALTER COLUMN embedding TYPE ${column.type} USING embedding::${column.type}`);
    }
    await client.query("COMMIT");
    return column;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

async function chooseVectorColumn(client: ClientBase): Promise<VectorColumn> {
  const available = await client.query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'");
  if (available.rowCount === 0) return floatArray;
  await client.query("SAVEPOINT extension");
  try {
    await client.query("CREATE EXTENSION IF NOT EXISTS vector");
  } catch {
    // Available, but this user may not create it: the example works all the same.
    await client.query("ROLLBACK TO SAVEPOINT extension");
    return floatArray;
  }
  const found = await client.query<{ schema: string }>(
    "SELECT quote_ident(nspname) AS schema FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'",
  );
  return found.rows[0] === undefined ? floatArray : pgvector(found.rows[0].schema);
}

/** Asked first, because even an ALTER that changes nothing waits for every search and save to end. */
async function hasOtherType(client: ClientBase, column: VectorColumn): Promise<boolean> {
  const { rows } = await client.query<{ differs: boolean }>(
    `SELECT atttypid <> '${column.type}'::regtype AS differs FROM pg_attribute
     WHERE attrelid = 'document_ingestion.chunks'::regclass AND attname = 'embedding'`,
  );
  return rows[0]?.differs === true;
}

function tables(column: VectorColumn): string {
  return `
    CREATE SCHEMA IF NOT EXISTS document_ingestion;

    CREATE TABLE IF NOT EXISTS document_ingestion.documents (
      document_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      folder text NOT NULL,
      path text NOT NULL,
      format text NOT NULL,
      content_hash text NOT NULL,
      bytes bigint NOT NULL,
      embedder_id text NOT NULL,
      ingested_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (folder, path)
    );

    CREATE TABLE IF NOT EXISTS document_ingestion.chunks (
      document_id bigint NOT NULL REFERENCES document_ingestion.documents ON DELETE CASCADE,
      ordinal int NOT NULL,
      chunk_id text NOT NULL,
      heading text NOT NULL,
      text text NOT NULL,
      embedding ${column.type} NOT NULL,
      words tsvector NOT NULL GENERATED ALWAYS AS
        (setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', text), 'B')) STORED,
      PRIMARY KEY (document_id, ordinal)
    );

    CREATE INDEX IF NOT EXISTS chunks_words ON document_ingestion.chunks USING gin (words);`;
}
