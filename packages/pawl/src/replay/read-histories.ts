import { HistoryInvalid } from "../base/errors.ts";
import { documentFormat, documentVersion, type EventDocument, type RunDocument } from "../client/document/execution-document.ts";
import { parseHistory, type ParsedHistory, type RecordedHistory } from "./recorded-history.ts";

/** The history of one run as `replayHistory` takes it, and parsed. */
export interface HistoryOfFile {
  readonly recorded: string;
  readonly parsed: ParsedHistory;
}

/**
 * The histories in the text of a file: the one that was recorded, or one for each run of an exported execution, oldest first.
 *
 * @throws HistoryInvalid with the path of what is wrong
 */
export function readHistories(text: string): readonly HistoryOfFile[] {
  const document = exportedIn(text);
  if (document === undefined) return [{ recorded: text, parsed: parseHistory(text) }];
  if (document["formatVersion"] !== documentVersion)
    throw new HistoryInvalid("formatVersion", `is ${JSON.stringify(document["formatVersion"])}; this Pawl reads version ${documentVersion}`);
  const { runs } = document;
  if (!Array.isArray(runs) || runs.length === 0) throw new HistoryInvalid("runs", "must be a list of at least one run");
  return runs.map((run: unknown, index) => {
    const recorded = JSON.stringify(historyOf(document, run));
    try {
      return { recorded, parsed: parseHistory(recorded) };
    } catch (error) {
      throw error instanceof HistoryInvalid ? error.within(`runs[${index}]`) : error;
    }
  });
}

function exportedIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    return value?.["format"] === documentFormat ? value : undefined;
  } catch {
    // Said with the reason where it is parsed as a recorded history.
    return undefined;
  }
}

/** Whatever is wrong with it is found where the history is parsed. */
function historyOf({ executionId, namespace, workflow }: Readonly<Record<string, unknown>>, given: unknown): Partial<Record<keyof RecordedHistory, unknown>> {
  const { runId, version, events } = (given ?? {}) as Partial<RunDocument>;
  const list = Array.isArray(events) ? events.map((event: EventDocument | null, index) => eventOf(event, index)) : events;
  return { executionId, namespace, workflow, version, runId, events: list };
}

function eventOf(event: EventDocument | null, index: number): unknown {
  if (typeof event !== "object" || event === null) return event;
  const at = typeof event.at === "number" && Math.abs(event.at) <= 8.64e15 ? new Date(event.at).toISOString() : event.at;
  return { ...event.data, seq: index + 1, at, type: event.type };
}
