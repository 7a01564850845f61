/** The tally of inclusion lists in the state: as the rules of `mev/inclusion` read it, and its changes. */
import {
  dueKey,
  type DueTx,
  listingPrefix,
  parseDueKey,
  parseListingKey,
} from "../../../mev/inclusion/keys.ts";
import type { Powers, TallyChanges, TallyView } from "../../../mev/inclusion/tally.ts";
import { Height } from "../../../proto/brands.ts";
import { compareBytes, toHex } from "../../../proto/bytes.ts";
import { LISTING_KEY_BYTES, type ListingState } from "../../../proto/codec/mev-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { Records } from "../state/records.ts";
import {
  DUE,
  EPOCH,
  LISTING_HEIGHTS,
  LISTING_OPEN,
  LISTINGS,
  numberKey,
  VALIDATORS,
} from "../state/tables.ts";

/** The committed state (`CommittedState.staking`) and a block under way both offer it. */
export interface TallyReader {
  readonly records: Records;
}

/** Reads nothing before it is asked: most blocks bring no lists. */
export function tallyOf({ records }: TallyReader): TallyView {
  let due: readonly DueTx[] | undefined;
  return {
    powers: powersOf(records),
    listing: (key) => records.get(LISTINGS, key),
    keysOf: (id) => records.keys(LISTINGS, listingPrefix(id)),
    openCount: (validator) => records.get(LISTING_OPEN, validator)?.count ?? 0,
    due: () => (due ??= records.keys(DUE).map(parseDueKey)),
    openedUntil: (height) =>
      heightsUntil(records, height).flatMap((at) =>
        (records.get(LISTING_HEIGHTS, at)?.keys ?? []).map(bytesToKey),
      ),
  };
}

/** Powers of the set that the engine was last told. */
function powersOf(records: Records): Powers {
  return {
    of: (validator) => records.get(VALIDATORS, validator)?.power ?? 0n,
    get total() {
      return records.get(EPOCH, "")?.activePower ?? 0n;
    },
    get count() {
      const { nextSetSize = 1, followingSetSize = 1 } = records.get(EPOCH, "") ?? {};
      return Math.max(nextSetSize, followingSetSize, 1);
    },
  };
}

/** What the lists of a block change. */
export function writeTally(
  { records }: TallyReader,
  { listings, opened, openCounts, armed }: TallyChanges,
  height: number,
): void {
  for (const [key, listing] of listings) records.set(LISTINGS, key, listing);
  for (const [validator, count] of openCounts) records.set(LISTING_OPEN, validator, { count });
  for (const due of armed) records.set(DUE, dueKey(due), true);
  if (opened.length === 0) return;
  const keys = opened.map(keyToBytes).sort(compareBytes);
  records.set(LISTING_HEIGHTS, numberKey(height), { keys });
}

/** Nobody counts it any more: it stands in a block, is excused for good, or nobody listed it in time. */
export function removeListing({ records }: TallyReader, key: string): ListingState | undefined {
  const listing = records.get(LISTINGS, key);
  if (listing === undefined) return undefined;
  records.set(LISTINGS, key, undefined);
  const opener = toHex(listing.opener);
  const count = (records.get(LISTING_OPEN, opener)?.count ?? 0) - 1;
  assert(count >= 0, "every listing is on its opener's quota");
  records.set(LISTING_OPEN, opener, count === 0 ? undefined : { count });
  if (listing.dueHeight > 0) records.set(DUE, dueKeyOf(key, listing), undefined);
  return listing;
}

/** Due later than it was. */
export function postponeListing({ records }: TallyReader, key: string, dueHeight: number): void {
  const listing = records.get(LISTINGS, key);
  assert(listing !== undefined && listing.dueHeight > 0, "what is postponed is due");
  records.set(DUE, dueKeyOf(key, listing), undefined);
  const later = { ...listing, dueHeight: Height(dueHeight) };
  records.set(LISTINGS, key, later);
  records.set(DUE, dueKeyOf(key, later), true);
}

/** What was opened up to `height` has been looked at for the last time. */
export function forgetHeights({ records }: TallyReader, height: number): void {
  for (const at of heightsUntil(records, height)) records.set(LISTING_HEIGHTS, at, undefined);
}

function heightsUntil(records: Records, height: number): readonly string[] {
  if (height < 0) return [];
  const heights = records.keys(LISTING_HEIGHTS);
  const end = numberKey(height);
  return heights.filter((at) => at <= end);
}

function dueKeyOf(key: string, { dueHeight, firstHeight }: ListingState): string {
  return dueKey({ ...parseListingKey(key), dueHeight, firstHeight });
}

function keyToBytes(key: string): Uint8Array {
  const { id, size } = parseListingKey(key);
  const bytes = new Uint8Array(LISTING_KEY_BYTES);
  bytes.set(id);
  new DataView(bytes.buffer).setUint32(id.length, size);
  return bytes;
}

function bytesToKey(bytes: Uint8Array): string {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(32);
  return `${toHex(bytes.subarray(0, 32))}/${numberKey(size)}`;
}
