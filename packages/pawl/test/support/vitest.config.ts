import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Tests against a real server, with the built library. Run: `npx vitest run --config packages/pawl/test/support/vitest.config.ts`. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL("../", import.meta.url)),
    include: ["**/*.test.ts"],
    globalSetup: [fileURLToPath(new URL("./global-setup.ts", import.meta.url))],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // As users load it: by Node, not through the test runner's own module loader.
    server: { deps: { external: [/\/packages\/pawl\/dist\//] } },
  },
});
