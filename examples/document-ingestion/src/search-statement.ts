import type { VectorColumn } from "./vector-store-schema.ts";

/** How many of the best by vector, and of the best by words, are merged. */
const CANDIDATES = 50;
/** The usual damping of reciprocal rank fusion: the higher, the less the first place is worth over the second. */
const DAMPING = 60;

/**
 * Hybrid search: the best chunks by vector and the best by full text, merged by their ranks, since their scores have no
 * common scale. Parameters: $1 vector, $2 question, $3 embedder id, $4 similarity to exceed, $5 limit.
 *
 * By words a chunk needs only one of the question's, because few have them all. PostgreSQL's rank counts a common word as
 * much as a rare one, so each word is weighed here by how few chunks have it (inverse document frequency).
 *
 * The vector part reads every vector of the embedder: without pgvector about a second for 10,000 chunks.
 */
export function searchStatement(column: VectorColumn): string {
  return `
    WITH question AS MATERIALIZED (
      SELECT $1::${column.type} AS vector
    ), chunk AS MATERIALIZED (
      SELECT c.document_id, c.ordinal, c.words, ${column.similarity("c.embedding", "q.vector")} AS similarity
      FROM document_ingestion.chunks c JOIN document_ingestion.documents d USING (document_id) CROSS JOIN question q
      WHERE d.embedder_id = $3
    ), by_vector AS (
      SELECT document_id, ordinal, row_number() OVER (ORDER BY similarity DESC, document_id, ordinal) AS place
      FROM chunk WHERE similarity > $4 ORDER BY place LIMIT ${CANDIDATES}
    ), word AS MATERIALIZED (
      SELECT lexeme, plainto_tsquery('simple', lexeme) AS query FROM unnest(to_tsvector('english', $2))
    ), found AS (
      SELECT document_id, ordinal, similarity, ts_rank(words, query) AS rank, count(*) OVER (PARTITION BY lexeme) AS chunks_with_word
      FROM word JOIN chunk ON words @@ query
    ), by_words AS (
      SELECT document_id, ordinal,
        row_number() OVER (
          ORDER BY sum(rank * ln(1 + (SELECT count(*) FROM chunk)::float8 / chunks_with_word)) DESC, max(similarity) DESC, document_id, ordinal
        ) AS place
      FROM found GROUP BY document_id, ordinal ORDER BY place LIMIT ${CANDIDATES}
    ), merged AS (
      SELECT document_id, ordinal, w.place AS word_place,
        (coalesce(1.0 / (${DAMPING} + v.place), 0) + coalesce(1.0 / (${DAMPING} + w.place), 0)) * ${DAMPING + 1} / 2 AS score
      FROM by_vector v FULL JOIN by_words w USING (document_id, ordinal)
    )
    SELECT d.folder, d.path, c.heading, c.text, m.score::float8 AS score, chunk.similarity::float8 AS similarity
    FROM merged m JOIN chunk USING (document_id, ordinal) JOIN document_ingestion.chunks c USING (document_id, ordinal)
      JOIN document_ingestion.documents d USING (document_id)
    ORDER BY m.score DESC, m.word_place, chunk.similarity DESC, d.folder, d.path, c.ordinal
    LIMIT $5`;
}
