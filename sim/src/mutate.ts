import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutants.ts";

const here = dirname(fileURLToPath(import.meta.url));
const library = join(dirname(fileURLToPath(import.meta.resolve("pawl/package.json"))));

/** @throws if a text is not in the built library exactly once: the list of mutants has fallen behind it */
export function mutatedText({ name, edits }: Mutant, file: string): string {
  let text = readFileSync(join(library, "dist", file), "utf8");
  for (const { find, replace } of edits.filter((edit) => edit.file === file)) {
    const count = text.split(find).length - 1;
    if (count !== 1) throw new Error(`mutant "${name}": ${file} holds ${count} times, not once: ${find}`);
    text = text.replace(find, () => replace);
  }
  return text;
}

/** A copy of the built library and of this program with the fault in it. Gives the program that runs seeds there. */
export function makeMutant(mutant: Mutant, directory: string): string {
  const copy = join(directory, "node_modules", "pawl");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const part of ["package.json", "migrations", "dist"]) cpSync(join(library, part), join(copy, part), { recursive: true });
  for (const file of new Set(mutant.edits.map((edit) => edit.file))) writeFileSync(join(copy, "dist", file), mutatedText(mutant, file));
  cpSync(here, join(directory, "sim"), { recursive: true });
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module", private: true }));
  return join(directory, "sim", "seeds-process.js");
}
