import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";

/** The one PostgreSQL server of a run: the one of DATABASE_URL, or a temporary one of our own. */
export interface Server {
  readonly description: string;
  /** Makes an empty database and gives its URL. */
  createDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  close(): Promise<void>;
}

interface Source {
  readonly url: string;
  readonly origin: string;
  close(): Promise<void>;
}

async function temporaryServer(): Promise<Source> {
  const { openEmbedded } = await import("pawl/internal");
  const directory = await mkdtemp(join(tmpdir(), "pawl-bench-"));
  const embedded = await openEmbedded({ directory });
  return {
    url: embedded.url,
    origin: "embedded, temporary",
    async close() {
      await embedded.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function withDatabase(url: string, database: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^/?]*)(?:\/[^?]*)?/, (_all, authority: string) => {
    // A URL for a socket has its host in the query, and URL parsers refuse one without any host before.
    return `${authority.endsWith("@") ? `${authority}localhost` : authority}/${database}`;
  });
}

/** @throws if the server does not make commits durable: figures of such a server mean nothing. */
async function describe(client: Client, origin: string): Promise<string> {
  const { rows } = await client.query<{ version: string; fsync: string; commit: string; buffers: string }>(`
    select current_setting('server_version') as version, current_setting('fsync') as fsync,
           current_setting('synchronous_commit') as commit, current_setting('shared_buffers') as buffers`);
  const [row] = rows;
  if (row?.fsync !== "on" || row.commit !== "on") {
    throw new Error(`The server has fsync=${row?.fsync} and synchronous_commit=${row?.commit}; both must be on.`);
  }
  return `PostgreSQL ${row.version} (${origin}), fsync on, synchronous_commit on, shared_buffers ${row.buffers}`;
}

export async function openServer(databaseUrl: string | undefined): Promise<Server> {
  const source: Source = databaseUrl === undefined ? await temporaryServer() : { url: databaseUrl, origin: "DATABASE_URL", close: async () => undefined };
  const client = new Client({ connectionString: source.url });
  try {
    await client.connect();
    const description = await describe(client, source.origin);
    return {
      description,
      async createDatabase(name) {
        await client.query(`create database ${client.escapeIdentifier(name)}`);
        // Here, before the warm-up, so that the warm-up and not the timed part pays for most full-page images.
        await client.query("checkpoint");
        return withDatabase(source.url, name);
      },
      async dropDatabase(name) {
        await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
      },
      async close() {
        await client.end();
        await source.close();
      },
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}
