import type { PauseTarget } from "../../store/pauses.ts";
import type { Transaction } from "../transaction.ts";

/** add-pause: pauses a task queue or workflow; one that is paused stays so, with its reason. Index: pauses_pkey. */
export function addPause(namespace: string, { kind, name }: PauseTarget, reason: string | null): Transaction<never> {
  return {
    name: "add-pause",
    text: `INSERT INTO pauses (namespace, kind, name, reason, since) VALUES ($1, $2, $3, $4, current_time_of_pawl()) ON CONFLICT DO NOTHING`,
    parameters: [namespace, kind, name, reason],
  };
}

/** remove-pause. Index: pauses_pkey. */
export function removePause(namespace: string, { kind, name }: PauseTarget): Transaction<{ readonly name: string }> {
  return {
    name: "remove-pause",
    text: `DELETE FROM pauses WHERE namespace = $1 AND kind = $2 AND name = $3 RETURNING name`,
    parameters: [namespace, kind, name],
  };
}

export interface PauseInfoColumns {
  readonly kind: PauseTarget["kind"];
  readonly name: string;
  readonly reason: string | null;
  readonly since: number;
}

/** read-pauses. Index: pauses_pkey. */
export function readPauses(namespace: string): Transaction<PauseInfoColumns> {
  return {
    name: "read-pauses",
    text: `SELECT kind, name, reason, (extract(epoch FROM since) * 1000)::float8 AS since FROM pauses WHERE namespace = $1 ORDER BY kind, name`,
    parameters: [namespace],
  };
}
