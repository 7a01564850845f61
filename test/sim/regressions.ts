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
  { seed: 8, fault: NO_CLAIM_OF_COMMIT },
  { seed: 12, fault: NO_CLAIM_OF_COMMIT },
];
