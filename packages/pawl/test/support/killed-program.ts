/** What is left when a process has died: nothing that it sent is still under way. */
import { expect } from "vitest";
import { checkInvariants, query } from "./database.ts";
import { Program } from "./program.ts";
import { waitFor } from "./wait.ts";

/** Runs a program that kills itself, until the server has noticed, and holds the database against the invariants. */
export async function runUntilKilled(name: string, url: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  const program = new Program(name, { url, ...options });
  expect((await program.exited).signal, program.output).toBe("SIGKILL");
  await sessionsEnded(url);
  await checkInvariants(url);
}

/** Waits until the server has ended every session of this database: what a dead process sent may still be committed until then. */
export async function sessionsEnded(url: string): Promise<void> {
  await waitFor("the server ended the dead process's sessions", async () => {
    const rows = await query<object>(
      url,
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    );
    return rows.length === 0;
  });
}
