/** A closed embedded directory made once per test file and copied for each test, which spares most tests an initdb. */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { openEmbedded } from "../embedded-postgres.ts";
import { makeTestDirectory } from "./child-client.ts";

/** The template, and copies of it in directories of their own. */
export interface ClusterTemplate {
  /** A directory that every user can enter, with a copy as its subdirectory `pawl`. Returns the copy. */
  copy(): Promise<string>;
  /** An empty directory that every user can enter. */
  empty(): Promise<string>;
  /** Removes the template and all copies. */
  remove(): Promise<void>;
}

/** Makes a template by a first start. */
export async function makeClusterTemplate(): Promise<ClusterTemplate> {
  const made = [await makeTestDirectory()];
  const template = join(made[0] ?? "", "pawl");
  await (await openEmbedded({ directory: template })).close();
  const empty = async () => {
    const home = await makeTestDirectory();
    made.push(home);
    return home;
  };
  return {
    empty,
    async copy() {
      const home = await empty();
      // With owners and permissions, which node's own copy leaves out.
      await promisify(execFile)("cp", ["-a", template, home]);
      return join(home, "pawl");
    },
    async remove() {
      await Promise.all(made.map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}
