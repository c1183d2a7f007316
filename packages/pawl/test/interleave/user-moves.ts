import { CommitInDoubt, type Sessions } from "../../src/postgres/sessions.ts";
import { PostgresTransactions } from "../../src/postgres/postgres-transactions.ts";
import type { OpenTransaction } from "../../src/definition/transaction.ts";
import type { StartOperation } from "../../src/store/operations.ts";
import type { TransactionStore } from "../../src/store/transact.ts";
import type { Hands, Move } from "./moves.ts";
import { appendTo, commitIds, events, namespace, readable, startOf } from "./world.ts";

/** Transactions of users: they keep their locks from one statement to the next, for as long as they like. */

/** One thing that a user does in a transaction. */
interface Deed {
  readonly name: string;
  do(transactions: TransactionStore, client: OpenTransaction): Promise<string>;
}

export function starting(executionId: string, parts: Partial<StartOperation> = {}): Deed {
  return {
    name: `start ${executionId}`,
    async do(transactions, client) {
      const outcome = await transactions.start(client, startOf(executionId, parts));
      return outcome.outcome === "started" ? "started" : `exists as ${readable(outcome.existing.runId)} ${outcome.existing.state}`;
    },
  };
}

/** What its statement has seen may be over by the commit, with which it arrives. */
export function signalling(executionId: string): Deed {
  return {
    name: `signal ${executionId}`,
    async do(transactions, client) {
      const data = '{"signalId":"s","name":"go","payload":1}';
      const receipt = await transactions.signal(client, namespace, { executionId, messageId: "signal:s", type: "SignalReceived", data });
      return receipt?.state ?? "missing";
    },
  };
}

const all = async (deeds: readonly Deed[], transactions: TransactionStore, client: OpenTransaction): Promise<string> => {
  const results: string[] = [];
  for (const deed of deeds) results.push(await deed.do(transactions, client));
  return results.join(", ");
};

const nameOf = (deeds: readonly Deed[]): string => deeds.map(({ name }) => name).join(" and ");

/** A transaction that a user has begun. */
export function inTransaction(...deeds: readonly Deed[]): Move {
  return ending("in a transaction", true, deeds);
}

/** Nothing may be left of it, and whoever waited for it goes on. */
export function rolledBack(...deeds: readonly Deed[]): Move {
  return ending("in vain", false, deeds);
}

function ending(how: string, commits: boolean, deeds: readonly Deed[]): Move {
  return {
    name: `${nameOf(deeds)} ${how}`,
    async run({ store, users }) {
      let result = "";
      await users.transact("read committed", async (client) => {
        result = await all(deeds, store.transactions, client);
        return commits;
      });
      return result;
    },
  };
}

/** A step of the parent's whose function runs in a transaction, and does something with Pawl in it. */
export function transactionalStep(...deeds: readonly Deed[]): Move {
  return stepIn(deeds.length === 0 ? "transactional step" : `transactional step: ${nameOf(deeds)}`, deeds, ({ store }) => store.transactions);
}

/** The same, and its process does not learn that it was committed. */
export const stepInDoubt: Move = stepIn("transactional step in doubt", [], ({ gateway, users }) => {
  const replyLost: Sessions = {
    ...users,
    async transact(...given) {
      await users.transact(...given);
      throw new CommitInDoubt("The reply is lost.");
    },
  };
  return new PostgresTransactions(gateway, replyLost, "pawl", commitIds);
});

function stepIn(name: string, deeds: readonly Deed[], transactionsOf: (hands: Hands) => TransactionStore): Move {
  return {
    name,
    async run(hands) {
      const transactions = transactionsOf(hands);
      let result = "";
      const outcome = await transactions.run({
        isolation: "read committed",
        signal: new AbortController().signal,
        async work(client) {
          result = await all(deeds, transactions, client);
          return appendTo(hands.cursor("parent"), { events: [events.step(14)] });
        },
      });
      return [outcome.outcome === "rolled-back" ? String(outcome.error) : outcome.outcome, result].join(" ").trim();
    },
  };
}
