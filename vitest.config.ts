import { defineConfig } from "vitest/config";
import { isCometBftAway } from "./test/support/cometbft.ts";
import { BOTH_ENGINES, COMETBFT_SLICE } from "./test/support/engine-suites.ts";

/** `npm run test:cometbft` runs all of them; everybody else a slice. */
const cometBftSuites = process.env["WEFT_ENGINE"] === "cometbft" ? BOTH_ENGINES : COMETBFT_SLICE;

/** Files of `system` again, with CometBFT as the nodes' engine; none where it is not built, which is said. */
const cometbft = {
  test: {
    name: "cometbft",
    include: cometBftSuites.map((name) => `test/e2e/${name}.test.ts`),
    env: { WEFT_ENGINE: "cometbft" },
    testTimeout: 240_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
};

/** `unit` is fast and runs in `npm run check`; `system` starts real nodes and rollups. */
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
      ...(isCometBftAway ? [] : [cometbft]),
    ],
  },
});
