/** Two votes of one validator for one height, round and type with different blocks (spec staking C1). */
import type { ConsensusRoute } from "./route.ts";

export const DUPLICATE_VOTE: ConsensusRoute = {
  name: "duplicate-vote",
  type: "duplicateVote",
  penalty: ({ doubleSignSlashBps }) => ({ kind: "tombstone", fractionBps: doubleSignSlashBps }),
};
