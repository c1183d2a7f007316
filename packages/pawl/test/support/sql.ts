/** Single statements over connections of their own. */
import pg from "pg";

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  // Not through URL: the host of a Unix socket stands in the query, behind an empty one that URL refuses.
  return serverUrl.replace(/^(postgres(?:ql)?:\/\/[^/]*)(\/[^?]*)?/, `$1/${name}`);
}

export async function execute(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}

/** Rows of one statement, over a connection of its own. */
export async function query<Row extends pg.QueryResultRow>(url: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  return withClient(url, async (client) => (await client.query<Row>(sql, [...parameters])).rows);
}

export async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, application_name: "test" });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
