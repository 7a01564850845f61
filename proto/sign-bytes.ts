/**
 * What validators sign (spec/cometbft-v0.38.md §6): the canonical message with its length in front.
 */
import {
  writeCanonicalProposal,
  writeCanonicalVote,
  writeCanonicalVoteExtension,
} from "./codec/canonical.ts";
import { encodeDelimited } from "./codec/writer.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  type BlockId,
  type Commit,
  type CommitSig,
  type Proposal,
  type Vote,
} from "./types.ts";

const CAPACITY_BYTES = 192;

/** Sign bytes of a vote; its validator, signature and extension are not covered. */
export function voteSignBytes(
  chainId: string,
  vote: Pick<Vote, "type" | "height" | "round" | "blockId" | "timestamp">,
): Uint8Array {
  const { type, height, round, blockId, timestamp } = vote;
  return encodeDelimited(
    writeCanonicalVote,
    { chainId, type, height, round, blockId, timestamp },
    CAPACITY_BYTES,
  );
}

/** Sign bytes of the precommit that an entry of a commit stands for. */
export function commitSigSignBytes(
  chainId: string,
  commit: Pick<Commit, "height" | "round" | "blockId">,
  sig: CommitSig,
): Uint8Array {
  const { height, round } = commit;
  const blockId = commitSigBlockId(commit.blockId, sig);
  const { timestamp } = sig;
  return voteSignBytes(chainId, {
    type: SignedMsgType.PRECOMMIT,
    height,
    round,
    blockId,
    timestamp,
  });
}

/** The block id that an entry of a commit voted for. */
export function commitSigBlockId(blockId: BlockId, sig: CommitSig): BlockId {
  return sig.blockIdFlag === BlockIdFlag.COMMIT ? blockId : NIL_BLOCK_ID;
}

export function proposalSignBytes(
  chainId: string,
  proposal: Omit<Proposal, "signature">,
): Uint8Array {
  const { height, round, polRound, blockId, timestamp } = proposal;
  return encodeDelimited(
    writeCanonicalProposal,
    { chainId, height, round, polRound, blockId, timestamp },
    CAPACITY_BYTES,
  );
}

/** Sign bytes of a vote extension, which do not name the block. */
export function voteExtensionSignBytes(
  chainId: string,
  vote: Pick<Vote, "height" | "round" | "extension">,
): Uint8Array {
  const { height, round, extension } = vote;
  return encodeDelimited(
    writeCanonicalVoteExtension,
    { chainId, height, round, extension },
    CAPACITY_BYTES + extension.length,
  );
}
