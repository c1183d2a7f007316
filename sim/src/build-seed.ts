import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const built = ["../../packages/pawl/dist", "../dist"];

/**
 * The first of the seeds that belong to this very code: others after each change of the library or the simulator, the same on every
 * machine until then, so that whoever tests a change runs what everybody else will run.
 */
export function buildSeed(): number {
  const hash = createHash("sha256");
  for (const directory of built.map((path) => fileURLToPath(new URL(path, import.meta.url)))) {
    const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
    for (const file of files.toSorted()) hash.update(file).update(readFileSync(join(directory, file)));
  }
  return hash.digest().readUIntBE(0, 5);
}
