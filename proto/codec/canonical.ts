/**
 * Codecs of the canonical messages, whose delimited bytes are signed (spec/cometbft-v0.38.md §3.2,
 * §6). Height and round are sfixed64 here, and zero ones are left out. Nobody ever decodes these.
 */
import { SignedMsgType, type BlockId, type Proposal, type Timestamp, type Vote } from "../types.ts";
import { writeBlockId, writeTimestamp } from "./types.ts";
import type { Writer } from "./writer.ts";

/** What a vote's sign bytes depend on. */
export interface CanonicalVote {
  readonly chainId: string;
  readonly type: Vote["type"];
  readonly height: number;
  readonly round: number;
  readonly blockId: BlockId;
  readonly timestamp: Timestamp;
}

/** The block id of a nil vote is left out. */
export function writeCanonicalVote(writer: Writer, vote: CanonicalVote): void {
  writer.int32(1, vote.type);
  writer.sfixed64(2, vote.height);
  writer.sfixed64(3, vote.round);
  if (!isNilBlockId(vote.blockId)) writer.message(4, vote.blockId, writeBlockId);
  writer.message(5, vote.timestamp, writeTimestamp);
  writer.string(6, vote.chainId);
}

export type CanonicalProposal = Omit<Proposal, "signature"> & { readonly chainId: string };

export function writeCanonicalProposal(writer: Writer, proposal: CanonicalProposal): void {
  writer.int32(1, SignedMsgType.PROPOSAL);
  writer.sfixed64(2, proposal.height);
  writer.sfixed64(3, proposal.round);
  writer.int(4, proposal.polRound);
  if (!isNilBlockId(proposal.blockId)) writer.message(5, proposal.blockId, writeBlockId);
  writer.message(6, proposal.timestamp, writeTimestamp);
  writer.string(7, proposal.chainId);
}

export interface CanonicalVoteExtension {
  readonly chainId: string;
  readonly height: number;
  readonly round: number;
  readonly extension: Uint8Array;
}

export function writeCanonicalVoteExtension(writer: Writer, value: CanonicalVoteExtension): void {
  writer.bytes(1, value.extension);
  writer.sfixed64(2, value.height);
  writer.sfixed64(3, value.round);
  writer.string(4, value.chainId);
}

/** Go's BlockID.IsNil (IsZero in v0.38.0): all parts empty. */
export function isNilBlockId(blockId: BlockId): boolean {
  const { hash, partSetHeader } = blockId;
  return hash.length === 0 && partSetHeader.total === 0 && partSetHeader.hash.length === 0;
}
