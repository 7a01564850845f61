/**
 * Seeds that failed before a fault was mended: each of them fails again when that mend alone is taken
 * back, which `npm run sim:mutations -- --regressions` does. They run with changes to what they draw, so
 * that the fault is likely: a seed's own course changes with everything that seeds draw, and the swarm
 * that found a fault first is gone by then.
 */
import { NO_CHANGES } from "./chain-plan.ts";
import type { SwarmOptions } from "./swarm.ts";

export interface RegressionSeed {
  readonly seed: number;
  /** In `mutations.ts`. */
  readonly mutation: string;
  readonly fault: string;
  readonly changes: Partial<SwarmOptions>;
}

/** Nobody misbehaves, the chain changes nothing, and all nodes start together. */
const PLAIN: Partial<SwarmOptions> = {
  application: "weft",
  plan: NO_CHANGES,
  lateStarts: new Map<number, number>(),
  byzantine: new Map(),
  powers: [10, 10, 10, 10],
  fullNodes: 0,
};

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  {
    seed: 3,
    mutation: "commit-never-claimed",
    fault:
      "a node that a byzantine validator had sent another precommit could not catch up: nobody claimed the majority of its height",
    changes: {
      ...PLAIN,
      byzantine: new Map([[3, ["equivocateVotes"] as const]]),
      blockSync: undefined,
      jamEveryMs: 60,
      jamMsMax: 1_500,
      livenessMs: 40_000,
    },
  },
  {
    seed: 3,
    mutation: "behind-for-ever",
    fault:
      "a node that joined with the precommits of its height and without the block never got the block from a fast chain",
    changes: {
      ...PLAIN,
      powers: [10],
      fullNodes: 1,
      timeoutCommitMs: 0,
      skipTimeoutCommit: true,
      blockSync: undefined,
      createEmptyBlocks: true,
      crashEveryMs: 300,
      faultyHeights: 40,
      timeoutScale: 1,
      mendResets: true,
      livenessMs: 10_000,
    },
  },
  {
    seed: 1,
    mutation: "size-of-another-height",
    fault: "honest peers were dropped when the limit of block sizes fell",
    changes: {
      ...PLAIN,
      plan: {
        ...NO_CHANGES,
        blockBytesMax: new Map([
          [3, 120_000],
          [5, 900_000],
          [7, 120_000],
        ]),
      },
      txBytesMax: 60_000,
      txEveryMs: 20,
      blockBytesMax: 1_048_576,
    },
  },
  {
    seed: 11,
    mutation: "signs-after-halt",
    fault: "a node that halted made the signature that it was preparing",
    changes: { ...PLAIN, diskErrorPer100k: 2_000, syncMsMax: 60, slowSyncPercent: 0 },
  },
  {
    seed: 39,
    mutation: "extension-failure-forgotten",
    fault: "a node whose disk failed while a vote extension was made ahead of its time went on",
    changes: { ...PLAIN, diskErrorPer100k: 2_000, syncMsMax: 60, slowSyncPercent: 0 },
  },
];
