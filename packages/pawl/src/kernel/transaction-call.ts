import { checkKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { transactionKeys } from "../definition/context-keys.ts";
import type { StepOptions } from "../definition/context.ts";
import type { IsolationLevel, TransactionFunction, TransactionOptions } from "../definition/transaction.ts";
import type { TransactionCall } from "./call.ts";

const levels: readonly IsolationLevel[] = ["read committed", "repeatable read", "serializable"];

/** @throws OptionInvalid */
export function transactionCall<Tx, Result>(name: string, fn: TransactionFunction<Tx, Result>, options: TransactionOptions<Tx>): TransactionCall {
  const path = `transaction "${name}"`;
  checkKeys(options, transactionKeys, path);
  const { isolation = "read committed", using } = options;
  if ((options as StepOptions).taskQueue !== undefined)
    throw new OptionInvalid(
      `${path}.taskQueue`,
      "a transaction runs where its workflow runs, since its result is recorded in it. Leave it out, or make it a workflow of that queue and start it with ctx.child",
    );
  if (typeof fn !== "function") throw new OptionInvalid(path, "takes a function (tx) => promise as its second argument");
  if (!levels.includes(isolation)) throw new OptionInvalid(`${path}.isolation`, `must be one of ${levels.join(", ")}, not ${isolation}`);
  if (using !== undefined && typeof using !== "function") throw new OptionInvalid(`${path}.using`, "must be a function of the client");
  return { isolation, run: async (client, step) => fn((using === undefined ? client : using(client as never)) as Tx, step) };
}
