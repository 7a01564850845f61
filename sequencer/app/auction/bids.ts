import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { type AuctionBidState, BidOpener, BidStatus } from "../../../proto/codec/mev-state.ts";
import type { SealedItemState } from "../../../proto/codec/seal-state.ts";
import { assertNever } from "../../../proto/errors.ts";
import type { Resolution } from "../seal/items/resolve.ts";
import type { StakingContext } from "../staking/context.ts";

/**
 * A bid of the batch of an earlier block is resolved: it goes to its auction, which settles its money and its
 * fills. Only what a ciphertext without an opening costs is settled at once. `height`: of its block.
 */
export function onBidResolved(
  ctx: StakingContext,
  height: number,
  item: SealedItemState,
  resolution: Resolution,
): void {
  const { bond } = item;
  const isGarbage = resolution.kind === "garbage";
  if (isGarbage) ctx.burn("sealed", bond);
  ctx.bids.resolve(height, toHex(item.group), {
    id: item.id,
    sender: item.sender,
    index: item.index,
    fee: item.fee,
    bond: isGarbage ? 0n : bond,
    positions: item.places.map(({ position }) => position),
    ...outcomeOf(item, resolution),
  });
}

type Outcome = Pick<AuctionBidState, "status" | "opener" | "secret" | "point" | "amount" | "legs">;

const NOT_OPENED = {
  opener: BidOpener.NONE,
  secret: EMPTY_BYTES,
  point: EMPTY_BYTES,
  amount: 0n,
  legs: [],
};

function outcomeOf({ places }: SealedItemState, resolution: Resolution): Outcome {
  switch (resolution.kind) {
    case "opened": {
      const { opener, payloads, contentHashes, amount, pointOf } = resolution;
      const legs = places.flatMap(({ rollupId }, at) => {
        const contentHash = contentHashes[at];
        const isAsked = contentHash !== undefined && payloads[at]?.length !== 0;
        return isAsked ? [{ rollupId, contentHash }] : [];
      });
      const how =
        opener.kind === "point"
          ? { opener: BidOpener.POINT, secret: opener.point }
          : { opener: BidOpener.SEED, secret: opener.seed };
      return { status: BidStatus.OPENED, ...how, point: pointOf(), amount, legs };
    }
    case "invalid":
    case "garbage":
      return { ...NOT_OPENED, status: BidStatus.INVALID };
    case "expired":
      return { ...NOT_OPENED, status: BidStatus.EXPIRED };
    default:
      return assertNever(resolution, "resolution");
  }
}
