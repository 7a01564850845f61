/**
 * Where transactions of a rollup stand in the order, by hash: what the driver has verified and the executor answered, for
 * whoever asks what became of one. Kept beyond the process, the newest ones.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { toHex } from "../../../proto/bytes.ts";
import { rollupDataEntries } from "../../../proto/codec/weft-tx.ts";
import type { RollupId } from "../../../proto/brands.ts";
import { EntryKind } from "../../../proto/verify/manifest.ts";
import type { Logger } from "../../../sequencer/ports/logger.ts";
import type { SubmitClient } from "../../client/failover-client.ts";
import type { FilledBlock } from "../../client/block-verifier.ts";
import type { ExecuteBlockResponse } from "../../execution.ts";
import { decodePlacement, encodePlacement, type Placement } from "../journal/placement-record.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalOperation } from "../journal/journal-store.ts";
import { createExecutionFeed } from "../execution-feed.ts";
import { PLACEMENT_BACKFILL_HEIGHTS, PLACEMENTS_KEPT } from "./limits.ts";

const PLACEMENT_PREFIX = "at/";

/** What of an executed block matters here. */
export type PlacedBlock = Pick<FilledBlock, "filled" | "order" | "payloads"> & {
  readonly header: { readonly height: number };
};

export interface Placements {
  /** Takes up what the journal holds. Call first, once. */
  restore(): Promise<void>;
  /** Call once per height, in order. */
  blockExecuted(
    block: PlacedBlock,
    answer: Pick<ExecuteBlockResponse, "outcome" | "included" | "skipped">,
  ): void;
  /** @param hash Keccak-256 of the transaction, hex */
  of(hash: string): Placement | undefined;
}

export function createPlacements(
  rollupId: RollupId,
  deps: {
    readonly client: Pick<SubmitClient, "ordered">;
    readonly journal: Journal;
    readonly logger: Logger;
  },
): Placements {
  const { client, journal, logger } = deps;
  /** Height up to which the journal has all places; a crash may have taken those after it. */
  let lastHeight = 0;
  /** Settles when the places before this life are known: nothing is noted earlier, or a second crash would hide the gap. */
  let backfilled: Promise<void> | undefined;
  let isBackfilled = false;
  /** The oldest first. */
  const placements = new Map<string, Placement>();
  const feed = createExecutionFeed();

  function forgetOldest(changed: Set<string>): JournalOperation[] {
    const operations: JournalOperation[] = [];
    for (const hash of placements.keys()) {
      if (placements.size <= PLACEMENTS_KEPT) break;
      placements.delete(hash);
      changed.delete(hash);
      operations.push({ type: "del", key: `${PLACEMENT_PREFIX}${hash}` });
    }
    return operations;
  }

  function note(changed: Set<string>): void {
    const operations = forgetOldest(changed);
    for (const hash of changed) {
      const placement = placements.get(hash);
      if (placement === undefined) continue;
      const value = encodePlacement(placement);
      operations.push({ type: "put", key: `${PLACEMENT_PREFIX}${hash}`, value });
    }
    if (operations.length > 0) journal.note(operations);
  }

  /** What was executed and not noted before a crash: whether it was skipped nobody remembers, its place is known. */
  async function backfill(first: number, last: number): Promise<void> {
    const from = Math.max(first, last - PLACEMENT_BACKFILL_HEIGHTS);
    const changed = new Set<string>();
    try {
      for (const { height, position, entry } of await client.ordered(rollupId, from, last)) {
        const isPlain = entry.kind === EntryKind.ROLLUP_DATA || entry.kind === EntryKind.BUNDLE_LEG;
        if (!isPlain) continue;
        for (const [index, payload] of rollupDataEntries(entry.payload).entries()) {
          const hash = toHex(keccak_256(payload));
          const known = placements.get(hash);
          // One that was skipped at a place before may have been executed here.
          if (known?.outcome === "executed" || (known && known.height >= height)) continue;
          const place = { height, position, index, itemId: toHex(entry.itemId), isSealed: false };
          placements.set(hash, { ...place, outcome: "ordered", reason: undefined });
          changed.add(hash);
        }
      }
      note(changed);
    } catch (error) {
      // Without it the executor still says that they are executed.
      logger.warn("places of transactions before the start could not be looked up", {
        error: String(error),
      });
    }
    isBackfilled = true;
  }

  return {
    async restore() {
      const records = await journal.load(PLACEMENT_PREFIX);
      const decoded = [...records].map(([hash, bytes]) => ({
        hash,
        placement: decodePlacement(hash, bytes),
      }));
      decoded.sort((a, b) => a.placement.height - b.placement.height);
      lastHeight = decoded.at(-1)?.placement.height ?? 0;
      for (const { hash, placement } of decoded) placements.set(hash, placement);
    },
    blockExecuted(block, answer) {
      const { height } = block.header;
      // Of the last height in the journal perhaps not all.
      backfilled ??= backfill(Math.max(1, lastHeight), height - 1);
      const changed = new Set<string>();
      for (const position of block.order) {
        const entry = block.filled[position];
        if (entry?.content === undefined) continue;
        for (const [index, payload] of rollupDataEntries(entry.content).entries()) {
          const hash = toHex(keccak_256(payload));
          // Posted once more it may be skipped; what counts is where it was executed.
          if (placements.get(hash)?.outcome === "executed") continue;
          placements.delete(hash);
          placements.set(hash, {
            height,
            position,
            index,
            itemId: toHex(entry.itemId),
            isSealed: entry.fill !== undefined,
            outcome: "ordered",
            reason: undefined,
          });
          changed.add(hash);
        }
      }
      for (const { payload, reason } of feed.executed(block.payloads, answer, height).payloads) {
        const hash = toHex(keccak_256(payload));
        const placement = placements.get(hash);
        if (placement === undefined || placement.outcome === "executed") continue;
        const outcome = reason === undefined ? "executed" : "skipped";
        placements.set(hash, { ...placement, outcome, reason });
        changed.add(hash);
      }
      if (isBackfilled) note(changed);
      else void backfilled.then(() => note(changed));
    },
    of: (hash) => placements.get(hash),
  };
}
