import { existsSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { AnyWorkflow, Pawl, ReusableStep, Telemetry } from "pawl";
import { pawlCode, UsageError } from "./failures.ts";

/** The copy of the library that made the workflows of a file. */
export interface Library {
  readonly Pawl: typeof Pawl;
  /** Its `pawl/opentelemetry`, which needs `@opentelemetry/api`. */
  openTelemetry(): Promise<Telemetry>;
}

/** The workflows of a user's file, its steps for other queues, and the copy of the library that made them and must run them. */
export interface LoadedFile {
  readonly workflows: readonly AnyWorkflow[];
  readonly steps: readonly (ReusableStep & { readonly taskQueue: string })[];
  readonly library: Library;
}

const typescript: ReadonlySet<string> = new Set([".ts", ".mts", ".cts", ".tsx"]);
/** Exports nest: the default of a CommonJS file holds its exports, and one of these may be what workflowsOf() gives. */
const deepest = 3;

/** Imports a file of workflows; TypeScript needs no build step. @throws UsageError, and errors of Pawl that the file throws */
export async function loadWorkflows(file: string): Promise<LoadedFile> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError("FILE_NOT_FOUND", `There is no file ${file}. Give the path of the file that exports your workflows.`);
  const require = createRequire(path);
  const library = await loadLibrary(require);
  let exports: unknown;
  try {
    if (typescript.has(extname(path))) {
      const [modules, commonJs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
      modules.register();
      commonJs.register();
    }
    exports = extname(path) === ".cts" ? require(path) : await import(pathToFileURL(path).href);
  } catch (error) {
    // A malformed definition says itself what is wrong with it.
    if (pawlCode(error) !== undefined) throw error;
    throw new UsageError("FILE_NOT_LOADED", `${file} cannot be loaded: ${reason(error)}`, { cause: error });
  }
  const workflows = new Set<LoadedFile["workflows"][number]>();
  const steps = new Set<LoadedFile["steps"][number]>();
  collect(exports, 0, workflows, steps);
  if (workflows.size + steps.size === 0) throw new UsageError("NO_WORKFLOWS", noWorkflows(file, exports));
  return { workflows: [...workflows], steps: [...steps], library };
}

/**
 * The library as the user's file sees it, which may not be the CLI's own copy. There must be only one of it: a step that
 * one copy made is a plain call to the worker of another, and not durable. TypeScript and CommonJS code requires its
 * packages through a loader that would make a second copy, so the first one is put where that loader looks.
 */
async function loadLibrary(require: NodeJS.Require): Promise<Library> {
  let path: string;
  try {
    path = require.resolve("pawl");
  } catch {
    path = fileURLToPath(import.meta.resolve("pawl"));
  }
  const library = (await import(pathToFileURL(path).href)) as Pick<Library, "Pawl">;
  const entry = new Module(path);
  entry.filename = path;
  entry.exports = library;
  entry.loaded = true;
  require.cache[path] = entry;
  return { Pawl: library.Pawl, openTelemetry: () => openTelemetry(createRequire(path)) };
}

/** From within the library, which knows its parts by its own name. */
async function openTelemetry(require: NodeJS.Require): Promise<Telemetry> {
  const part = (await import(pathToFileURL(require.resolve("pawl/opentelemetry")).href)) as typeof import("pawl/opentelemetry");
  return part.openTelemetry();
}

function collect(value: unknown, depth: number, workflows: Set<AnyWorkflow>, steps: Set<LoadedFile["steps"][number]>): void {
  if (isWorkflow(value)) {
    workflows.add(value);
  } else if (isStepForAnotherQueue(value)) {
    steps.add(value);
  } else if (typeof value === "object" && value !== null && depth < deepest) {
    for (const part of Object.values(value)) collect(part, depth + 1, workflows, steps);
  }
}

/** As `step(name, fn, { taskQueue })` marks it. */
function isStepForAnotherQueue(value: unknown): value is LoadedFile["steps"][number] {
  return typeof value === "function" && "taskQueue" in value && typeof value.taskQueue === "string";
}

/** By shape, since another copy of the library may have made it. */
function isWorkflow(value: unknown): value is AnyWorkflow {
  if (typeof value !== "object" || value === null) return false;
  const { name, version, taskQueue, run } = value as Partial<Record<keyof AnyWorkflow, unknown>>;
  return typeof name === "string" && typeof version === "string" && typeof taskQueue === "string" && typeof run === "function";
}

function noWorkflows(file: string, exports: unknown): string {
  const found = Object.entries(exports as object).map(([name, value]) => `${name} (${kindOf(value)})`);
  return (
    `${file} exports no workflow${found.length === 0 ? ", and nothing else" : `. Found: ${found.join(", ")}`}. ` +
    `Export what defineWorkflow() returns, a step made by step(name, fn, { taskQueue }), or workflowsOf(instance) for a class with @workflow() methods.`
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (typeof value === "function") return value.toString().startsWith("class") ? "class" : "function";
  const name = typeof value === "object" ? (value.constructor?.name ?? "Object") : "Object";
  return name === "Object" ? typeof value : `instance of ${name}`;
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)} was thrown.`;
  const missing = "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes("'pawl'");
  return `${error.message.trim()}${missing ? ". Install it beside the file: npm install pawl" : ""}`;
}
