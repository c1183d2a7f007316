/** Asks a server whether it takes connections. */
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";

/** `busy`: it is there but starts up, recovers or shuts down. `absent`: nobody answers. */
export type ProbeResult = { readonly state: "ready" | "busy" | "absent"; readonly error?: unknown };

const tooManyConnections = "53300";
/** SQLSTATEs of a server that starts or stops. */
const busyCodes = new Set(["57P03", "57P01"]);

/** Connects once and leaves again. */
export async function probe(url: string): Promise<ProbeResult> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // An error after the answer (the server stops under us) must not end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return { state: "ready" };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    // A server with all connections in use is up.
    if (code === tooManyConnections) return { state: "ready" };
    return { state: busyCodes.has(code) ? "busy" : "absent", error };
  } finally {
    await Promise.race([client.end().catch(() => undefined), delay(1_000, undefined, { ref: false })]);
  }
}
