/** The examples of the documentation that run on a database: they compile, and run to their end. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";

const library = fileURLToPath(new URL("../../", import.meta.url));
const modules = fileURLToPath(new URL("../../../../node_modules", import.meta.url));
const run = promisify(execFile);

test("the examples of docs/queues.md compile, and do what they say", async () => {
  const text = await readFile(new URL("../../../../docs/queues.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
  const directory = await mkdtemp(join(tmpdir(), "pawl-documentation-"));
  const database = await freshDatabase();
  try {
    await mkdir(join(directory, "node_modules/@types"), { recursive: true });
    await symlink(library, join(directory, "node_modules/pawl"));
    await symlink(join(modules, "@types/node"), join(directory, "node_modules/@types/node"));
    const compilerOptions = { target: "es2022", module: "nodenext", strict: true, skipLibCheck: true, outDir: "out", types: ["node"] };
    await writeFile(join(directory, "package.json"), '{"type":"module"}');
    await writeFile(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    for (const [index, code] of examples.entries()) await writeFile(join(directory, `example-${index + 1}.ts`), code);
    const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
    const compiled = await run(process.execPath, [compiler, "-p", directory]).catch((error: unknown) => error as { readonly stdout: string });
    expect(compiled.stdout).toBe("");
    const printed: string[] = [];
    for (const index of examples.keys()) {
      const { stdout } = await run(process.execPath, [join(directory, "out", `example-${index + 1}.js`)], {
        env: { ...process.env, DATABASE_URL: database.url },
      });
      printed.push(...stdout.trimEnd().split("\n"));
    }
    expect(printed).toEqual(["sent to ann@example.com", "0", "true", "indexed doc-7", "built final!", "a b c d", "[ 1, 3 ]"]);
  } finally {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  }
});
