/** Gets a fresh clone to where its programs run: dependencies installed, sources compiled. Node's own modules only. */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Installs what the lock file says, unless that was done since it last changed. */
export async function install() {
  // npm writes the hidden file at the end of every install, after the lock file.
  if (modifiedAt("node_modules/.package-lock.json") >= modifiedAt("package-lock.json")) return;
  console.log("Installing dependencies (npm ci) ...");
  // Under NODE_ENV=production npm would leave out the compiler.
  const { code, output } = await npm(["ci", "--include=dev", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]);
  if (code === 0) return;
  console.error(`${output.trim()}\nnpm ci failed; nothing can run without the dependencies.`);
  process.exit(1);
}

/** Compiles what is newer than its output. */
export async function build() {
  const code = await run(["node_modules/typescript/bin/tsc", "-b", "tsconfig.build.json"]);
  if (code !== 0) process.exit(code);
}

/** Runs a Node program on this terminal. Returns its exit code. */
export function run(args) {
  // A Ctrl+C goes to the program as well: its end is ours.
  const ignore = () => {};
  process.on("SIGINT", ignore);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("SIGINT", ignore);
      resolve(code ?? 1);
    });
  });
}

/** Runs a Node program without a terminal. Returns its exit code and everything it printed. */
export function capture(args, directory = root) {
  return collect(spawn(process.execPath, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] }));
}

/** Runs npm: the one that runs us, or the one in the path. */
export function npm(args, directory = root) {
  const { npm_execpath: program } = process.env;
  if (program !== undefined && /\.c?js$/.test(program)) return capture([program, ...args], directory);
  return collect(spawn("npm", args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" }));
}

function collect(child) {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (output += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

function modifiedAt(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
