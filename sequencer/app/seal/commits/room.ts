/**
 * How many commits a block takes: no more than the blocks after it have room to reveal, since who cannot reveal
 * loses a bond (docs/adr/0030).
 */
import { Lane, laneBytesMax } from "../../../../mev/lanes.ts";
import { bytesEqual, fromHex } from "../../../../proto/bytes.ts";
import type { CommittedItemState } from "../../../../proto/codec/seal-state.ts";
import type { SealCommit } from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { type Failure, failure } from "../../codes.ts";
import { laneParams } from "../../params.ts";
import type { StakingReader } from "../../staking/context.ts";
import { COMMITS_PER_BLOCK_MAX, REVEAL_OVERHEAD_BYTES } from "./limits.ts";

/** Bytes of a block that the reveal of a commit takes at most. */
export function revealBytes({ bucket }: Pick<SealCommit, "bucket">): number {
  return bucket + REVEAL_OVERHEAD_BYTES;
}

/**
 * Bytes that the reveals of one block's commits may take together: half of what each block has for CONTROL. Where
 * one of them does not fit, others fill more than this half, which is as much as commits of any block add; so
 * that none is left over at the end of its window that pays more than those which were placed after it.
 */
export function revealRoomBytes({
  params,
  blockBytesMax,
}: Pick<StakingReader, "params" | "blockBytesMax">): number {
  const bytes = laneBytesMax(laneParams(params, blockBytesMax), Lane.CONTROL);
  assert(bytes !== undefined, "CONTROL has a share of the block");
  return Math.floor(bytes / 2);
}

/** Commits that one account may have in a block: half of what CONTROL takes of it in each block. */
export function commitsPerSenderMax({ params }: Pick<StakingReader, "params">): number {
  return Math.max(1, Math.floor(params.controlPerSignerMax / 2));
}

/** Why the block has no room for the commit, or undefined. `placed`: commits that it holds already. */
export function roomFault(
  reader: Pick<StakingReader, "params" | "blockBytesMax">,
  sender: string,
  action: Pick<SealCommit, "bucket">,
  placed: readonly CommittedItemState[],
): Failure | undefined {
  const room = revealRoomBytes(reader);
  const needed = revealBytes(action);
  if (needed > room) {
    const why = `its reveal may take ${needed} bytes, a block has ${room} for reveals`;
    return failure("SEAL_COMMIT_SIZE", `${why}; commit to less at once`);
  }
  if (placed.length >= COMMITS_PER_BLOCK_MAX) {
    return failure("SEAL_COMMITS_FULL", `at most ${COMMITS_PER_BLOCK_MAX}`);
  }
  const left = placed.reduce((bytes, item) => bytes - revealBytes(item), room);
  if (needed > left) {
    const why = `its reveal may take ${needed} bytes, ${left} are left`;
    return failure("SEAL_COMMITS_FULL", `${why} of what blocks can show`);
  }
  const address = fromHex(sender);
  const own = placed.filter((item) => bytesEqual(item.sender, address)).length;
  const ownMax = commitsPerSenderMax(reader);
  return own < ownMax
    ? undefined
    : failure("SEAL_COMMITS_FULL", `at most ${ownMax} of one account`);
}
