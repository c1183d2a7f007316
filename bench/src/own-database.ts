import { openServer } from "./server.ts";

/** Does something on a database of its own, which is gone afterwards. @param name what it is for, for its name */
export async function inOwnDatabase(name: string, work: (url: string, server: string) => Promise<void>): Promise<void> {
  const server = await openServer(process.env["DATABASE_URL"]);
  const database = `pawl_${name}_${process.pid}`;
  try {
    await work(await server.createDatabase(database), server.description);
  } finally {
    await server.dropDatabase(database);
    await server.close();
  }
}
