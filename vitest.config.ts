import { defineConfig } from "vitest/config";

export default defineConfig({
  // Decorators are compiled; Node does not read them.
  esbuild: { target: "es2022" },
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // As users load it: by Node, not through the test runner's own module loader.
    server: { deps: { external: [/\/packages\/pawl\/dist\//] } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "examples/*/src/**/*.test.ts", "bench/src/**/*.test.ts", "faults/src/**/*.test.ts"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole programs on a PostgreSQL that the run shares.
        extends: true,
        test: {
          name: "system",
          include: ["packages/*/test/**/*.test.ts", "faults/test/**/*.test.ts", "sim/test/**/*.test.ts"],
          globalSetup: ["packages/pawl/test/support/global-setup.ts"],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
