import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the tests' example documents are; from `src` and `dist` alike. */
export const fixtureFolder = fileURLToPath(new URL("../../fixtures", import.meta.url));

export function fixture(name: string): Uint8Array {
  return readFileSync(`${fixtureFolder}/${name}`);
}
