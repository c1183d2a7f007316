import { DocumentInvalid, PawlError } from "../../base/errors.ts";
import { checkName } from "../../base/ids.ts";
import { limits } from "../../base/limits.ts";
import { decodeValue, encodeChunk } from "../../base/values.ts";
import type { WholeChunk } from "../../store/streams.ts";
import { isObject } from "../../kernel/event-shape.ts";
import { isTime } from "./is-time.ts";

/** Where a run wrote a chunk, in one text. */
export function placeOf(runId: string, stream: string, offset: number): string {
  return `${runId}/${offset}/${stream}`;
}

/** What the runs of the document say of its streams. */
export interface RunsOfStreams {
  /** The new id of a run. */
  readonly newId: (runId: string) => string | undefined;
  /** The new id of a run that retention had deleted before the document was made: what it wrote is older than `beganAt`. */
  readonly idOfDeleted: (runId: string) => string;
  /** When the first of the runs began, in milliseconds. */
  readonly beganAt: number;
  /** What workflow code wrote, by the history of each run under its new id: see `placeOf`. */
  readonly recorded: ReadonlySet<string>;
  /** Of these, what the latest run wrote itself: each must be there. */
  readonly latest: readonly { readonly stream: string; readonly offset: number }[];
}

/**
 * The streams of a document, checked: every chunk whole and in order, and what workflow code wrote where the histories say.
 *
 * @throws DocumentInvalid with the path of what is wrong
 */
export function readStreams(streams: unknown, runs: RunsOfStreams): readonly WholeChunk[] {
  // Written before documents had streams, or of an execution that has none.
  if (streams === undefined) return [];
  if (!isObject(streams)) throw new DocumentInvalid("streams", "must be an object that holds a list of chunks by the name of each stream.");
  const read = Object.entries(streams).flatMap(([stream, chunks]) => readStream(stream, chunks, runs));
  if (read.length > limits.documentChunks) throw new DocumentInvalid("streams", `more than ${limits.documentChunks} chunks cannot be imported.`);
  let characters = 0;
  for (const { data } of read) characters += data?.length ?? 0;
  if (characters > limits.documentCharacters)
    throw new DocumentInvalid("streams", `more than ${limits.documentCharacters} characters of chunks cannot be imported.`);
  const there = new Set(read.map(({ stream, offset }) => `${offset}/${stream}`));
  const missing = runs.latest.find(({ stream, offset }) => !there.has(`${offset}/${stream}`));
  if (missing !== undefined)
    throw new DocumentInvalid(`streams.${missing.stream}[${missing.offset}]`, "is not there, and the history of the latest run says that it was written.");
  return read;
}

function readStream(stream: string, chunks: unknown, runs: RunsOfStreams): readonly WholeChunk[] {
  try {
    checkName(stream, "stream");
  } catch (error) {
    throw new DocumentInvalid("streams", error instanceof PawlError ? error.message : String(error));
  }
  if (!Array.isArray(chunks)) throw new DocumentInvalid(`streams.${stream}`, "must be a list of chunks.");
  let before = 0;
  return chunks.map((given: unknown, offset) => {
    const path = `streams.${stream}[${offset}]`;
    const chunk = readChunk(stream, offset, given, runs, path);
    if (chunk.epoch < before) throw new DocumentInvalid(`${path}.epoch`, `is ${chunk.epoch}, and the chunk before it has ${before}.`);
    before = chunk.epoch;
    return chunk;
  });
}

function readChunk(stream: string, offset: number, given: unknown, runs: RunsOfStreams, path: string): WholeChunk {
  if (!isObject(given)) throw new DocumentInvalid(path, "must be an object.");
  const { runId: of, epoch, at, step } = given;
  if (!isTime(at)) throw new DocumentInvalid(`${path}.at`, "must be a time in milliseconds since 1970.");
  const known = typeof of === "string" ? runs.newId(of) : undefined;
  const isDeleted = known === undefined && typeof of === "string" && at <= runs.beganAt;
  const runId = isDeleted ? runs.idOfDeleted(of) : known;
  if (runId === undefined) throw new DocumentInvalid(`${path}.runId`, "must be the id of one of the runs, or of an earlier one.");
  if (!isCount(epoch, 1)) throw new DocumentInvalid(`${path}.epoch`, "must be a whole number from 1.");
  if (step !== undefined && (!isObject(step) || !isCount(step["position"], 1) || !isCount(step["attempt"], 1)))
    throw new DocumentInvalid(`${path}.step`, "must have a position and an attempt, whole numbers from 1.");
  const by = step === undefined ? undefined : { position: step["position"] as number, attempt: step["attempt"] as number };
  if (by === undefined && !isDeleted && !runs.recorded.has(placeOf(runId, stream, offset)))
    throw new DocumentInvalid(path, "was written by workflow code, and the history of its run does not say so.");
  return { stream, offset, runId, epoch, at, step: by, data: readData(given, path) };
}

/** Encoded; null closes the stream. */
function readData(given: Readonly<Record<string, unknown>>, path: string): string | null {
  if (given["closed"] === true) return null;
  const text = given["value#"];
  try {
    if (typeof text === "string" && text.startsWith("#")) {
      decodeValue(text);
      return text;
    }
    if (Object.hasOwn(given, "value")) return encodeChunk(given["value"]);
  } catch {
    throw new DocumentInvalid(`${path}.value`, "cannot be read, or is too large.");
  }
  throw new DocumentInvalid(path, "must have a value, or close the stream.");
}

function isCount(value: unknown, least: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) < 2 ** 31;
}
