import { OptionInvalid } from "../base/errors.ts";
import type { OpenTransaction } from "../definition/transaction.ts";

/** @throws OptionInvalid */
export function checkClient(client: OpenTransaction): OpenTransaction {
  if (typeof client?.query !== "function") throw new OptionInvalid("transaction", "must be a client of node-postgres with an open transaction");
  if ("totalCount" in client && "idleCount" in client)
    throw new OptionInvalid("transaction", "is a pool, which runs every query on some connection; connect() gives one of its clients, on which you can begin");
  return client;
}
