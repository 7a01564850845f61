import type { AbciEvent } from "../../abci/application.ts";
import { MEV_REVENUE } from "../distribution/events.ts";
import { ROLLUP_LABELS_MAX } from "../limits.ts";
import { AUCTION_SETTLED, BID_LOST, BID_WON } from "./events.ts";
import { WINS_COUNTED } from "./limits.ts";
import type { AuctionMetrics } from "./metrics.ts";

/** Shows what auctions brought in metrics, from the events of blocks. */
export class AuctionGauges {
  readonly #metrics: AuctionMetrics;
  /** Of the last wins, oldest first. */
  readonly #wins: { readonly bidder: string; readonly paid: number }[] = [];
  readonly #rollups = new Set<string>();

  constructor(metrics: AuctionMetrics) {
    this.#metrics = metrics;
  }

  /** After a commit of the block at `height`. */
  advance(height: number, events: Iterable<readonly AbciEvent[]>): void {
    const before = this.#wins.length;
    for (const list of events) for (const event of list) this.#count(height, event);
    if (this.#wins.length === before) return;
    this.#wins.splice(0, this.#wins.length - WINS_COUNTED);
    this.#metrics.auctionWinnerConcentration.set(concentration(this.#wins));
  }

  #count(height: number, { type, attributes }: AbciEvent): void {
    const { auctionBids, auctionResolutionBlocks, mevRevenue } = this.#metrics;
    const value = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    switch (type) {
      case BID_WON:
        auctionBids.inc({ result: "won" });
        this.#wins.push({ bidder: value("bidder"), paid: Number(value("price")) });
        return;
      case BID_LOST:
        return auctionBids.inc({ result: value("reason").toLowerCase() });
      case AUCTION_SETTLED:
        auctionBids.inc({ result: "invalid" }, Number(value("invalid")));
        auctionBids.inc({ result: "expired" }, Number(value("expired")));
        return auctionResolutionBlocks.observe(height - Number(value("height")));
      case MEV_REVENUE: {
        const labels = { rollup: this.#labelOf(value("rollup")), source: value("source") };
        return mevRevenue.inc(labels, Number(value("gross")));
      }
      default:
    }
  }

  /** Whoever was seen first has a label of its own. Without a rollup: a penalty. */
  #labelOf(rollup: string): string {
    if (rollup === "") return "none";
    if (!this.#rollups.has(rollup) && this.#rollups.size >= ROLLUP_LABELS_MAX) return "others";
    this.#rollups.add(rollup);
    return rollup;
  }
}

/** Herfindahl's index: what it says does not enter the state, so that it may be a float. */
function concentration(
  wins: readonly { readonly bidder: string; readonly paid: number }[],
): number {
  const paid = new Map<string, number>();
  let total = 0;
  for (const win of wins) {
    paid.set(win.bidder, (paid.get(win.bidder) ?? 0) + win.paid);
    total += win.paid;
  }
  if (total === 0) return 0;
  return [...paid.values()].reduce((sum, part) => sum + (part / total) ** 2, 0);
}
