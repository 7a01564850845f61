/** Distinct label sets one metric may have; a further one is counted under "other". */
export const LABEL_SETS_MAX = 1_000;
