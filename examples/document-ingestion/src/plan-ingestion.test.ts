import { describe, expect, test } from "vitest";
import { planIngestion } from "./plan-ingestion.ts";

const file = (path: string, hash = "h1") => ({ path, hash, bytes: 1 });
const known = (path: string, hash = "h1", embedderId = "lexical") => ({ path, hash, embedderId });

describe("planning an ingestion", () => {
  test("takes new and changed files and leaves the others", () => {
    const plan = planIngestion({
      files: [file("same.md"), file("changed.md", "h2"), file("new.md")],
      unreadable: [],
      known: [known("same.md"), known("changed.md")],
      embedderId: "lexical",
    });
    expect(plan).toEqual({ toIngest: ["changed.md", "new.md"], unchanged: 1, vanished: [] });
  });

  test("takes everything again when the embedder changed", () => {
    const plan = planIngestion({ files: [file("a.md"), file("b.md")], unreadable: [], known: [known("a.md"), known("b.md")], embedderId: "model" });
    expect(plan).toEqual({ toIngest: ["a.md", "b.md"], unchanged: 0, vanished: [] });
  });

  test("forgets files that are no longer there", () => {
    const plan = planIngestion({ files: [], unreadable: [], known: [known("gone.md")], embedderId: "lexical" });
    expect(plan).toEqual({ toIngest: [], unchanged: 0, vanished: ["gone.md"] });
  });

  test("does not forget what it cannot look at just now", () => {
    const everything = [known("locked.md"), known("private/a.md"), known("private-not/a.md")];
    const plan = (unreadable: string[]) => planIngestion({ files: [], unreadable, known: everything, embedderId: "lexical" }).vanished;
    expect(plan(["locked.md", "private"])).toEqual(["private-not/a.md"]);
    expect(plan(["."])).toEqual([]);
  });
});
