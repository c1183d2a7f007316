import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They take minutes: begun last, they would keep one core busy while the other has nothing to do any more. */
const longest = ["/sim/test/", "/cli/test/commands.test.ts", "/crash/kill-at-boundaries.test.ts", "/faults/test/", "/explore-crashes.test.ts"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = longest.findIndex((part) => moduleId.includes(part));
      return index < 0 ? longest.length : index;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- not an array's
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  // Decorators are compiled; Node does not read them.
  esbuild: { target: "es2022" },
  test: {
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // They end what hangs; on a busy machine everything takes a multiple of its time.
    testTimeout: 480_000,
    hookTimeout: 240_000,
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
