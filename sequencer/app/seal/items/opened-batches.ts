import type { OpenedItem, SealCompute } from "../../../../mev/seal/compute.ts";
import type { SealedItemState } from "../../../../proto/codec/seal-state.ts";
import { joinBytes } from "../../../../proto/bytes.ts";
import { POINT_BYTES } from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { sha256 } from "../../../../proto/hash.ts";
import type { SealMetrics } from "../metrics.ts";
import { OPENED_ITEMS_KEPT_MAX } from "./limits.ts";
import { type ItemOutcome, itemToOpen, type PlannedBatch } from "./openings.ts";

/** What a point says of an item that its proposer disputes instead of opening it. */
export const DISPUTED_POINT: Uint8Array = new Uint8Array(POINT_BYTES);

export interface OpenedBatchesDependencies {
  readonly compute: Pick<SealCompute, "open">;
  readonly metrics: Pick<SealMetrics, "sealOpenedItems">;
}

/** Whether a block that shows the points is there, or they are opened because one will. */
export type OpenedWhen = "ahead" | "block";

/** What an item opens to, and the hash of what each of its rollups gets. */
export type HashedItem =
  | (Extract<OpenedItem, { readonly kind: "opened" }> & {
      readonly contentHashes: readonly Uint8Array[];
    })
  | Exclude<OpenedItem, { readonly kind: "opened" }>;

interface Asked {
  readonly item: SealedItemState;
  readonly point: Uint8Array;
  /** By transaction id and point: whatever holds for the two holds anywhere. */
  readonly of: string;
}

/** The outcome of one item is at `at` of what the work gives. */
interface WorkUnderWay {
  readonly work: Promise<readonly HashedItem[]>;
  readonly at: number;
}

/**
 * What items open to, remembered while their height lasts: opening ahead of it, preparing, checking and
 * finalizing a block, and other proposals of its height, cost the arithmetic once. Two generations: what is
 * opened from the votes for a block is for the block after it.
 */
export class OpenedBatches {
  readonly #deps: OpenedBatchesDependencies;
  #young = new Map<string, HashedItem>();
  #old: ReadonlyMap<string, HashedItem> = new Map();
  /** Items that somebody is opening. */
  readonly #underWay = new Map<string, WorkUnderWay>();

  constructor(deps: OpenedBatchesDependencies) {
    this.#deps = deps;
  }

  /** `points`: one for each of the items, which are of one key. */
  async open(
    { key, items }: Pick<PlannedBatch, "key" | "items">,
    points: Uint8Array,
    when: OpenedWhen = "block",
  ): Promise<readonly ItemOutcome[]> {
    const all = items.map((item, at) => {
      const point = points.subarray(at * POINT_BYTES, (at + 1) * POINT_BYTES);
      const of = keyOf({ item, point });
      // Taken now: while the rest is opened, the block of another round may be committed.
      const known = isDisputedPoint(point)
        ? ("disputed" as const)
        : (this.#young.get(of) ?? this.#old.get(of));
      return { item, point, of, known };
    });
    const unknown = all.filter(({ known }) => known === undefined);
    const others = unknown.flatMap((asked) => {
      const begun = this.#underWay.get(asked.of);
      return begun === undefined ? [] : [{ asked, begun }];
    });
    const own = unknown.filter(({ of }) => !this.#underWay.has(of));
    const fresh = new Map(await this.#begin(key.publicKey, own, when));
    const left: Asked[] = [];
    for (const { asked, begun } of others) {
      // Whoever began it handles the failure; here the work is done again.
      const opened = (await begun.work.catch(() => []))[begun.at];
      if (opened === undefined) left.push(asked);
      else fresh.set(asked.of, opened);
    }
    for (const [of, opened] of await this.#begin(key.publicKey, left, when)) fresh.set(of, opened);
    return all.map(({ item, point, of, known }): ItemOutcome => {
      const opened = known ?? fresh.get(of);
      assert(opened !== undefined, "it was known, or has just been opened");
      return { item, point, opened };
    });
  }

  /** When a block is committed: what was opened for it is not opened again. */
  committed(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }

  async #begin(
    publicKey: Uint8Array,
    asked: readonly Asked[],
    when: OpenedWhen,
  ): Promise<readonly (readonly [string, HashedItem])[]> {
    if (asked.length === 0) return [];
    const { compute, metrics } = this.#deps;
    const work = compute
      .open({
        publicKey,
        items: asked.map(({ item }) => itemToOpen(item)),
        points: joinBytes(asked.map(({ point }) => point)),
      })
      .then((found) => found.map(hashed));
    for (const [at, { of }] of asked.entries()) this.#underWay.set(of, { work, at });
    try {
      const found = await work;
      assert(found.length === asked.length, "every item has an outcome");
      metrics.sealOpenedItems.inc({ when }, asked.length);
      return asked.flatMap(({ of }, at) => {
        const opened = found[at];
        if (opened === undefined) return [];
        this.#keep(of, opened);
        return [[of, opened] as const];
      });
    } finally {
      for (const { of } of asked) this.#underWay.delete(of);
    }
  }

  /** What fails is in no block that stands, and anybody can make as much of it as they like. */
  #keep(of: string, opened: HashedItem): void {
    if (opened.kind === "failed" || this.#young.size >= OPENED_ITEMS_KEPT_MAX) return;
    this.#young.set(of, opened);
  }
}

function hashed(opened: OpenedItem): HashedItem {
  if (opened.kind !== "opened") return opened;
  return { ...opened, contentHashes: opened.payloads.map(sha256) };
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
