/** What the application is told about commits and misbehaviour (spec/cometbft-v0.38.md §12.3, §11.5). */
import { Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import {
  BlockIdFlag,
  type Block,
  type Evidence,
  type ExtendedCommit,
  type ValidatorSet,
} from "../../proto/types.ts";
import type {
  CommitInfo,
  ExtendedCommitInfo,
  FinalizeBlockRequest,
  Misbehavior,
  ProcessProposalRequest,
} from "../abci/application.ts";

/** The plain commit of a block, one entry per validator of the last height; empty at the first. */
export function commitInfo(block: Block, lastValidators: ValidatorSet | undefined): CommitInfo {
  if (lastValidators === undefined) return { round: Round(0), votes: [] };
  const { lastCommit } = block;
  const { validators } = lastValidators;
  assert(lastCommit.signatures.length === validators.length, "the last commit fits its set");
  return {
    round: lastCommit.round,
    votes: validators.map(({ address, votingPower }, i) => ({
      validator: { address, power: votingPower },
      blockIdFlag: lastCommit.signatures[i]?.blockIdFlag ?? BlockIdFlag.ABSENT,
    })),
  };
}

/** The commit with extensions that a proposer hands to PrepareProposal; empty at the first height. */
export function extendedCommitInfo(
  commit: ExtendedCommit | undefined,
  lastValidators: ValidatorSet | undefined,
  wasExtended: boolean,
): ExtendedCommitInfo {
  if (lastValidators === undefined || commit === undefined) return { round: Round(0), votes: [] };
  const { validators } = lastValidators;
  assert(commit.extendedSignatures.length === validators.length, "the last commit fits its set");
  return {
    round: commit.round,
    votes: validators.map(({ address, votingPower }, i) => {
      const sig = commit.extendedSignatures[i];
      return {
        validator: { address, power: votingPower },
        blockIdFlag: sig?.blockIdFlag ?? BlockIdFlag.ABSENT,
        voteExtension: wasExtended ? (sig?.extension ?? EMPTY_BYTES) : EMPTY_BYTES,
        extensionSignature: wasExtended ? (sig?.extensionSignature ?? EMPTY_BYTES) : EMPTY_BYTES,
      };
    }),
  };
}

/** One entry per misbehaving validator. */
export function misbehavior(evidence: readonly Evidence[]): readonly Misbehavior[] {
  return evidence.flatMap((piece): Misbehavior[] => {
    if (piece.kind === "duplicateVote") {
      const { voteA, validatorPower, timestamp, totalVotingPower } = piece;
      return [
        {
          type: "duplicateVote",
          validator: { address: voteA.validatorAddress, power: validatorPower },
          height: voteA.height,
          time: timestamp,
          totalVotingPower,
        },
      ];
    }
    return piece.byzantineValidators.map(({ address, votingPower }) => ({
      type: "lightClientAttack",
      validator: { address, power: votingPower },
      height: piece.commonHeight,
      time: piece.timestamp,
      totalVotingPower: piece.totalVotingPower,
    }));
  });
}

/** What ProcessProposal, ExtendVote and FinalizeBlock share. */
export function blockRequest(
  block: Block,
  hash: Uint8Array,
  lastValidators: ValidatorSet | undefined,
): ProcessProposalRequest & FinalizeBlockRequest {
  const { header, txs } = block;
  const info = commitInfo(block, lastValidators);
  return {
    txs,
    proposedLastCommit: info,
    decidedLastCommit: info,
    misbehavior: misbehavior(block.evidence),
    hash,
    height: header.height,
    time: header.time,
    nextValidatorsHash: header.nextValidatorsHash,
    proposerAddress: header.proposerAddress,
  };
}
