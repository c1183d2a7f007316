import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

const library = fileURLToPath(new URL("../../", import.meta.url));
const modules = fileURLToPath(new URL("../../../../node_modules", import.meta.url));
const require = createRequire(import.meta.url);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "pawl-documentation-"));
  await mkdir(join(directory, "node_modules/@types"), { recursive: true });
  await symlink(library, join(directory, "node_modules/pawl"));
  await symlink(join(modules, "@types/node"), join(directory, "node_modules/@types/node"));
  await mkdir(join(directory, "node_modules/@opentelemetry"), { recursive: true });
  await symlink(join(modules, "@opentelemetry/api"), join(directory, "node_modules/@opentelemetry/api"));
  await writeFile(join(directory, "package.json"), '{"type":"module"}');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test.each(["testing", "control", "versions", "observability"])(
  "the examples of docs/%s.md compile, and do what they say",
  { timeout: 120_000 },
  async (name) => {
    const documentation = await readFile(new URL(`../../../../docs/${name}.md`, import.meta.url), "utf8");
    const blocks = [...documentation.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text: text! }));
    const examples = blocks.filter(({ language }) => language === "ts").map(({ text }, index) => ({ file: `example-${index + 1}.ts`, text }));
    const own = join(directory, name);
    await mkdir(own);
    const compilerOptions = { target: "es2022", module: "nodenext", strict: true, skipLibCheck: true, outDir: "out", types: ["node"] };
    await writeFile(join(own, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    for (const { file, text } of examples) await writeFile(join(own, file), text);
    const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
    const compiled = await promisify(execFile)(process.execPath, [compiler, "-p", own]).catch((error: unknown) => error as { readonly stdout: string });
    expect(compiled.stdout).toBe("");
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    for (const { file } of examples) {
      // In this process, one after the other: they share one in-memory PostgreSQL.
      await import(/* @vite-ignore */ pathToFileURL(join(own, "out", file.replace(/ts$/, "js"))).href);
    }
    const printed = blocks.filter(({ language }) => language === "").map(({ text }) => text.trim());
    expect(log.mock.calls.map(([text]) => text as unknown).join("\n")).toEqual(printed.join("\n"));
    log.mockRestore();
  },
);
