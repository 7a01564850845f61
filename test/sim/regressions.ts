/**
 * Seeds that failed before a fault was mended: each of them fails again when that change alone is
 * taken back. A change of what seeds draw changes their course; then look for new ones in this way.
 */
export interface RegressionSeed {
  readonly seed: number;
  readonly fault: string;
}

const NO_CLAIM_OF_COMMIT =
  "a node that a byzantine validator had sent another precommit could not catch up: nobody claimed the majority of its height";

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  { seed: 3, fault: NO_CLAIM_OF_COMMIT },
  { seed: 31, fault: NO_CLAIM_OF_COMMIT },
  {
    seed: 43,
    fault:
      "a process was killed before its log was synced; the next one replayed its vote and sent it",
  },
  {
    seed: 6,
    fault:
      "a process was killed before the directory of the signer's state was synced; the next one trusted the state",
  },
];
