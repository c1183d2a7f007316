/**
 * The code of the documentation compiles. Its whole programs run on a real PostgreSQL, those of one page one after the other, and print
 * what the comments behind `console.log` say. What stands behind `ts` says how else a block is to be taken: `file=` is imported by others,
 * `norun` would go on for ever or needs a server of its own, and a `fragment` is part of a workflow.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";

const run = promisify(execFile);
const library = fileURLToPath(new URL("../../", import.meta.url));
const modules = fileURLToPath(new URL("../../../../node_modules", import.meta.url));
const require = createRequire(import.meta.url);
const topics = ["getting-started", "streams", "transactions", "messages", "schedules", "search", "client", "workflows", "workers", "embedded-and-cluster"];
const pages = ["README.md", ...topics.map((topic) => `docs/${topic}.md`)];

/** What the fragments take as given. */
const given = `import type { Pawl, Workflow, WorkflowContext } from "pawl";
import type { PoolClient } from "pg";
import { pgTable, text } from "drizzle-orm/pg-core";

export declare const ctx: WorkflowContext;
export declare const pawl: Pawl;
export declare const client: PoolClient;
export declare const ship: Workflow<{ order: string }, void>;
export declare const lookUp: Workflow<{ user: string }, string>;
export const orders = pgTable("orders", { id: text().primaryKey() });
export const id = "o-7";
`;

/** In a block of its own, where it may give its names to something else. */
function completed(fragment: string): string {
  const lines = fragment.split("\n");
  const [imports, code] = [lines.filter((line) => line.startsWith("import ")), lines.filter((line) => !line.startsWith("import "))];
  return `${imports.join("\n")}\nimport { client, ctx, id, lookUp, orders, pawl, ship } from "./given.ts";\n{\n${code.join("\n")}\n}\n`;
}

interface Block {
  readonly page: string;
  readonly file: string;
  readonly code: string;
  readonly runs: boolean;
}

const blocks = await Promise.all(
  pages.map(async (page): Promise<readonly Block[]> => {
    const text = await readFile(new URL(`../../../../${page}`, import.meta.url), "utf8");
    return [...text.matchAll(/^```ts(?: ([^\n]+))?\n(.*?)^```$/gms)].map(([, kind, code], index) => {
      if (kind !== undefined && !/^(fragment|norun|file=\S+)$/.test(kind)) throw new Error(`${page}: nobody knows what a block of "ts ${kind}" is.`);
      const file = kind?.startsWith("file=") === true ? kind.slice("file=".length) : `${basename(page, ".md")}-${index + 1}.ts`;
      return { page, file, code: kind === "fragment" ? completed(code!) : code!, runs: kind === undefined };
    });
  }),
).then((found) => found.flat());

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "pawl-programs-"));
  await mkdir(join(directory, "node_modules/@types"), { recursive: true });
  await symlink(library, join(directory, "node_modules/pawl"));
  for (const name of ["@types/node", "@types/pg", "drizzle-orm", "pg", "zod"]) await symlink(join(modules, name), join(directory, "node_modules", name));
  await symlink(join(library, "node_modules/kysely"), join(directory, "node_modules/kysely"));
  const compilerOptions = {
    target: "es2022",
    lib: ["es2023", "esnext.decorators"],
    module: "nodenext",
    strict: true,
    skipLibCheck: true,
    rewriteRelativeImportExtensions: true,
    outDir: "out",
    types: ["node"],
  };
  await writeFile(join(directory, "package.json"), '{"type":"module"}');
  await writeFile(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  await writeFile(join(directory, "given.ts"), given);
  for (const { file, code } of blocks) await writeFile(join(directory, file), code);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test("the code of the documentation compiles", async () => {
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const compiled = await run(process.execPath, [compiler, "-p", directory]).catch((error: unknown) => error as { readonly stdout: string });
  expect(compiled.stdout).toBe("");
});

test.each(pages.filter((page) => blocks.some((block) => block.page === page && block.runs)))("the programs of %s print what they say", async (page) => {
  const database = await freshDatabase();
  try {
    const env = { ...process.env, DATABASE_URL: database.url, NO_COLOR: "1" };
    for (const { file, code } of blocks.filter((block) => block.page === page && block.runs)) {
      const program = join(directory, "out", file.replace(/ts$/, "js"));
      // PGlite has a timer that would hold its process for ten seconds.
      const end = ["--input-type=module", "--eval", `await import(${JSON.stringify(pathToFileURL(program).href)}); process.exit();`];
      const { stdout } = await run(process.execPath, code.includes("openInMemory") ? end : [program], { env, cwd: directory });
      const said = [...code.matchAll(/console\.log\(.*\);? \/\/ (.*)$/gm)].map(([, comment]) => comment!);
      expect(stdout, file).not.toBe("");
      for (const line of said) expect(stdout.split("\n"), file).toContain(line);
    }
  } finally {
    await database.drop();
  }
});
