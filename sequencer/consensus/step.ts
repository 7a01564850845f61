/** Steps of a round, with the numbers that NewRoundStep carries (spec §13.1). */
export const Step = {
  NEW_HEIGHT: 1,
  NEW_ROUND: 2,
  PROPOSE: 3,
  PREVOTE: 4,
  PREVOTE_WAIT: 5,
  PRECOMMIT: 6,
  PRECOMMIT_WAIT: 7,
  COMMIT: 8,
} as const;
export type Step = (typeof Step)[keyof typeof Step];
