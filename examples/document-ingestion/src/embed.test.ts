import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chooseEmbedder, EmbeddingConfigInvalid } from "./embed.ts";
import { EmbeddingRejected } from "./endpoint-embedder.ts";
import { localLexicalEmbedder } from "./local-lexical-embedder.ts";

describe("choosing an embedder", () => {
  test("takes the local one where nothing is configured", () => {
    expect(chooseEmbedder({})).toBe(localLexicalEmbedder);
    expect(chooseEmbedder({ EMBEDDING_BASE_URL: "", EMBEDDING_MODEL: "" })).toBe(localLexicalEmbedder);
  });

  test("takes the endpoint that is configured, known by its model", () => {
    expect(chooseEmbedder({ EMBEDDING_BASE_URL: "http://localhost:11434/v1", EMBEDDING_MODEL: "nomic-embed-text" }).id).toBe("nomic-embed-text");
  });

  test.each([
    [{ EMBEDDING_BASE_URL: "http://localhost" }, "EMBEDDING_MODEL is not"],
    [{ EMBEDDING_BASE_URL: "localhost", EMBEDDING_MODEL: "m" }, "not a URL: localhost"],
    [{ EMBEDDING_MODEL: "m" }, "EMBEDDING_BASE_URL is not"],
    [{ EMBEDDING_API_KEY: "k" }, "EMBEDDING_BASE_URL is not"],
  ])("refuses the half of a configuration %j", (env, message) => {
    expect(() => chooseEmbedder(env)).toThrow(EmbeddingConfigInvalid);
    expect(() => chooseEmbedder(env)).toThrow(message);
  });
});

describe("an embedding endpoint", () => {
  let server: Server;
  let baseUrl: string;
  let requests: { authorization: string | undefined; body: unknown }[];
  let reply: { status: number; body: unknown };

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        requests.push({ authorization: request.headers.authorization, body: JSON.parse(Buffer.concat(parts).toString()) as unknown });
        response.writeHead(reply.status, { "content-type": "application/json" }).end(JSON.stringify(reply.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    baseUrl = typeof address === "object" ? `http://127.0.0.1:${address?.port}/v1` : "";
  });
  afterEach(() => server.close());

  const embedder = () =>
    chooseEmbedder({
      EMBEDDING_BASE_URL: baseUrl,
      EMBEDDING_MODEL: "test-model",
      EMBEDDING_API_KEY: "secret",
    });

  test("is asked for all texts at once, and its vectors get length 1", async () => {
    reply = { status: 200, body: { data: [{ embedding: [3, 4] }, { embedding: [0, 2] }] } };
    expect(await embedder().embed(["a", "b"])).toEqual([
      [0.6, 0.8],
      [0, 1],
    ]);
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatchObject({ authorization: "Bearer secret", body: { model: "test-model", input: ["a", "b"] } });
  });

  test("is asked once when it fails for a while: the step retries, not the client", async () => {
    reply = { status: 503, body: { error: { message: "overloaded" } } };
    await expect(embedder().embed(["a"])).rejects.not.toThrow(EmbeddingRejected);
    expect(requests).toHaveLength(1);
  });

  test("that refuses is a final error which says what to check", async () => {
    reply = { status: 401, body: { error: { message: "bad key", type: "auth", code: null, param: null } } };
    await expect(embedder().embed(["a"])).rejects.toThrow(EmbeddingRejected);
    await expect(embedder().embed(["a"])).rejects.toThrow(/test-model.*401.*EMBEDDING_API_KEY/);
  });

  test("is left when the step is cancelled", async () => {
    await expect(embedder().embed(["a"], AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect(requests).toHaveLength(0);
  });
});
