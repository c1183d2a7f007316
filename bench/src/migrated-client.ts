import { migrateDatabase, silentLogger } from "pawl/internal";
import { Client } from "pg";

/** Makes Pawl's tables in an empty database, for rows that are made with SQL, and keeps a connection while something is done there. */
export async function withMigratedClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  await migrateDatabase({ url, schema: "pawl", connectTimeoutMs: 10_000, logger: silentLogger }, true);
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** SQL for a run id made at a time, the `i`th: they follow each other in time, as real ones do. */
export const runIdAt = (at: string): string =>
  `(lpad(to_hex((extract(epoch FROM ${at}) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid`;
