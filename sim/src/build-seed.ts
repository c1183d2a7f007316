import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = ["../../packages/pawl", ".."];

/**
 * The first of the seeds that belong to this very code: others after each change of the library or the simulator, the same on every
 * machine until then, so that whoever tests a change runs what everybody else will run.
 */
export function buildSeed(): number {
  const hash = createHash("sha256");
  for (const directory of packages.map((path) => fileURLToPath(new URL(path, import.meta.url)))) {
    const files = readdirSync(join(directory, "dist"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
    // The compiler leaves what it made of a file that is gone.
    const current = files.filter((file) => existsSync(join(directory, "src", file.replace(/js$/, "ts"))));
    for (const file of current.toSorted()) hash.update(file).update(readFileSync(join(directory, "dist", file)));
  }
  return hash.digest().readUIntBE(0, 5);
}
