import { Pawl, type Logger } from "pawl";
import { migrateDatabase } from "pawl/internal";
import type { Place } from "../database.ts";
import { backlogChecks, clockCheck, ok, quarantineCheck, serverChecks, takeoverCheck, wakeCheck, workerCheck, type Check } from "./checks.ts";

const mostCounted = 1000;

/** Looks at a database and what runs on it. @throws what opening it throws: then there is nothing to look at */
export async function examine(place: Place, namespace: string, logger: Logger): Promise<Check[]> {
  const { to } = await migrateDatabase({ ...place, connectTimeoutMs: 5000, logger }, false);
  const pawl = await Pawl.open({ ...place, namespace, logger, migrate: false, connectTimeout: "5s" });
  try {
    // Once for nothing, so that making the connection does not count as the way to the server.
    await pawl.store.databaseFacts();
    const askedAt = Date.now();
    const facts = await pawl.store.databaseFacts();
    const roundTripMs = Date.now() - askedAt;
    const [workers, everything, backlog, dead, stranded, quarantined, pauses] = await Promise.all([
      pawl.workers(),
      // With what every worker has.
      pawl.store.workers(namespace),
      pawl.store.backlog(namespace),
      pawl.store.deadWorkersWithClaims(),
      pawl.store.stranded(),
      pawl.list({ state: "quarantined", limit: mostCounted }),
      pawl.pauses.list(),
    ]);
    return [
      ...serverChecks(facts, roundTripMs),
      clockCheck(facts.now - (askedAt + roundTripMs / 2), roundTripMs),
      ok("schema", `${place.schema}, migration ${to}`),
      workerCheck(workers),
      takeoverCheck(dead),
      ...backlogChecks(backlog, everything, facts.now, pauses),
      quarantineCheck(quarantined.executions.length, quarantined.nextCursor !== undefined),
      wakeCheck(stranded),
    ];
  } finally {
    await pawl.close();
  }
}
