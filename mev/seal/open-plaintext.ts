/** What a decrypted item says to its rollups: each kind of item has its form. */
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { SealedItemKind } from "../../proto/codec/seal-state.ts";
import { openBid } from "../auction/bid-content.ts";
import { openContent } from "./content.ts";

export type OpenedPlaintext =
  | ({ readonly kind: "content" } & PlainContent)
  | { readonly kind: "invalid"; readonly reason: string };

export interface PlainContent {
  /**
   * One for each rollup, in their order, encoded as the data of `RollupData`. Of a bid: empty for the rollups of
   * its group that it does not ask for.
   */
  readonly payloads: readonly Uint8Array[];
  /** Of a bid: what it offers, nweft; otherwise 0. */
  readonly amount: bigint;
}

/** `rollupIds`: those of its label; of a bid, all of its group. Never throws. */
export function openPlaintext(
  kind: SealedItemKind,
  plaintext: Uint8Array,
  rollupIds: readonly Uint8Array[],
): OpenedPlaintext {
  if (kind !== SealedItemKind.BID) {
    const content = openContent(plaintext, rollupIds);
    return content.kind === "content" ? { ...content, amount: 0n } : content;
  }
  const bid = openBid(plaintext, rollupIds);
  if (bid.kind === "invalid") return bid;
  const payloads = rollupIds.map(
    (id) => bid.parts.find(({ rollupId }) => bytesEqual(rollupId, id))?.payload ?? EMPTY_BYTES,
  );
  return { kind: "content", payloads, amount: bid.amount };
}
