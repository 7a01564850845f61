/**
 * Which files of `system` run alone, and which run first. The others run two at a time: none keeps two processors
 * busy, for its networks wait for timeouts and for each other; and they share no port (`freePorts`), no folder and
 * no name. A test holds the lists against the folders.
 */

/** Files that measure time, or whose faults are of milliseconds, by path below `test`; and why. */
export const RUNS_ALONE: Readonly<Record<string, string>> = {
  "e2e/bench-compare": "loads both processors for seconds, to measure",
  "e2e/hostile-peers": "floods a node, and measures its event loop in milliseconds",
  "e2e/partition": "measures how soon links are found again, which a silence of 400 ms gives up",
  "e2e/sealed":
    "expects shares in the very next block, which a validator short of processor time misses",
  "e2e/sealed-four":
    "expects shares in the very next block, which a validator short of processor time misses",
  "e2e/staking-hundred": "has a hundred engines in one process, which fill a processor",
};

/** The longest ones, longest first: one that began last would run on when all others have ended. */
export const LONGEST: readonly string[] = [
  "interop/mixed/mixed",
  "e2e/crash",
  "interop/sync",
  "e2e/cli",
  "e2e/op-geth",
  "e2e/rollup-stream",
  "e2e/attack",
  "interop/mixed/staking-slash",
  "e2e/staking-cli",
  "e2e/governance",
  "e2e/engine-switch",
  "e2e/light",
  "e2e/block-sync",
  "e2e/mev-byzantine",
  "e2e/network",
  "e2e/staking-slash",
  "e2e/staking",
];
