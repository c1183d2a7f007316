/** The whole programs in the documentation compile, run on a real PostgreSQL, and print what the comments behind `console.log` say. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";

const run = promisify(execFile);
const library = fileURLToPath(new URL("../../", import.meta.url));
const modules = fileURLToPath(new URL("../../../../node_modules", import.meta.url));
const require = createRequire(import.meta.url);
const pages = ["streams", "transactions", "messages"];

const programs = await Promise.all(
  pages.map(async (page) => {
    const text = await readFile(new URL(`../../../../docs/${page}.md`, import.meta.url), "utf8");
    return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], index) => ({ name: `${page}-${index + 1}`, code: code! }));
  }),
).then((found) => found.flat());

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "pawl-programs-"));
  await mkdir(join(directory, "node_modules/@types"), { recursive: true });
  await symlink(library, join(directory, "node_modules/pawl"));
  for (const name of ["@types/node", "zod"]) await symlink(join(modules, name), join(directory, "node_modules", name));
  const compilerOptions = { target: "es2022", module: "nodenext", strict: true, skipLibCheck: true, outDir: "out", types: ["node"] };
  await writeFile(join(directory, "package.json"), '{"type":"module"}');
  await writeFile(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  for (const { name, code } of programs) await writeFile(join(directory, `${name}.ts`), code);
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const compiled = await run(process.execPath, [compiler, "-p", directory]).catch((error: unknown) => error as { readonly stdout: string });
  expect(compiled.stdout).toBe("");
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test.each(programs)("docs: $name", async ({ name, code }) => {
  const database = await freshDatabase();
  const env = { ...process.env, DATABASE_URL: database.url, NO_COLOR: "1" };
  const { stdout } = await run(process.execPath, [join(directory, "out", `${name}.js`)], { env });
  const said = [...code.matchAll(/console\.log\(.*\);? \/\/ (.*)$|console\.log\(error\.message\)/gm)].flatMap(([, comment]) =>
    comment === undefined ? [] : [comment],
  );
  expect(said.length).toBeGreaterThan(0);
  for (const line of said) expect(stdout.split("\n")).toContain(line);
  await database.drop();
});
