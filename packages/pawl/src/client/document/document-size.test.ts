import { expect, test } from "vitest";
import { DocumentTooLarge } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { DocumentSize } from "./document-size.ts";

test("a document is as large as what can be imported, and no larger", () => {
  const size = new DocumentSize("big");
  size.addEvents(limits.documentEvents);
  size.addEventText(limits.documentCharacters);
  size.addChunk(limits.documentCharacters);
  for (let chunk = 1; chunk < limits.documentChunks; chunk++) size.addChunk(0);
  for (const more of [() => size.addEvents(1), () => size.addChunk(0)]) expect(more).toThrow(DocumentTooLarge);
});

test.each([
  [(size: DocumentSize) => size.addEvents(limits.documentEvents + 1), /"big" .* 200000 events.*pawl history big --run/],
  [(size: DocumentSize) => size.addEventText(limits.documentCharacters + 1), /134217728 characters of events/],
  [(size: DocumentSize) => size.addChunk(limits.documentCharacters + 1), /134217728 characters of chunks/],
])("what is too much says what, and how to read it otherwise", (add, message) => {
  expect(() => add(new DocumentSize("big"))).toThrow(message);
});
