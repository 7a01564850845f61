/** Seeds that failed once, and what was wrong. Each is run by the tests, so that it stays mended. */
export interface RegressionSeed {
  readonly seed: number;
  readonly fault: string;
}

const NO_CLAIM_OF_COMMIT =
  "a node that a byzantine validator had sent another precommit could not catch up: nobody claimed the majority of its height";

const REPLAYED_BEFORE_DURABLE =
  "a process was killed before its log was synced; the next one replayed the vote and sent it";

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  { seed: 3, fault: NO_CLAIM_OF_COMMIT },
  { seed: 8, fault: NO_CLAIM_OF_COMMIT },
  { seed: 30, fault: NO_CLAIM_OF_COMMIT },
  { seed: 33, fault: REPLAYED_BEFORE_DURABLE },
  { seed: 37, fault: REPLAYED_BEFORE_DURABLE },
];
