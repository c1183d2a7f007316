import type { Embedder } from "./embedder.ts";
import { createEndpointEmbedder } from "./endpoint-embedder.ts";
import { localLexicalEmbedder } from "./local-lexical-embedder.ts";

export class EmbeddingConfigInvalid extends Error {
  readonly code = "EMBEDDING_CONFIG_INVALID";
  constructor(message: string) {
    super(message);
    this.name = "EmbeddingConfigInvalid";
  }
}

/** The endpoint that the environment names, or the local lexical embedder where it names none. */
export function chooseEmbedder(env: Readonly<Record<string, string | undefined>>): Embedder {
  const baseUrl = env["EMBEDDING_BASE_URL"] ?? "";
  const model = env["EMBEDDING_MODEL"] ?? "";
  const apiKey = env["EMBEDDING_API_KEY"] ?? "";
  if (baseUrl === "") {
    if (model === "" && apiKey === "") return localLexicalEmbedder;
    throw new EmbeddingConfigInvalid(
      "EMBEDDING_MODEL or EMBEDDING_API_KEY is set, but EMBEDDING_BASE_URL is not. Set it (https://api.openai.com/v1, " +
        "http://localhost:11434/v1 for Ollama, ...), or unset the others to use the local lexical embedder.",
    );
  }
  if (!URL.canParse(baseUrl)) throw new EmbeddingConfigInvalid(`EMBEDDING_BASE_URL is not a URL: ${baseUrl}`);
  if (model === "") throw new EmbeddingConfigInvalid("EMBEDDING_BASE_URL is set, but EMBEDDING_MODEL is not. Name the model to embed with.");
  return createEndpointEmbedder({ baseUrl, model, ...(apiKey === "" ? {} : { apiKey }) });
}
