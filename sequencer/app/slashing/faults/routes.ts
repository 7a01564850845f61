/** The faults that cost stake. A new one is a file beside this and a line here. */
import type { SubmittedEvidence } from "../../../../proto/codec/staking-tx.ts";
import type { Misbehavior } from "../../../abci/application.ts";
import { DUPLICATE_PROPOSAL } from "./duplicate-proposal.ts";
import { DUPLICATE_VOTE } from "./duplicate-vote.ts";
import { LIGHT_CLIENT_ATTACK } from "./light-client-attack.ts";
import type { ConsensusRoute, SubmittedRoute } from "./route.ts";
import { CONTRADICTING_SHARES, FAULTY_SHARES, UNASKED_SHARES } from "./shares.ts";

export const CONSENSUS_ROUTES: Readonly<Record<Misbehavior["type"], ConsensusRoute>> = {
  duplicateVote: DUPLICATE_VOTE,
  lightClientAttack: LIGHT_CLIENT_ATTACK,
};

const SUBMITTED_ROUTES: {
  readonly [Kind in SubmittedEvidence["kind"]]: SubmittedRoute<Kind>;
} = {
  duplicateProposal: DUPLICATE_PROPOSAL,
  faultyShares: FAULTY_SHARES,
  contradictingShares: CONTRADICTING_SHARES,
  unaskedShares: UNASKED_SHARES,
};

export function submittedRoute<Kind extends SubmittedEvidence["kind"]>(
  kind: Kind,
): SubmittedRoute<Kind> {
  return SUBMITTED_ROUTES[kind];
}
