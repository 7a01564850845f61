/** What becomes of a sealed item: its money, the fills of its rollups, and what is said about it. */
import { Height } from "../../../../proto/brands.ts";
import { toHex } from "../../../../proto/bytes.ts";
import { SealedItemKind, type SealedItemState } from "../../../../proto/codec/seal-state.ts";
import { assertNever } from "../../../../proto/errors.ts";
import { FillStatus } from "../../../../proto/verify/manifest.ts";
import { event, indexed, plain } from "../../abci-event.ts";
import { onBundleResolved } from "../../atomic/bundles.ts";
import { onBidResolved } from "../../auction/bids.ts";
import { creditMev } from "../../distribution/mev-revenue.ts";
import { onShuffledResolved } from "../../ordering/shuffles.ts";
import type { StakingContext } from "../../staking/context.ts";
import { SEAL_DISPUTED, SEAL_EXPIRED, SEAL_INVALID, SEAL_OPENED, SEAL_ORDERED } from "../events.ts";
import { type FillOpener, hashedFills, unopenedFills } from "../fills.ts";

export type Resolution =
  /** The content is known. `by`: what showed it. */
  | {
      readonly kind: "opened";
      /** Of a bid: empty for rollups of its group that it does not ask for. */
      readonly payloads: readonly Uint8Array[];
      /** SHA-256 of each. */
      readonly contentHashes: readonly Uint8Array[];
      /** Of a bid: what it offers. */
      readonly amount: bigint;
      readonly opener: Extract<FillOpener, { readonly kind: "point" | "seed" }>;
      readonly by: OpenedBy;
      readonly pointOf: PointOf;
    }
  /** What came out is no content for these rollups: the fee is kept. */
  | {
      readonly kind: "invalid";
      readonly reason: string;
      readonly by: OpenedBy;
      readonly pointOf: PointOf;
    }
  /** The ciphertext does not open with the right Z, which only its sender can have made so: the bond is lost. */
  | { readonly kind: "garbage"; readonly pointOf: PointOf }
  /** Nobody opened it in time: everything goes back. */
  | { readonly kind: "expired" };

/**
 * Z of the item, 32 bytes: the same whoever shows it, and whatever it opens to. Of one that its sender opened
 * it takes arithmetic, which only some need.
 */
export type PointOf = () => Uint8Array;

/** Shares of the committee, single shares after a dispute, or the sender's seed. */
export type OpenedBy = "committee" | "dispute" | "sender";

/** Settles an item that the caller takes out of the state; of a bid, its auction does. `height`: of its block. */
export function resolveItem(
  ctx: StakingContext,
  height: number,
  item: SealedItemState,
  resolution: Resolution,
): void {
  if (item.kind === SealedItemKind.BID) onBidResolved(ctx, height, item, resolution);
  else settleItem(ctx, height, item, resolution);
  if (item.kind === SealedItemKind.BUNDLE) {
    onBundleResolved(ctx, item.id, resolution.kind === "opened");
  }
  emitResolved(ctx, height, item, resolution);
}

/** Its money, the fills of its rollups, and what their order waits for. */
function settleItem(
  ctx: StakingContext,
  height: number,
  item: SealedItemState,
  resolution: Resolution,
): void {
  const { sender: senderBytes, places, fee, bond } = item;
  const sender = toHex(senderBytes);
  const at = Height(height);
  switch (resolution.kind) {
    case "opened": {
      ctx.move("sealed", "feePool", fee);
      ctx.pay("sealed", sender, bond);
      addRollupFees(ctx, item);
      creditTips(ctx, item);
      const { contentHashes, opener } = resolution;
      for (const fill of hashedFills(at, places, contentHashes, opener)) ctx.addFill(fill);
      break;
    }
    case "invalid":
      ctx.move("sealed", "feePool", fee);
      ctx.pay("sealed", sender, bond + tipsOf(item));
      for (const fill of unopenedFills(at, places, FillStatus.INVALID)) ctx.addFill(fill);
      break;
    case "garbage":
      ctx.move("sealed", "feePool", fee);
      ctx.burn("sealed", bond);
      ctx.pay("sealed", sender, tipsOf(item));
      for (const fill of unopenedFills(at, places, FillStatus.INVALID)) ctx.addFill(fill);
      break;
    case "expired":
      ctx.pay("sealed", sender, fee + bond + tipsOf(item));
      for (const fill of unopenedFills(at, places, FillStatus.EXPIRED)) ctx.addFill(fill);
      break;
    default:
      return assertNever(resolution, "resolution");
  }
  const pointOf = resolution.kind === "expired" ? undefined : resolution.pointOf;
  onShuffledResolved(ctx, height, places, pointOf);
}

/**
 * A sealed item has its place: `seal_ordered` {id, sender, height, key, fee, bond}. `idText`, `senderText`: the transaction and
 * the account as people write them.
 */
export function emitOrdered(
  ctx: StakingContext,
  key: number,
  item: SealedItemState,
  { idText, senderText }: { readonly idText: string; readonly senderText: string },
): void {
  ctx.emit(
    event(SEAL_ORDERED, [
      indexed("id", idText),
      indexed("sender", senderText),
      plain("height", String(ctx.height)),
      plain("key", String(key)),
      plain("fee", String(item.fee)),
      plain("bond", String(item.bond)),
    ]),
  );
}

/** A proposer says that shares do not open it: `seal_disputed` {id, height, proposer}. */
export function emitDisputed(ctx: StakingContext, height: number, item: SealedItemState): void {
  ctx.emit(
    event(SEAL_DISPUTED, [
      indexed("id", toHex(item.id)),
      plain("height", String(height)),
      indexed("proposer", toHex(item.disputedBy).toUpperCase()),
    ]),
  );
}

/**
 * `seal_opened` {id, height, by}, `seal_invalid` {id, height, by, reason, bond}, `seal_expired` {id, height,
 * reason, refund}; `height`: of the block that ordered the item.
 */
function emitResolved(
  ctx: StakingContext,
  height: number,
  item: SealedItemState,
  resolution: Resolution,
): void {
  const { id, fee, bond, disputedHeight, kind } = item;
  const about = [indexed("id", toHex(id)), plain("height", String(height))];
  switch (resolution.kind) {
    case "opened":
      return ctx.emit(event(SEAL_OPENED, [...about, plain("by", resolution.by)]));
    case "invalid":
      return ctx.emit(
        event(SEAL_INVALID, [
          ...about,
          plain("by", resolution.by),
          plain("reason", resolution.reason),
          // A bid that is none has made all others of its auction wait.
          plain("bond", kind === SealedItemKind.BID ? "lost" : "returned"),
        ]),
      );
    case "garbage":
      return ctx.emit(
        event(SEAL_INVALID, [
          ...about,
          plain("by", "dispute"),
          plain("reason", "the ciphertext does not open with the point that its shares prove"),
          plain("bond", "burned"),
        ]),
      );
    case "expired":
      return ctx.emit(
        event(SEAL_EXPIRED, [
          ...about,
          plain(
            "reason",
            disputedHeight === 0
              ? "too few shares came in time"
              : `disputed in block ${disputedHeight}, and too few single shares came in time`,
          ),
          plain("refund", String(fee + bond + tipsOf(item))),
        ]),
      );
  }
}

/** What a bundle offers each rollup is its revenue once it has the content; otherwise the sender has it back. */
function creditTips(ctx: StakingContext, { places, tips, proposer }: SealedItemState): void {
  for (const [at, { rollupId }] of places.entries()) {
    creditMev(ctx, toHex(rollupId), tips[at] ?? 0n, "tip", toHex(proposer));
  }
}

function tipsOf({ tips }: SealedItemState): bigint {
  return tips.reduce((sum, tip) => sum + tip, 0n);
}

/** The fee in equal parts; the first rollups have what cannot be divided. */
function addRollupFees(ctx: StakingContext, { places, fee }: SealedItemState): void {
  const count = BigInt(places.length);
  for (const [index, { rollupId }] of places.entries()) {
    const part = fee / count + (BigInt(index) < fee % count ? 1n : 0n);
    ctx.addRollupFee(toHex(rollupId), part);
  }
}
