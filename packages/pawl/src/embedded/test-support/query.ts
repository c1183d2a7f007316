/** Runs one statement over a connection of its own; rows as arrays. */
import { Client } from "pg";

export async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  // A server that is killed after the answer says so to a connection that is just being closed.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}
