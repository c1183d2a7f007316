import { OptionInvalid } from "../base/errors.ts";
import type { SqlClient } from "../definition/transaction.ts";

/** @throws OptionInvalid */
export function checkClient(client: SqlClient): SqlClient {
  if (typeof client?.query !== "function") throw new OptionInvalid("transaction", "must be a client of node-postgres with an open transaction");
  return client;
}
