import { randomUUID } from "node:crypto";
import pg from "pg";
import type { Logger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Hint } from "../store/store.ts";
import { keepAlive, sessionSettings } from "./pg-connections.ts";

/** Between two notifications of one process: at most this often, so that they cost commits nothing. */
const coalesceMs = 5;
const firstReconnectMs = 100;
const longestReconnectMs = 5000;
/** PostgreSQL takes 7,999 bytes. */
const payloadLimit = 7900;

/** Carries hints between processes. Losing all of them costs time, never correctness. */
export interface HintChannel {
  send(hint: Hint): void;
  onHint(listener: (hint: Hint) => void): () => void;
  close(): Promise<void>;
}

/**
 * Hints over LISTEN/NOTIFY on a connection of its own, outside every state transaction: NOTIFY inside one would serialise
 * commits. What accumulates within a few milliseconds goes out as one notification.
 */
export class PgHintChannel implements HintChannel {
  readonly #url: string;
  readonly #channel: string;
  readonly #logger: Logger;
  readonly #sender = randomUUID();
  readonly #listeners = new Set<(hint: Hint) => void>();
  #client: pg.Client | undefined;
  #closed = false;
  #reconnectTimer: NodeJS.Timeout | undefined;
  #reconnectMs = firstReconnectMs;
  #queues = new Map<string, Hint>();
  #runs = noRuns();
  #flushTimer: NodeJS.Timeout | undefined;
  #lastFlush = 0;
  #notifying = false;

  constructor(url: string, schema: string, logger: Logger) {
    this.#url = url;
    this.#channel = `pawl_${schema}`;
    this.#logger = logger;
    void this.#connect();
  }

  send(hint: Hint): void {
    if (this.#closed) return;
    // Within this process at once; what comes back from the server is left out.
    setImmediate(() => this.#emit(hint));
    if (hint.kind === "tasks") this.#queues.set(`${hint.namespace}/${hint.taskQueue}`, hint);
    else if (hint.kind === "schedules" || hint.kind === "pauses" || hint.kind === "queues") this.#queues.set(`${hint.namespace} ${hint.kind}`, hint);
    else for (const runId of hint.runIds) this.#runs[hint.kind].add(runId);
    this.#plan();
  }

  onHint(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#reconnectTimer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  #flush(): void {
    this.#flushTimer = undefined;
    this.#lastFlush = performance.now();
    const hints: Hint[] = [...this.#queues.values()];
    for (const kind of ["inbox", "ended", "news"] as const) for (const runIds of chunks(this.#runs[kind])) hints.push({ kind, runIds });
    this.#queues = new Map();
    this.#runs = noRuns();
    const client = this.#client;
    // Not connected: the receivers poll.
    if (client === undefined) return;
    const payloads = hints.map((hint) => JSON.stringify({ from: this.#sender, hint })).filter((payload) => payload.length <= payloadLimit);
    this.#notifying = true;
    client
      .query({ name: "pawl_notify", text: "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", values: [this.#channel, payloads] })
      .catch(() => {})
      .finally(() => {
        this.#notifying = false;
        if (this.#queues.size + this.#runs.inbox.size + this.#runs.ended.size + this.#runs.news.size > 0) this.#plan();
      });
  }

  /** One notification at a time, and not more often than every few milliseconds. */
  #plan(): void {
    if (this.#flushTimer !== undefined || this.#notifying || this.#closed) return;
    this.#flushTimer = setTimeout(() => this.#flush(), Math.max(0, coalesceMs - (performance.now() - this.#lastFlush)));
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    const client = new pg.Client({ connectionString: this.#url, application_name: "pawl hints", connectionTimeoutMillis: 10_000, ...keepAlive });
    const lost = (): void => {
      client.removeAllListeners("end");
      if (this.#client === client) this.#client = undefined;
      this.#reconnect();
    };
    client.on("error", () => {});
    client.on("notification", ({ payload }) => this.#receive(payload));
    try {
      await client.connect();
      // A notification is a commit; losing one in a crash loses nothing, so it need not wait for the disk.
      await client.query(`${sessionSettings}; SET synchronous_commit = off; LISTEN "${this.#channel}"`);
      client.once("end", lost);
      if (this.#closed) return void client.end().catch(() => {});
      this.#client = client;
      this.#reconnectMs = firstReconnectMs;
      // Whatever was missed while nobody listened.
      this.#emit({ kind: "tasks", namespace: "*", taskQueue: "*" });
    } catch (error) {
      client.end().catch(() => {});
      this.#logger.info(`hints: ${error instanceof Error ? error.message : String(error)}; polling until the connection is back`);
      this.#reconnect();
    }
  }

  #reconnect(): void {
    if (this.#closed) return;
    this.#reconnectTimer = setTimeout(() => void this.#connect(), this.#reconnectMs * (0.5 + Math.random() / 2));
    this.#reconnectTimer.unref();
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, longestReconnectMs);
  }

  #receive(payload: string | undefined): void {
    let notification: { readonly from: string; readonly hint: Hint };
    try {
      notification = JSON.parse(payload ?? "") as typeof notification;
    } catch {
      return;
    }
    if (notification.from !== this.#sender && typeof notification.hint === "object") this.#emit(notification.hint);
  }

  #emit(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }
}

/** Runs to tell of, by kind of hint. */
function noRuns(): Readonly<Record<"inbox" | "ended" | "news", Set<string>>> {
  return { inbox: new Set(), ended: new Set(), news: new Set() };
}

function* chunks(runIds: ReadonlySet<string>): Generator<string[]> {
  const all = [...runIds];
  for (let i = 0; i < all.length; i += 150) yield all.slice(i, i + 150);
}

/** Hints within this process only (in-memory PostgreSQL, or NOTIFY switched off): other processes find everything by polling. */
export class LocalHints implements HintChannel {
  readonly #runtime: Pick<Runtime, "soon">;
  readonly #listeners = new Set<(hint: Hint) => void>();

  constructor(runtime: Pick<Runtime, "soon">) {
    this.#runtime = runtime;
  }

  send(hint: Hint): void {
    this.#runtime.soon(() => {
      for (const listener of this.#listeners) listener(hint);
    });
  }

  onHint(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
