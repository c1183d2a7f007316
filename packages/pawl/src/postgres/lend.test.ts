import { expect, test } from "vitest";
import { TransactionControlInvalid } from "../base/errors.ts";
import { lend } from "./lend.ts";

/** A connection that answers what it was asked. */
const client = { query: (text: string) => Promise.resolve({ rows: [text] }) };

const ask = async (text: string): Promise<unknown> => lend(client as never).client.query(text);

test.each([
  "SELECT 1",
  "ROLLBACK TO SAVEPOINT s",
  "/* report */ SELECT CASE WHEN x THEN 1 /* else */ END FROM t",
  "/* audit */ CREATE FUNCTION f() RETURNS int AS $$ DECLARE n int; /* n */ BEGIN RETURN 1; END $$ LANGUAGE plpgsql",
  "-- nothing is over\nSELECT 1",
])("what neither begins nor ends a transaction is sent: %s", async (text) => {
  expect(await ask(text)).toEqual({ rows: [text] });
});

test.each(["COMMIT", " -- so far\n commit", "/* a *//* ** */ END", "rollback", "/* a */ START TRANSACTION", "ABORT", "PREPARE TRANSACTION 'x'"])(
  "what begins or ends one is refused: %s",
  async (text) => {
    await expect(ask(text)).rejects.toThrow(TransactionControlInvalid);
  },
);

test("a hundred comments in front of a statement are read once", async () => {
  const text = `${"/* a */ ".repeat(100)}SELECT 1`;
  expect(await ask(text)).toEqual({ rows: [text] });
});
