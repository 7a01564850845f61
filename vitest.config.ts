import { defineConfig } from "vitest/config";
import { isCometBftAway } from "./test/support/cometbft.ts";
import { BOTH_ENGINES, COMETBFT_SLICE } from "./test/support/engine-suites.ts";
import { RUNS_ALONE } from "./test/support/file-groups.ts";
import { LongestFirst } from "./test/support/file-order.ts";

/** `npm run test:cometbft` runs all of them; everybody else a slice. */
const cometBftSuites = process.env["WEFT_ENGINE"] === "cometbft" ? BOTH_ENGINES : COMETBFT_SLICE;

const alone = Object.keys(RUNS_ALONE).map((name) => `test/${name}.test.ts`);

/** Real nodes take their time, more so on a busy machine. */
const PATIENCE = { testTimeout: 240_000, hookTimeout: 120_000 };
/** Of files that run real nodes: each keeps most of a processor busy, the rest of its time it waits. */
const NETWORKS_MAX = 2;

/** Files of `system` again, with CometBFT as the nodes' engine; none where it is not built, which is said. */
const cometbft = {
  test: {
    ...PATIENCE,
    name: "cometbft",
    include: cometBftSuites.map((name) => `test/e2e/${name}.test.ts`),
    env: { WEFT_ENGINE: "cometbft" },
    maxWorkers: NETWORKS_MAX,
    sequence: { groupOrder: 1 },
  },
};

/** `unit` is fast and runs in `npm run check`; `system` and `alone` start real nodes and rollups. Groups follow each other. */
export default defineConfig({
  test: {
    passWithNoTests: false,
    sequence: { sequencer: LongestFirst },
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
          // One less would leave one of two processors idle.
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...PATIENCE,
          name: "system",
          include: ["test/{e2e,interop,ops}/**/*.test.ts"],
          exclude: alone,
          maxWorkers: NETWORKS_MAX,
          sequence: { groupOrder: 1 },
        },
      },
      ...(isCometBftAway ? [] : [cometbft]),
      {
        test: {
          ...PATIENCE,
          name: "alone",
          include: alone,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
