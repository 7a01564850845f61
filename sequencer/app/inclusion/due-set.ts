import { bytesToDigest } from "../../../proto/hash.ts";
import type { DueTx } from "../../../mev/inclusion/keys.ts";
import { dueNow } from "../../../mev/inclusion/obligations.ts";
import type { TallyView } from "../../../mev/inclusion/tally.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import type { Digest } from "../state-tree/node.ts";

/** What the next block has to hold, as the committed state says; empty for most blocks. */
export interface DueSet {
  /** In the order of the OBLIGATED lane. */
  readonly txs: readonly DueTx[];
  /** Whether a transaction stands in OBLIGATED if it stands in the block. `size`: bytes of its item. */
  has(id: Digest, size: number): boolean;
}

export const NOTHING_DUE: DueSet = { txs: [], has: () => false };

/** `roomBytes`: share of OBLIGATED of the block. */
export function dueSetAt(tally: TallyView, height: number, roomBytes: number): DueSet {
  const txs = dueNow(tally, height, roomBytes);
  if (txs.length === 0) return NOTHING_DUE;
  const sizes = new Map<Digest, number>();
  for (const { id, size } of txs) sizes.set(bytesToDigest(id), size);
  return { txs, has: (id, size) => sizes.get(id) === size };
}

/** Bytes of a block that the OBLIGATED lane may take: its own share, whatever other lanes leave over. */
export function obligatedRoomBytes(
  { obligatedShareBps }: Pick<ParamsState, "obligatedShareBps">,
  blockBytesMax: number,
): number {
  return Number((BigInt(blockBytesMax) * BigInt(obligatedShareBps)) / BigInt(BASIS_POINTS));
}
