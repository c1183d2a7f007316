import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany } from "ai";
import { normaliseVector, type Embedder } from "./embedder.ts";

export interface EmbeddingEndpoint {
  readonly baseUrl: string;
  readonly model: string;
  /** Not needed by most local servers. */
  readonly apiKey?: string;
}

/** The endpoint answered, and would answer the same again: a wrong key, model or request. Not worth a retry. */
export class EmbeddingRejected extends Error {
  readonly code = "EMBEDDING_REJECTED";
  constructor(endpoint: EmbeddingEndpoint, cause: APICallError) {
    super(
      `${endpoint.baseUrl} refused to embed with model "${endpoint.model}" (${cause.statusCode ?? "no status"}): ${cause.message}. ` +
        `Check EMBEDDING_BASE_URL, EMBEDDING_MODEL and EMBEDDING_API_KEY.`,
      { cause },
    );
    this.name = "EmbeddingRejected";
  }
}

/** Embeds through any server with OpenAI's `/embeddings` call: OpenAI, Ollama, vLLM, LM Studio, llama.cpp, ... */
export function createEndpointEmbedder(endpoint: EmbeddingEndpoint): Embedder {
  const { baseUrl, model, apiKey } = endpoint;
  const provider = createOpenAICompatible({ name: "embeddings", baseURL: baseUrl, ...(apiKey === undefined ? {} : { apiKey }) });
  return {
    id: model,
    // Models differ in what they give to strangers (0 to 0.7), so only the order of their similarities can be relied on.
    chanceSimilarity: 0,
    async embed(texts, signal) {
      try {
        const { embeddings } = await embedMany({
          model: provider.embeddingModel(model),
          values: [...texts],
          // The step around this call has a durable retry policy; a second one inside would multiply the attempts.
          maxRetries: 0,
          ...(signal === undefined ? {} : { abortSignal: signal }),
        });
        return embeddings.map(normaliseVector);
      } catch (error) {
        if (APICallError.isInstance(error) && !error.isRetryable) throw new EmbeddingRejected(endpoint, error);
        throw error;
      }
    },
  };
}
