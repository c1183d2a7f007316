/** Append-only files of one JSON value per line. Written at once, so that a kill loses nothing that was told. */
import { closeSync, openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";

export class JsonLines {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Complete lines; the last one of a killed process may be cut. */
export async function readJsonLines<Line>(path: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}
