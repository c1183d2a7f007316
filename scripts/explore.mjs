/** `npm run explore -- [options]`: runs Pawl's transactions in every order of their parts; CONTRIBUTING.md says how. */
import "./require-node.mjs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runnerImport } from "vite";
import { build, install, root } from "./prepare.mjs";

const { values } = parseArgs({
  options: {
    pairs: { type: "boolean", default: false },
    triples: { type: "boolean", default: false },
    filter: { type: "string" },
    order: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    orders: { type: "string", default: "300" },
    jobs: { type: "string", default: "2" },
  },
});

await install();
await build();
const { module } = await runnerImport(join(root, "packages/pawl/test/interleave/main.ts"), { root, configFile: false, logLevel: "error" });
const server = await openServer();
console.log(`seed ${values.seed}`);
try {
  const ok = await module.main({
    scenarios: values.pairs === values.triples ? "all" : values.pairs ? "pairs" : "triples",
    filter: values.filter,
    exploration: { limit: Number(values.orders), seed: Number(values.seed), ...(values.order === undefined ? {} : { order: values.order }) },
    serverUrl: server.url,
    jobs: Number(values.jobs),
  });
  process.exitCode = ok ? 0 : 1;
} finally {
  await server.close();
}

/** The server given by PAWL_TEST_DATABASE_URL, or an embedded one for this run. */
async function openServer() {
  const { PAWL_TEST_DATABASE_URL: url } = process.env;
  if (url) return { url, close: async () => {} };
  const { openEmbedded } = await import("../packages/pawl/dist/internal.js");
  const home = await mkdtemp(join(tmpdir(), "pawl-explore-"));
  const embedded = await openEmbedded({ directory: join(home, "data") });
  const close = async () => {
    await embedded.close();
    await rm(home, { recursive: true, force: true });
  };
  return { url: embedded.url, close };
}
