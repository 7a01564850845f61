/** The faults that cost stake. A new one is a file beside this and a line here. */
import type { SealEvidence } from "../../../../proto/codec/seal-tx.ts";
import type { SubmittedEvidence } from "../../../../proto/codec/staking-tx.ts";
import type { Misbehavior } from "../../../abci/application.ts";
import { failure } from "../../codes.ts";
import { DUPLICATE_PROPOSAL } from "./duplicate-proposal.ts";
import { DUPLICATE_VOTE } from "./duplicate-vote.ts";
import { LIGHT_CLIENT_ATTACK } from "./light-client-attack.ts";
import type { ConsensusRoute, SubmittedRoute } from "./route.ts";

export const CONSENSUS_ROUTES: Readonly<Record<Misbehavior["type"], ConsensusRoute>> = {
  duplicateVote: DUPLICATE_VOTE,
  lightClientAttack: LIGHT_CLIENT_ATTACK,
};

const SUBMITTED_ROUTES: {
  readonly [Kind in SubmittedEvidence["kind"]]: SubmittedRoute<Kind>;
} = {
  duplicateProposal: DUPLICATE_PROPOSAL,
  faultyShares: noShares("faulty-shares", "faultyShares"),
  contradictingShares: noShares("contradicting-shares", "contradictingShares"),
  unaskedShares: noShares("unasked-shares", "unaskedShares"),
};

export function submittedRoute<Kind extends SubmittedEvidence["kind"]>(
  kind: Kind,
): SubmittedRoute<Kind> {
  return SUBMITTED_ROUTES[kind];
}

/** While there is no key, nobody has shares. */
function noShares<Kind extends SealEvidence["kind"]>(
  name: string,
  kind: Kind,
): SubmittedRoute<Kind> {
  return {
    name,
    kind,
    penalty: ({ sealFaultSlashBps }) => ({ kind: "tombstone", fractionBps: sealFaultSlashBps }),
    signatures: () => [],
    prove: () => failure("SEAL_LANE_OFF"),
  };
}
