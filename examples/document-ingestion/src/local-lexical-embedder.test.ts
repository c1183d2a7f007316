import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dotProduct } from "./embedder.ts";
import { lexicalVector, localLexicalEmbedder } from "./local-lexical-embedder.ts";

const similarity = (a: string, b: string): number => dotProduct(lexicalVector(a), lexicalVector(b));

describe("the local lexical embedder", () => {
  test("says in its id what it is", () => {
    expect(localLexicalEmbedder.id).toBe("local-lexical-512");
  });

  test("gives 512 numbers of length 1, the same for the same text", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 300 }), (text) => {
        const vector = lexicalVector(text);
        expect(vector).toHaveLength(512);
        expect(vector).toEqual(lexicalVector(text));
        const length = Math.hypot(...vector);
        expect(length === 0 || Math.abs(length - 1) < 1e-9).toBe(true);
      }),
    );
  });

  test("finds texts with the same words closer than others", () => {
    const question = "What happens when a worker crashes?";
    const answer = "When a worker crashed, another worker takes its executions over and goes on from the last recorded step.";
    const other = "Install the package with npm and open the dashboard in a browser.";
    expect(similarity(question, answer)).toBeGreaterThan(similarity(question, other) + 0.2);
  });

  test("finds forms of a word alike, and word order closer than the bare words", () => {
    expect(similarity("retry policies", "retried policy")).toBeCloseTo(1);
    expect(similarity("database migration tool", "database migration tool")).toBeGreaterThan(similarity("database migration tool", "tool migration database"));
  });

  test("gives a zero vector to a text without words", async () => {
    const [vector] = await localLexicalEmbedder.embed(["?!"]);
    expect(vector?.every((value) => value === 0)).toBe(true);
  });

  test("does not change over time: saved vectors must stay comparable", () => {
    const vector = lexicalVector("ratchet pawl");
    const places = vector.flatMap((value, place) => (value === 0 ? [] : `${place}: ${value.toFixed(4)}`));
    expect(places.join(", ")).toMatchInlineSnapshot(`"301: 0.3906, 338: 0.6509, 470: 0.6509"`);
  });
});
