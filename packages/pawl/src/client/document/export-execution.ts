import { ExecutionNotFound } from "../../base/errors.ts";
import { encodeAgain } from "../../kernel/event-codec.ts";
import type { RecordedEvent } from "../../kernel/event.ts";
import type { Store } from "../../store/store.ts";
import { documentFormat, documentVersion, type EventDocument, type ExecutionDocument, type RunDocument } from "./execution-document.ts";
import { DocumentSize } from "./document-size.ts";
import { exportStreams } from "./export-streams.ts";

const page = 1000;

/** @throws ExecutionNotFound, DocumentTooLarge */
export async function exportExecution(store: Store, namespace: string, executionId: string): Promise<ExecutionDocument> {
  const summary = await store.describe(namespace, executionId);
  if (summary === undefined) throw new ExecutionNotFound(executionId);
  const size = new DocumentSize(executionId);
  const runs: RunDocument[] = [];
  const earlier = await store.pastRuns(namespace, executionId);
  const found = [...earlier.filter(({ runNumber }) => runNumber < summary.runNumber), summary];
  for (const run of found) size.addEvents(run.events);
  for (const run of found) {
    const events = await readEvents(store, run.runId, run.events, size);
    if (events.length < run.events) {
      // Retention was faster: the execution is gone, or its runs up to this one.
      if (run === summary) throw new ExecutionNotFound(executionId);
      runs.length = 0;
      continue;
    }
    runs.push({ runId: run.runId, version: run.version, state: run.state, startedAt: run.startedAt, events });
  }
  const { workflow, taskQueue, key, priority } = summary;
  const place = { ...(key === null ? {} : { key }), ...(priority === 0 ? {} : { priority }) };
  const streams = await exportStreams(store, namespace, executionId, runs, size);
  const document = { format: documentFormat, formatVersion: documentVersion, namespace, executionId, workflow, taskQueue, ...place, runs } as const;
  return streams === undefined ? document : { ...document, streams };
}

/** As many as there were when the row was read: what came later is not what the row's state says. */
async function readEvents(store: Store, runId: string, count: number, size: DocumentSize): Promise<EventDocument[]> {
  const events: EventDocument[] = [];
  while (events.length < count) {
    const found = await store.history(runId, events.length, Math.min(page, count - events.length));
    if (found.length === 0) break;
    events.push(...found.map((recorded) => eventDocument(recorded, size)));
  }
  return events;
}

function eventDocument({ at, epoch, event }: RecordedEvent, size: DocumentSize): EventDocument {
  const text = encodeAgain(event);
  size.addEventText(text.length);
  return { type: event.type, at, epoch, data: JSON.parse(text) as Record<string, unknown> };
}
