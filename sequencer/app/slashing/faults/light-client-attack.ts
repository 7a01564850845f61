/** A signature under a header that contradicts the chain, made to deceive light clients (spec staking C4). */
import { doubleSignPenalty, type ConsensusRoute } from "./route.ts";

export const LIGHT_CLIENT_ATTACK: ConsensusRoute = {
  name: "light-client-attack",
  type: "lightClientAttack",
  penalty: doubleSignPenalty,
};
