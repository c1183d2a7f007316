/** One PostgreSQL for a whole test run: the one given by PAWL_TEST_DATABASE_URL, or an embedded one in a temporary directory. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "pawl/internal";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of the server's maintenance database. */
    databaseServerUrl: string;
    /** Whether the server was started for this run and is removed after it. */
    databaseServerIsOurs: boolean;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["PAWL_TEST_DATABASE_URL"];
  if (given !== undefined && given !== "") {
    project.provide("databaseServerUrl", given);
    project.provide("databaseServerIsOurs", false);
    return async () => {};
  }
  const home = await mkdtemp(join(tmpdir(), "pawl-tests-"));
  const embedded = await openEmbedded({ directory: join(home, "data") });
  project.provide("databaseServerUrl", embedded.url);
  project.provide("databaseServerIsOurs", true);
  return async () => {
    await embedded.close();
    await rm(home, { recursive: true, force: true });
  };
}
