import { Closed, TransactionControlInvalid } from "../base/errors.ts";
import type { SqlClient } from "../definition/transaction.ts";

/** A connection in users' hands. */
export interface Lent {
  readonly client: SqlClient;
  /** From now on, what it is asked is refused: it serves others. */
  takeBack(): void;
}

/** What begins or ends a transaction; `ROLLBACK TO` a savepoint does not. */
const control =
  /^(?:\s|--.*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b/i;

const lentClients = new WeakSet<object>();

/** Whether there is a transaction open on this one, for certain. */
export function isLent(client: object): boolean {
  return lentClients.has(client);
}

/**
 * Lends a connection to users' code, in the middle of a transaction. It can do all that the driver's own can, but not end the transaction; and
 * giving it back to its pool, which libraries do after every query, does nothing.
 */
export function lend(client: SqlClient): Lent {
  let isOver = false;
  const query = (asked: unknown, ...others: unknown[]): unknown => {
    if (isOver) return Promise.reject(new Closed("The transaction"));
    const text = typeof asked === "string" ? asked : (asked as { readonly text?: unknown } | null)?.text;
    const found = typeof text === "string" ? control.exec(text) : null;
    if (found !== null) return Promise.reject(new TransactionControlInvalid(`sent "${found[0].trim()}". It was refused`));
    return (client as { query(...given: unknown[]): unknown }).query(asked, ...others);
  };
  const replaced: Readonly<Record<PropertyKey, unknown>> = { query, release: () => {} };
  const lent = new Proxy(client, {
    get: (target, key) => {
      if (Object.hasOwn(replaced, key)) return replaced[key];
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  lentClients.add(lent);
  return {
    client: lent,
    takeBack: () => {
      isOver = true;
    },
  };
}
