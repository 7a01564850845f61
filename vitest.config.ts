import { defineConfig } from "vitest/config";

/** Two projects: `unit` is fast and runs in `npm run check`; `system` starts real nodes and rollups. */
export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{proto,sequencer,mev,rollup-adapter,bench}/**/*.test.ts",
            "test/{vectors,scenarios,property,sim,conformance,fuzz}/**/*.test.ts",
          ],
          setupFiles: ["test/support/seed.ts"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{e2e,interop,ops}/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
