/** Lint rules for the arrows of `packages/pawl/src`: which folder may import what. CONTRIBUTING.md draws the picture. */
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const sources = fileURLToPath(new URL("../../packages/pawl/src", import.meta.url));
const builtins = /^node:/;

/** A layer, what it may import besides itself, and from which packages. An entry is a layer of one file. */
const layers = {
  base: { below: [], packages: [builtins, "devalue"] },
  definition: { below: ["base"], packages: ["@standard-schema/spec"], files: { "definition/ambient.ts": ["node:async_hooks"] } },
  kernel: { below: ["base", "definition"], packages: [], files: { "kernel/schedule/cron.ts": ["croner"] } },
  store: { below: ["base", "definition", "kernel"], packages: [builtins] },
  postgres: { below: ["base", "definition", "kernel", "store"], packages: [builtins, "pg", /^drizzle-orm(\/|$)/] },
  worker: { below: ["base", "definition", "kernel", "store"], packages: [builtins] },
  client: {
    below: ["base", "definition", "kernel", "store"],
    packages: [builtins],
    files: Object.fromEntries(["parse-filter", "field", "constant", "fail-at"].map((name) => [`client/filter/${name}.ts`, ["@marcbachmann/cel-js"]])),
  },
  opentelemetry: { below: ["base"], packages: ["@opentelemetry/api"], files: { "opentelemetry/trace-context.ts": ["node:crypto"] } },
  replay: { below: ["base", "definition", "kernel", "client", "worker"], packages: [] },
  verify: { below: ["base", "definition", "kernel", "store", "postgres"], packages: [builtins, "pg"] },
  embedded: { below: ["base"], packages: [builtins, "pg"] },
  "pawl.ts": { below: ["base", "definition", "kernel", "store", "postgres", "worker", "client", "embedded"], packages: [builtins] },
  testing: {
    below: ["base", "definition", "kernel", "store", "postgres", "worker", "client", "replay", "pawl.ts"],
    packages: [builtins, "@electric-sql/pglite", "@standard-schema/spec", "drizzle-orm/pglite"],
  },
  "index.ts": { below: ["base", "definition", "kernel", "store", "postgres", "worker", "client", "pawl.ts"], packages: [] },
  "internal.ts": { below: ["base", "definition", "kernel", "store", "postgres", "worker", "client", "replay", "verify", "embedded", "pawl.ts"], packages: [] },
};

/** Every import points down the table above, types and tests included. Tests may use any package. */
const layersRule = {
  create(context) {
    const path = pathInSources(context.filename);
    if (path === undefined) return {};
    const name = path.split("/")[0];
    const layer = layers[name];
    if (layer === undefined) {
      return { Program: (node) => context.report({ node, message: `${name} is no layer. Give it its place in scripts/lint/architecture.mjs.` }) };
    }
    const allowed = [name, ...layer.below];
    const packages = [...layer.packages, ...(layer.files?.[path] ?? [])];
    const isTest = path.endsWith(".test.ts") || path.includes("/test-support/");

    const check = (source) => {
      if (typeof source?.value !== "string") return;
      const specifier = source.value;
      if (specifier.startsWith(".")) {
        const target = pathInSources(join(dirname(context.filename), specifier))?.split("/")[0];
        if (target === undefined) context.report({ node: source, message: `${specifier} is outside of the library's sources.` });
        else if (!allowed.includes(target)) context.report({ node: source, message: `${name} may not import ${target}; it may import ${list(layer.below)}.` });
      } else if (!isTest && !packages.some((known) => (typeof known === "string" ? known === specifier : known.test(specifier)))) {
        context.report({ node: source, message: `${name} may not import the package ${specifier}.` });
      }
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      TSImportType: (node) => check(node.source),
    };
  },
};

/** `new Date()` reads the clock; `new Date(value)` does not. */
const noClockRule = {
  create(context) {
    return {
      NewExpression(node) {
        if (node.callee.name === "Date" && node.arguments.length === 0) context.report({ node, message: "Time comes in as a value." });
      },
      CallExpression(node) {
        if (node.callee.name === "Date") context.report({ node, message: "Time comes in as a value." });
      },
    };
  },
};

export default { meta: { name: "architecture" }, rules: { layers: layersRule, "no-clock": noClockRule } };

/** With forward slashes; undefined for a file elsewhere. */
function pathInSources(filename) {
  return filename.startsWith(sources + sep) ? filename.slice(sources.length + 1).replaceAll(sep, "/") : undefined;
}

function list(names) {
  return names.length === 0 ? "nothing else" : names.join(", ");
}
