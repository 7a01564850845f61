import type { SealCompute } from "../../../../mev/seal/compute.ts";
import type { Height } from "../../../../proto/brands.ts";
import { bytesEqual, copyBytes, toHex } from "../../../../proto/bytes.ts";
import type { Shares } from "../../../../proto/codec/seal-block.ts";
import { assert } from "../../../../proto/errors.ts";
import type { Logger } from "../../../ports/logger.ts";
import type { OpenedBatches } from "./opened-batches.ts";
import { type OpeningPlan, type PlannedBatch, stillOpenPoints } from "./openings.ts";

export interface OpenAheadDependencies {
  readonly opened: OpenedBatches;
  readonly seal: Pick<SealCompute, "combine">;
  /** What the shares of a height may open, in the committed state. */
  readonly planAt: (sharesHeight: Height) => OpeningPlan;
  /** Of the block that is not committed yet. */
  readonly nextHeight: () => number;
  readonly logger: Logger;
}

/** Shares of one batch, until there are enough. */
interface Gathered {
  readonly planned: PlannedBatch;
  readonly shares: { readonly ticket: number; readonly points: Uint8Array }[];
  /** Z of everything that was asked, once enough has come; undefined: it could not be made. */
  points: Promise<Uint8Array | undefined> | undefined;
}

interface GatheredHeight {
  /** Whose shares have come, by address. */
  readonly from: Set<string>;
  readonly batches: readonly Gathered[];
}

/**
 * Opens batches as soon as the accepted votes of a height bring shares of enough tickets, while the votes
 * still come in: whoever proposes or checks the next block finds the arithmetic done. Nothing depends on it:
 * the Z of a batch is the same whichever shares it is made of, a block is verified as if nothing were known,
 * and what is not here, after a restart or a failure, is computed when it is needed.
 */
export class OpenAhead {
  readonly #deps: OpenAheadDependencies;
  /** By height of the shares: that of the last block and that of the next. */
  readonly #heights = new Map<number, GatheredHeight>();

  constructor(deps: OpenAheadDependencies) {
    this.#deps = deps;
  }

  /**
   * Shares of one validator that hold. Returns at once. Each validator counts once at a height: it gives the
   * same shares in every round.
   */
  add(sharesHeight: Height, address: Uint8Array, shares: Shares): void {
    const next = this.#deps.nextHeight();
    if (sharesHeight !== next && sharesHeight !== next - 1) return;
    const height = this.#at(sharesHeight);
    const validator = toHex(address);
    if (height.from.has(validator)) return;
    height.from.add(validator);
    for (const gathered of height.batches) {
      if (gathered.points !== undefined) continue;
      const { planned, shares: had } = gathered;
      const given = shares.batches.find((batch) => batch.height === planned.height);
      for (const { ticket, points } of given?.tickets ?? []) {
        had.push({ ticket, points: copyBytes(points) });
      }
      if (had.length < planned.key.threshold) continue;
      gathered.points = this.#open(sharesHeight, planned, had.splice(0));
    }
  }

  /**
   * Z of everything that was asked of a batch, as soon as it is combined; undefined: its shares have not come,
   * or not enough of them, or the work failed.
   */
  async points(
    sharesHeight: Height,
    { height, asked }: Pick<PlannedBatch, "height" | "asked">,
  ): Promise<Uint8Array | undefined> {
    const found = this.#heights
      .get(sharesHeight)
      ?.batches.find(({ planned }) => planned.height === height);
    if (found === undefined || !bytesEqual(found.planned.asked, asked)) return undefined;
    return found.points;
  }

  /** When a block is committed: forgets shares of heights below it. */
  committed(): void {
    const next = this.#deps.nextHeight();
    for (const height of this.#heights.keys()) {
      if (height < next - 1 || height > next) this.#heights.delete(height);
    }
  }

  #at(sharesHeight: Height): GatheredHeight {
    let found = this.#heights.get(sharesHeight);
    if (found === undefined) {
      const { batches } = this.#deps.planAt(sharesHeight);
      found = {
        from: new Set(),
        batches: batches.map((planned) => ({ planned, shares: [], points: undefined })),
      };
      this.#heights.set(sharesHeight, found);
    }
    return found;
  }

  /** Never throws. The items are opened beside it. */
  async #open(
    sharesHeight: Height,
    planned: PlannedBatch,
    shares: Gathered["shares"],
  ): Promise<Uint8Array | undefined> {
    const { opened, seal } = this.#deps;
    const failed = (error: unknown): undefined => {
      this.#deps.logger.error("a sealed batch could not be opened ahead of its block", {
        height: sharesHeight,
        batch: planned.height,
        error,
      });
      return undefined;
    };
    try {
      const points = await seal.combine({ threshold: planned.key.threshold, shares });
      assert(points.length === planned.asked.length, "every item that was asked has its Z");
      void opened.open(planned, stillOpenPoints(planned, points), "ahead").catch(failed);
      return points;
    } catch (error) {
      // The block that opens the batch does the work, or fails for the same reason.
      return failed(error);
    }
  }
}
