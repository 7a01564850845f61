/**
 * Two proposals of one validator for one height and round with different blocks (spec staking C4). CometBFT
 * does not punish it; the key, and what it signs, are those of votes. The same block with another time or
 * proof-of-lock round is no conflict: a proposer may have to repeat itself after a crash.
 */
import { Round } from "../../../../proto/brands.ts";
import { bytesEqual } from "../../../../proto/bytes.ts";
import type { DuplicateProposal, SignedProposal } from "../../../../proto/codec/staking-tx.ts";
import { proposalSignBytes } from "../../../../proto/sign-bytes.ts";
import { failure } from "../../codes.ts";
import { consensusAddress } from "../../staking/validator-records.ts";
import { doubleSignPenalty, type SubmittedRoute } from "./route.ts";

export const DUPLICATE_PROPOSAL: SubmittedRoute<"duplicateProposal"> = {
  name: "duplicate-proposal",
  kind: "duplicateProposal",
  penalty: doubleSignPenalty,
  signatures: (chainId, evidence) =>
    [evidence.first, evidence.second].map((proposal) => ({
      publicKey: evidence.consensusKey,
      message: signBytes(chainId, evidence, proposal),
      signature: proposal.signature,
    })),
  prove: ({ consensusKey, height, round, first, second }) => {
    if (isSameBlock(first, second)) {
      return failure("EVIDENCE_NO_CONFLICT", "both proposals are for the same block");
    }
    return { validator: consensusAddress(consensusKey), height, offence: `round ${round}` };
  },
};

function signBytes(
  chainId: string,
  { height, round }: DuplicateProposal,
  { polRound, blockHash, partsTotal, partsHash, timeSeconds, timeNanos }: SignedProposal,
): Uint8Array {
  return proposalSignBytes(chainId, {
    height,
    round: Round(round),
    polRound: Round(polRound),
    blockId: { hash: blockHash, partSetHeader: { total: partsTotal, hash: partsHash } },
    timestamp: { seconds: timeSeconds, nanos: timeNanos },
  });
}

/** Block ids are compared whole, parts included, as CometBFT does with votes. */
function isSameBlock(a: SignedProposal, b: SignedProposal): boolean {
  return (
    bytesEqual(a.blockHash, b.blockHash) &&
    a.partsTotal === b.partsTotal &&
    bytesEqual(a.partsHash, b.partsHash)
  );
}
