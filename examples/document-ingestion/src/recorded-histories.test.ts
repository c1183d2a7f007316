/** Executions that began under the code of before go on in today's: their recorded histories must still fit it. */
import { readFile } from "node:fs/promises";
import { NondeterminismDetected, type AnyWorkflow } from "pawl";
import { replayHistory } from "pawl/testing";
import { expect, test } from "vitest";
import { defineIngestFile } from "./ingest-file.workflow.ts";
import { defineIngestFolder } from "./ingest-folder.workflow.ts";
import { localLexicalEmbedder } from "./local-lexical-embedder.ts";
import type { VectorStore } from "./vector-store.ts";

// A replay runs no step: nothing of the store is ever called.
const services = { store: {} as VectorStore, embedder: localLexicalEmbedder };
const ingestFile = defineIngestFile(services);
const ingestFolder = defineIngestFolder(services, ingestFile);

const recorded = (name: string): Promise<string> => readFile(new URL(`../histories/${name}.json`, import.meta.url), "utf8");

test.each<readonly [string, AnyWorkflow, string]>([
  ["folder", ingestFolder, "completed"],
  ["file", ingestFile, "completed"],
  ["broken-file", ingestFile, "failed"],
])("the recorded history of a %s fits", async (name, workflow, state) => {
  expect((await replayHistory(workflow, await recorded(name))).state).toBe(state);
});

test("a history of another workflow does not", async () => {
  const history = (await recorded("file")).replaceAll('"load-and-chunk"', '"load"');
  await expect(replayHistory(ingestFile, history)).rejects.toThrow(NondeterminismDetected);
});
