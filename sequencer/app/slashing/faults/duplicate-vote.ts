/** Two votes of one validator for one height, round and type with different blocks (spec staking C1). */
import { doubleSignPenalty, type ConsensusRoute } from "./route.ts";

export const DUPLICATE_VOTE: ConsensusRoute = {
  name: "duplicate-vote",
  type: "duplicateVote",
  penalty: doubleSignPenalty,
};
