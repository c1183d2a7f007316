import { afterAll, beforeAll } from "vitest";
import { freshDatabase, type FreshDatabase } from "../support/database.ts";
import { Arena } from "./arena.ts";

/** An arena for the tests of a file. */
export function inArena(): () => Arena {
  let database: FreshDatabase;
  let arena: Arena;
  beforeAll(async () => {
    database = await freshDatabase();
    arena = new Arena(database.url);
    await arena.open();
  });
  afterAll(async () => {
    await arena.close();
    await database.drop();
  });
  return () => arena;
}
