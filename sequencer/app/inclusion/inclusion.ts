/**
 * Inclusion lists in a block under way: what its lists add to the tally, what its items meet, what is let
 * go of (spec/mev.md B6, ADR 0018). Rules are in `mev/inclusion`.
 */
import { listingKey, parseListingKey } from "../../../mev/inclusion/keys.ts";
import { foldLists, forgotten, listingWindow, type ListsOf } from "../../../mev/inclusion/tally.ts";
import { itemBlockBytes } from "../../../mev/lanes.ts";
import type { ExecTxResult } from "../../abci/application.ts";
import { EMPTY_TX_RESULT } from "../../abci/empty-result.ts";
import type { Failure } from "../codes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { WorkingState } from "../state/working-state.ts";
import { LISTINGS } from "../state/tables.ts";
import { isPassing } from "./excuses.ts";
import { armedEvent, excusedEvent, forgottenEvent, metEvent, withdrawnEvent } from "./events.ts";
import {
  forgetHeights,
  postponeListing,
  removeListing,
  tallyOf,
  writeTally,
} from "./tally-state.ts";

/** At the begin of a block: adds up the LISTS that its injected commit brings, in the order of the set. */
export function foldInclusion(working: WorkingState, lists: readonly ListsOf[]): void {
  const said = lists.filter(
    ({ lists: { listed, withdrawn } }) => listed.length > 0 || withdrawn.length > 0,
  );
  if (said.length === 0) return;
  const { height, params } = working;
  const { listDueBlocks } = params;
  const changes = foldLists(tallyOf(working), said, { height, listDueBlocks });
  writeTally(working, changes, height);
  for (const due of changes.armed) working.emit(armedEvent(due));
  if (changes.withdrawals > 0) working.emit(withdrawnEvent(changes.withdrawals));
}

/**
 * Something due stands in the block as an excuse, because of this fault at its place. Pays nothing and adds
 * nothing to the manifest; returns the result of its item.
 */
export function excuse(working: WorkingState, tx: DecodedTx, fault: Failure): ExecTxResult {
  const key = listingKey({ id: tx.id, size: tx.item.length });
  let dueHeight = 0;
  if (isPassing(fault)) {
    dueHeight = working.height + working.params.listDueBlocks;
    postponeListing(working, key, dueHeight);
  } else removeListing(working, key);
  return { ...EMPTY_TX_RESULT, events: [excusedEvent(tx.idText, fault, dueHeight)] };
}

/**
 * After the last transaction: what stands in the block, in whatever lane, is listed no more. `txs`: all of
 * them, without what is excused.
 */
export function settleListings(working: WorkingState, txs: Iterable<DecodedTx | undefined>): void {
  const keys = working.records.keys(LISTINGS);
  if (keys.length === 0) return;
  const keysOf = new Map<string, string[]>();
  for (const key of keys) {
    const id = key.slice(0, key.indexOf("/"));
    const known = keysOf.get(id);
    if (known === undefined) keysOf.set(id, [key]);
    else known.push(key);
  }
  for (const tx of txs) {
    for (const key of (tx && keysOf.get(tx.idText)) ?? NONE) {
      const listing = removeListing(working, key);
      if (tx !== undefined && listing !== undefined && listing.dueHeight > 0) {
        working.emit(metEvent(tx.idText, listing));
      }
    }
  }
}

const NONE: readonly string[] = [];

/** At the end of a block, when powers are those of the next one: lets go of what is too old. */
export function forgetListings(working: WorkingState, roomBytes: number): void {
  const tally = tallyOf(working);
  const { height } = working;
  for (const key of forgotten(tally, height, (size) => itemBlockBytes(size) > roomBytes)) {
    const listing = removeListing(working, key);
    if (listing === undefined || listing.dueHeight === 0) continue;
    working.emit(forgottenEvent(parseListingKey(key).id));
  }
  forgetHeights(working, height - listingWindow(tally.powers.count));
}
