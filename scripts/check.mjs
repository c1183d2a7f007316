/** `npm run check`: everything that can be said about the code without running it. One line per check; all run. */
import "./require-node.mjs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, capture, install, npm, root } from "./prepare.mjs";

const published = /^(dist\/.*\.(js|d\.ts)|migrations\/\d{4}_\w+\.sql|LICENSE|README\.md|package\.json)$/;

const checks = [
  { name: "format", run: () => capture(["node_modules/oxfmt/bin/oxfmt", "--check"]) },
  { name: "lint", run: () => capture(["node_modules/oxlint/bin/oxlint", "--type-aware"]) },
  { name: "types", run: checkTypes },
  { name: "dead code", run: () => capture(["node_modules/knip/bin/knip.js", "--no-progress", "--treat-config-hints-as-errors"]) },
  { name: "lock file", run: checkLockFile },
  { name: "package", run: checkPackage },
];

await install();
await build();
for (const { name, run } of checks) {
  const started = performance.now();
  const { code, output } = await run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok    " : "FAILED"}  ${name.padEnd(10)} ${seconds.padStart(5)} s`);
  if (code === 0) continue;
  process.exitCode = 1;
  console.log(`\n${output.trim()}\n`);
}

/** All packages, and that none is left out. */
async function checkTypes() {
  const { references } = JSON.parse(await readFile(join(root, "tsconfig.build.json"), "utf8"));
  const left = (await workspaces()).filter((path) => !references.some((reference) => reference.path === path));
  if (left.length > 0) return { code: 1, output: `tsconfig.build.json does not refer to ${left.join(", ")}.` };
  return capture(["node_modules/typescript/bin/tsc", "-b"]);
}

async function workspaces() {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  return Object.values(packages).flatMap((entry) => (entry.link ? [entry.resolved] : []));
}

/** Download addresses would tie a clone to one registry; a package without its builds for other platforms makes `npm ci` refuse. */
async function checkLockFile() {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const problems = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (/^https?:/.test(entry.resolved ?? "")) problems.push(`${path} has a download address: ${entry.resolved}`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!foldersAbove(path).some((folder) => `${folder}node_modules/${name}` in packages)) problems.push(`${path || "The root"} lacks its ${name}`);
    }
  }
  return { code: problems.length === 0 ? 0 : 1, output: problems.join("\n") };
}

/** Where Node looks for the packages of the one at `path`. */
function foldersAbove(path) {
  const names = path === "" ? [] : path.split("/");
  return [...names.map((_, index) => `${names.slice(0, index + 1).join("/")}/`), ""];
}

/** The library as it would be published: the files in the tarball, and how its entries resolve. */
async function checkPackage() {
  const directory = await mkdtemp(join(tmpdir(), "pawl-package-"));
  try {
    const packed = await npm(["pack", "--json", "--loglevel=error", "--pack-destination", directory], join(root, "packages/pawl"));
    if (packed.code !== 0) return packed;
    const [{ filename, files }] = JSON.parse(packed.output.slice(packed.output.indexOf("[")));
    const paths = files.map((file) => file.path);
    const stray = paths.filter((path) => !published.test(path) || /\.test\.|test-support/.test(path));
    const missing = ["LICENSE", "README.md"].filter((name) => !paths.includes(name));
    const tarball = join(directory, filename);
    const results = [
      {
        code: stray.length + missing.length,
        output: [...stray.map((path) => `${path} should not be packed.`), ...missing.map((name) => `${name} is missing.`)].join("\n"),
      },
      await capture(["node_modules/publint/src/cli.js", tarball, "--strict"]),
      await capture(["node_modules/@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only", "--no-color"]),
    ];
    const failures = results.filter((result) => result.code !== 0);
    return { code: failures.length, output: failures.map((result) => result.output.trim()).join("\n\n") };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
