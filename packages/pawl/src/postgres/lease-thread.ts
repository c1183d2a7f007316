import { workerData } from "node:worker_threads";
import pg from "pg";
import { keepAlive, sessionSettings } from "./pg-connections.ts";
import { searchPath } from "./search-path.ts";
import { leaseSlots, type LeaseThreadData } from "./thread-lease-keeper.ts";
import { heartbeat } from "./statements/heartbeat.ts";

/**
 * Runs in a thread of its own with a connection of its own, so that a main loop busy for seconds does not lose its lease.
 * A main loop that hangs for good must lose it: the thread watches the loop's counter and stops beating when it stands still.
 */
const { url, schema, workerId, leaseMs, hangMs, killOnHang, shared } = workerData as LeaseThreadData;
const slots = new Int32Array(shared);
/** Often enough to keep the lease, and to see a hang in time. */
const beatMs = Math.max(50, Math.floor(Math.min(leaseMs, hangMs) / 3));

let client: pg.Client | undefined;
let lastTurn = Atomics.load(slots, leaseSlots.turns);
let lastTurnAt = performance.now();

async function connect(): Promise<pg.Client> {
  const fresh = new pg.Client({
    connectionString: url,
    application_name: "pawl lease",
    connectionTimeoutMillis: leaseMs,
    query_timeout: leaseMs,
    ...keepAlive,
  });
  fresh.on("error", () => {
    // Not the one that has taken its place meanwhile.
    if (client === fresh) client = undefined;
  });
  try {
    await fresh.connect();
    await fresh.query(`${sessionSettings}; SET search_path = ${searchPath(schema)}`);
  } catch (error) {
    // A server that hangs after the greeting would be left with one more of them each time.
    fresh.end().catch(() => {});
    throw error;
  }
  return fresh;
}

const longestRetryMs = 5000;

/** Gives how long to wait until the next beat. */
async function beat(): Promise<number> {
  const turns = Atomics.load(slots, leaseSlots.turns);
  const now = performance.now();
  // A stopped or suspended process finds both its clocks advanced at once: that is no hang, the lease decides.
  if (turns !== lastTurn || now - lastBeatStarted > hangMs) {
    lastTurn = turns;
    lastTurnAt = now;
  }
  lastBeatStarted = now;
  if (now - lastTurnAt > hangMs) {
    Atomics.store(slots, leaseSlots.state, leaseSlots.hung);
    if (killOnHang) process.kill(process.pid, "SIGKILL");
    return beatMs;
  }
  Atomics.store(slots, leaseSlots.state, leaseSlots.beating);
  try {
    client ??= await connect();
    const sentAt = performance.timeOrigin + performance.now();
    const { text, parameters } = heartbeat(workerId, leaseMs);
    const result = await client.query({ name: "heartbeat", text, values: parameters as unknown[] });
    if (result.rowCount === 0) {
      Atomics.store(slots, leaseSlots.state, leaseSlots.lost);
      await client.end();
      return Number.POSITIVE_INFINITY;
    }
    // The lease is counted from before the beat was sent, so that it never seems longer here than in the database.
    Atomics.store(new BigInt64Array(shared, leaseSlots.beatOffset, 1), 0, BigInt(Math.floor(sentAt)));
    failures = 0;
    return beatMs;
  } catch {
    client?.end().catch(() => {});
    client = undefined;
    // Soon at first, while the lease may be saved; then rarely: a server that hangs keeps every connection that it was left with.
    return Math.min(Math.min(beatMs, 500) * 2 ** Math.min(failures++, 10), longestRetryMs);
  }
}

let lastBeatStarted = performance.now();
let failures = 0;

async function run(): Promise<void> {
  for (;;) {
    const waitMs = await beat();
    if (waitMs === Number.POSITIVE_INFINITY) return;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

void run();
