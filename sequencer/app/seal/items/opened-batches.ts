import type { OpenedItem, SealCompute } from "../../../../mev/seal/compute.ts";
import type { SealedItemState } from "../../../../proto/codec/seal-state.ts";
import { joinBytes } from "../../../../proto/bytes.ts";
import { POINT_BYTES } from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { OPENED_ITEMS_KEPT_MAX } from "./limits.ts";
import { type ItemOutcome, itemToOpen, type PlannedBatch } from "./openings.ts";

/** What a point says of an item that its proposer disputes instead of opening it. */
export const DISPUTED_POINT: Uint8Array = new Uint8Array(POINT_BYTES);

/**
 * What items open to, remembered while their height lasts: preparing, checking and finalizing a block, and
 * other proposals of its height, cost the arithmetic once.
 */
export class OpenedBatches {
  readonly #compute: Pick<SealCompute, "open">;
  /** By transaction id and point: whatever holds for the two holds anywhere. */
  readonly #known = new Map<string, OpenedItem>();

  constructor(compute: Pick<SealCompute, "open">) {
    this.#compute = compute;
  }

  /** `points`: one for each of the items, which are of one key. */
  async open(
    { key, items }: Pick<PlannedBatch, "key" | "items">,
    points: Uint8Array,
  ): Promise<readonly ItemOutcome[]> {
    const all = items.map((item, at) => {
      const point = points.subarray(at * POINT_BYTES, (at + 1) * POINT_BYTES);
      const of = keyOf({ item, point });
      // Taken now: while the rest is opened, the block of another round may be committed.
      const known = isDisputedPoint(point) ? ("disputed" as const) : this.#known.get(of);
      return { item, point, of, known };
    });
    const unknown = all.filter(({ known }) => known === undefined);
    const found =
      unknown.length === 0
        ? []
        : await this.#compute.open({
            publicKey: key.publicKey,
            items: unknown.map(({ item }) => itemToOpen(item)),
            points: joinBytes(unknown.map(({ point }) => point)),
          });
    assert(found.length === unknown.length, "every item has an outcome");
    const fresh = new Map(unknown.map(({ of }, at) => [of, found[at]]));
    const outcomes = all.map(({ item, point, of, known }): ItemOutcome => {
      const opened = known ?? fresh.get(of);
      assert(opened !== undefined, "it was known, or has just been opened");
      return { item, point, opened };
    });
    for (const [of, opened] of fresh) {
      // What fails is in no block that stands, and anybody can make as much of it as they like.
      if (opened === undefined || opened.kind === "failed") continue;
      if (this.#known.size < OPENED_ITEMS_KEPT_MAX) {
        this.#known.set(of, opened);
      }
    }
    return outcomes;
  }

  /** When the block is committed: nobody opens its items again. */
  clear(): void {
    this.#known.clear();
  }
}

function isDisputedPoint(point: Uint8Array): boolean {
  return point.every((byte) => byte === 0);
}

function keyOf({
  item,
  point,
}: Pick<ItemOutcome, "point"> & { readonly item: SealedItemState }): string {
  return Buffer.concat([item.id, point]).toString("latin1");
}
