import type { AuctionBidState } from "../../../proto/codec/mev-state.ts";
import { heightKey } from "../state/tables.ts";

/**
 * What one block does to auctions, collected while it runs and written once at its end: a thousand bids are
 * placed and resolved one by one.
 */
export class BlockBids {
  /** How many bids of this block are for the group; by id of its leader, in hex. */
  readonly placed = new Map<string, number>();
  /** Bids of earlier blocks that this block resolves, by `heightKey` of their block and their group. */
  readonly resolved = new Map<string, AuctionBidState[]>();
  readonly #ofAccount = new Map<string, number>();

  /** A bid of this block takes its place. `sender`: 40 lower-case hex characters. */
  place(group: string, sender: string): void {
    this.placed.set(group, (this.placed.get(group) ?? 0) + 1);
    this.#ofAccount.set(sender, this.ofAccount(sender) + 1);
  }

  /** Bids of the account in this block. */
  ofAccount(sender: string): number {
    return this.#ofAccount.get(sender) ?? 0;
  }

  /** A bid of an earlier block is opened, or nobody can open it, or nobody has. */
  resolve(height: number, group: string, bid: AuctionBidState): void {
    const key = heightKey(height, group);
    const bids = this.resolved.get(key);
    if (bids === undefined) this.resolved.set(key, [bid]);
    else bids.push(bid);
  }
}
