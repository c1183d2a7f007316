import { Pool, type PoolClient } from "pg";
import type { Chunk } from "./chunk.ts";
import type { DocumentFormat } from "./document-format.ts";
import type { Vector } from "./embedder.ts";
import type { KnownDocument } from "./plan-ingestion.ts";
import { searchStatement } from "./search-statement.ts";
import { prepareSchema, type VectorColumn } from "./vector-store-schema.ts";

export interface EmbeddedDocument {
  readonly folder: string;
  readonly path: string;
  readonly format: DocumentFormat;
  readonly hash: string;
  readonly bytes: number;
  readonly embedderId: string;
  readonly chunks: readonly Chunk[];
  /** One for each chunk, in the same order, of length 1. */
  readonly vectors: readonly Vector[];
}

export interface SearchRequest {
  readonly question: string;
  readonly vector: Vector;
  readonly embedderId: string;
  /** Chunks no more similar than this count as found only if they share words with the question. */
  readonly chanceSimilarity: number;
  readonly limit: number;
}

export interface Hit {
  readonly folder: string;
  readonly path: string;
  readonly heading: string;
  readonly text: string;
  /** 1 for what is first both by vector and by words, less for what is further down in either. */
  readonly score: number;
  /** Cosine of the question's vector and the chunk's. */
  readonly similarity: number;
}

/** How much is there by embedder, because only what one embedder made can be searched together. */
export interface Contents {
  readonly embedderId: string;
  readonly documents: number;
  readonly chunks: number;
}

/** Documents and their chunks in the schema `document_ingestion` of a PostgreSQL database. */
export class VectorStore {
  readonly #pool: Pool;
  readonly #column: VectorColumn;

  private constructor(pool: Pool, column: VectorColumn) {
    this.#pool = pool;
    this.#column = column;
  }

  static async open(databaseUrl: string): Promise<VectorStore> {
    const pool = new Pool({ connectionString: databaseUrl });
    // Without a listener, an idle connection that the server drops would end the process. The next query reports it.
    pool.on("error", () => {});
    // The pool does not listen to a connection in a transaction; there, too, the next query reports it.
    pool.on("connect", (client) => client.on("error", () => {}));
    try {
      const client = await pool.connect();
      try {
        return new VectorStore(pool, await prepareSchema(client));
      } finally {
        client.release();
      }
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async knownDocuments(folder: string): Promise<KnownDocument[]> {
    const { rows } = await this.#pool.query<KnownDocument>(
      `SELECT path, content_hash AS hash, embedder_id AS "embedderId" FROM document_ingestion.documents WHERE folder = $1 ORDER BY path`,
      [folder],
    );
    return rows;
  }

  /**
   * Puts a document in place of what was there under its folder and path. One transaction, so a search sees the old
   * chunks or the new ones; and the same call again changes nothing, so a step that is retried may repeat it.
   */
  async saveDocument(document: EmbeddedDocument): Promise<void> {
    const { chunks, vectors } = document;
    if (chunks.length !== vectors.length) throw new RangeError(`${chunks.length} chunks came with ${vectors.length} vectors.`);
    await this.#transaction(async (client) => {
      // The upsert first: it locks the document's row, so that two saves of one document come one after the other.
      const { rows } = await client.query<{ id: string }>(
        `INSERT INTO document_ingestion.documents AS d (folder, path, format, content_hash, bytes, embedder_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (folder, path) DO UPDATE SET format = excluded.format, content_hash = excluded.content_hash,
           bytes = excluded.bytes, embedder_id = excluded.embedder_id, ingested_at = now()
         RETURNING document_id AS id`,
        [document.folder, document.path, document.format, document.hash, document.bytes, document.embedderId],
      );
      const documentId = rows[0]?.id;
      await client.query("DELETE FROM document_ingestion.chunks WHERE document_id = $1", [documentId]);
      await client.query(
        `INSERT INTO document_ingestion.chunks (document_id, ordinal, chunk_id, heading, text, embedding)
         SELECT $1, ordinal, chunk_id, heading, text, embedding::${this.#column.type}
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS chunk (chunk_id, heading, text, embedding, ordinal)`,
        [
          documentId,
          chunks.map(({ id }) => id),
          chunks.map(({ heading }) => heading),
          chunks.map(({ text }) => text),
          vectors.map((vector) => this.#column.literal(vector)),
        ],
      );
    });
  }

  async removeDocuments(folder: string, paths: readonly string[]): Promise<number> {
    const { rowCount } = await this.#pool.query("DELETE FROM document_ingestion.documents WHERE folder = $1 AND path = ANY ($2::text[])", [folder, paths]);
    return rowCount ?? 0;
  }

  async search({ question, vector, embedderId, chanceSimilarity, limit }: SearchRequest): Promise<Hit[]> {
    const parameters = [this.#column.literal(vector), question, embedderId, chanceSimilarity, limit];
    return (await this.#pool.query<Hit>(searchStatement(this.#column), parameters)).rows;
  }

  async contents(): Promise<Contents[]> {
    const { rows } = await this.#pool.query<Contents>(
      `SELECT embedder_id AS "embedderId", count(DISTINCT document_id)::int AS documents, count(ordinal)::int AS chunks
       FROM document_ingestion.documents LEFT JOIN document_ingestion.chunks USING (document_id)
       GROUP BY embedder_id ORDER BY chunks DESC, embedder_id`,
    );
    return rows;
  }

  async #transaction(work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.#pool.connect();
    try {
      await client.query("BEGIN");
      await work(client);
      await client.query("COMMIT");
      client.release();
    } catch (error) {
      // A broken connection cannot roll back; dropping it makes the server do so.
      client.release(true);
      throw error;
    }
  }
}
