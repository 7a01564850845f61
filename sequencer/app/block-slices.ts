import { laneOf } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { txId } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import type { Absence, DeliveredEntry, Presence } from "../../proto/verify/manifest.ts";
import type { BlockOutcome } from "../abci/application.ts";
import type { DecodedTx } from "./execution/decoded-tx.ts";
import { readFillsEvents } from "./seal/fills.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";

/** A committed block as rollups get it. */
export interface BlockSlices {
  /** Ids of the rollups that the block holds something for, ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** What the block holds for a rollup, with its proof to item 0; or the proof that it holds nothing. */
  slice(rollupId: Uint8Array): Presence | Absence;
}

/** Items taken apart between two turns of the event loop: about 2 ms. */
const ITEMS_PER_SLICE = 256;

/**
 * Takes a stored block apart again: a pure function of its items and their results, which say whose
 * action failed and so added nothing. Payloads are views into `txs`. The first `slice` hashes the tree of
 * leaves; keep the result for all readers of a height. Anybody may ask for any height, so that the work is
 * done in slices; what was decoded before, item by item, is not decoded and hashed again.
 */
export async function blockSlices(
  chainId: string,
  txs: readonly Uint8Array[],
  { txResults: results, events }: BlockOutcome,
  yieldToLoop: YieldToLoop,
  decoded: readonly (DecodedTx | undefined)[] = [],
): Promise<BlockSlices> {
  assert(txs.length === results.length, "a block has one result for each item");
  const builder = createManifestBuilder();
  const delivered = new Map<string, DeliveredEntry[]>();
  for (const [index, bytes] of txs.entries()) {
    if (index % ITEMS_PER_SLICE === ITEMS_PER_SLICE - 1) await yieldToLoop();
    if (results[index]?.code !== 0) continue;
    const found = decoded[index] ?? decodeRollupData(chainId, bytes);
    const action = found?.tx.body.action;
    if (found === undefined || action?.kind !== "rollupData") continue;
    const { payload } = action;
    for (const { rollupId, entry } of found.entries) {
      builder.add(rollupId, entry);
      const key = toHex(rollupId);
      const { kind, lane, itemId, bundleId, leg, legs } = entry;
      const list = delivered.get(key) ?? [];
      list.push({ kind, lane, itemId, bundleId, leg, legs, payload });
      delivered.set(key, list);
    }
  }
  const fills = readFillsEvents(events);
  for (const { rollupId, fill } of fills) builder.addFill(rollupId, fill);
  const built = builder.build();
  const manifest = txs[0];
  assert(
    manifest !== undefined && bytesEqual(manifest, built.item),
    "the block's items and results make its manifest",
  );
  return {
    rollupIds: built.rollupIds,
    slice(rollupId) {
      const proof = built.prove(rollupId);
      if (proof.kind === "absence") return proof;
      const entries = delivered.get(toHex(rollupId)) ?? [];
      return { ...proof, entries };
    },
  };
}

/** What a transaction that posts rollup data adds; undefined for any other item. */
function decodeRollupData(
  chainId: string,
  bytes: Uint8Array,
): Pick<DecodedTx, "tx" | "entries"> | undefined {
  const item = decodeItem(bytes);
  if (item.kind !== "tx" || item.tx.body.action.kind !== "rollupData") return undefined;
  const { tx } = item;
  const id = txId(chainId, tx.bodyBytes);
  return { tx, entries: rollupEntriesOf(tx, id, laneOf(item, false)) };
}
