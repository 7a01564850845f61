/**
 * The tally of inclusion lists: what validators list in their extensions is added up in the state over
 * heights, because the proposer of any one block may leave lists of up to a third of the power out (BLANK)
 * and nobody can tell (spec/mev.md B5, B6; ADR 0018). A function of the state and the block's LISTS alone.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex } from "../../proto/bytes.ts";
import { LISTERS_MAX, LISTINGS_OPEN_MAX, type ListingState } from "../../proto/codec/mev-state.ts";
import type { Lists } from "../../proto/codec/weft-extension.ts";
import { type DueTx, listingKey, parseListingKey } from "./keys.ts";

/** Heights that a listing is kept for at least, as every window that protects somebody (design.md §5). */
const LISTING_WINDOW_MIN = 20;

/** Voting powers of the state. */
export interface Powers {
  /** Of a consensus address, 40 lower-case hex characters; 0 for who is not in the set. */
  of(address: string): bigint;
  readonly total: bigint;
  /** Validators of the set. */
  readonly count: number;
}

/** What the rules read of the tally. */
export interface TallyView {
  readonly powers: Powers;
  /** By `listingKey`. */
  listing(key: string): ListingState | undefined;
  /** Keys of all listings of a transaction, ascending. */
  keysOf(id: Uint8Array): readonly string[];
  /** Listings on the quota of a validator, by its address in hex. */
  openCount(validator: string): number;
  /** All that is armed, in order. */
  due(): readonly DueTx[];
  /** Listings opened at this height or before it, whether they are still there or not. */
  openedUntil(height: number): readonly string[];
}

/** The part of `InjectedLists` that counts. */
export interface ListsOf {
  readonly address: Uint8Array;
  readonly lists: Pick<Lists, "listed" | "withdrawn">;
}

export interface TallyTerms {
  /** Of the block that brings the lists. */
  readonly height: number;
  /** Heights between being listed by enough power and being due. */
  readonly listDueBlocks: number;
}

/** What a block's lists change. */
export interface TallyChanges {
  /** By `listingKey`, in order of the first change. */
  readonly listings: ReadonlyMap<string, ListingState>;
  /** Keys of those that are new, in that order. */
  readonly opened: readonly string[];
  /** Listings on validators' quotas, as far as they changed. */
  readonly openCounts: ReadonlyMap<string, number>;
  /** What became due at a height by this block. */
  readonly armed: readonly DueTx[];
  /** How often a validator said of something armed that it cannot have it, anew. */
  readonly withdrawals: number;
}

/** A listing that lists speak of. */
interface Draft {
  readonly key: string;
  readonly before: ListingState;
  readonly isNew: boolean;
  /** Places in `lists` of those who list it now and did not before. */
  readonly added: number[];
  /** Undefined: as before. */
  withdrawn: Uint8Array[] | undefined;
}

/**
 * Adds the lists of the block's injected commit, in the order in which it brings them. The first lister
 * of something opens a record, on its own quota; who comes later joins. Who lists something that it had
 * withdrawn has it again.
 */
export function foldLists(
  tally: TallyView,
  lists: readonly ListsOf[],
  { height, listDueBlocks }: TallyTerms,
): TallyChanges {
  const drafts = new Map<string, Draft>();
  const opened: string[] = [];
  const openCounts = new Map<string, number>();
  let withdrawals = 0;

  function draftOf(key: string): Draft | undefined {
    const known = drafts.get(key);
    if (known !== undefined) return known;
    const before = tally.listing(key);
    return before && startDraft(key, before, false);
  }
  function startDraft(key: string, before: ListingState, isNew: boolean): Draft {
    const draft: Draft = { key, before, isNew, added: [], withdrawn: undefined };
    drafts.set(key, draft);
    return draft;
  }
  function open(key: string, opener: Uint8Array, validator: string): Draft | undefined {
    const count = openCounts.get(validator) ?? tally.openCount(validator);
    if (count >= LISTINGS_OPEN_MAX) return undefined;
    openCounts.set(validator, count + 1);
    opened.push(key);
    const begun = { opener, listers: [], withdrawn: [], dueHeight: Height(0) };
    return startDraft(key, { firstHeight: Height(height), ...begun }, true);
  }

  for (const [place, { address, lists: said }] of lists.entries()) {
    const validator = toHex(address);
    for (const listed of said.listed) {
      const key = listingKey(listed);
      const draft = draftOf(key) ?? open(key, address, validator);
      if (draft === undefined) continue;
      const { withdrawn = draft.before.withdrawn } = draft;
      const at = withdrawn.findIndex((one) => bytesEqual(one, address));
      if (at >= 0) draft.withdrawn = withdrawn.toSpliced(at, 1);
      if (!isAmong(draft.before.listers, address)) draft.added.push(place);
    }
    for (const id of said.withdrawn) {
      for (const key of tally.keysOf(id)) {
        const draft = draftOf(key);
        // Only what is armed can be withdrawn: before that nobody is held to anything.
        if (draft === undefined || draft.before.dueHeight === 0) continue;
        const { withdrawn = draft.before.withdrawn } = draft;
        if (withdrawn.some((one) => bytesEqual(one, address))) continue;
        draft.withdrawn = [...withdrawn, address];
        withdrawals++;
      }
    }
  }

  const listings = new Map<string, ListingState>();
  const armed: DueTx[] = [];
  const powers = lists.map(({ address }) => tally.powers.of(toHex(address)));
  const addresses = lists.map(({ address }) => address);
  for (const { key, before, isNew, added, withdrawn = before.withdrawn } of drafts.values()) {
    if (!isNew && added.length === 0 && withdrawn === before.withdrawn) continue;
    let { dueHeight } = before;
    const { firstHeight } = before;
    if (dueHeight === 0 && added.length > 0) {
      let power = powerOf(before.listers, tally);
      for (const place of added) power += powers[place] ?? 0n;
      if (power * 3n > tally.powers.total * 2n) {
        dueHeight = Height(height + listDueBlocks);
        armed.push({ ...parseListingKey(key), dueHeight, firstHeight });
      }
    }
    const joined = added.flatMap((place) => addresses[place] ?? []);
    listings.set(key, {
      ...before,
      listers: joined.length === 0 ? before.listers : kept([...before.listers, ...joined], tally),
      withdrawn: withdrawn === before.withdrawn ? withdrawn : kept(withdrawn, tally),
      dueHeight,
    });
  }
  return { listings, opened, openCounts, armed, withdrawals };
}

/** Whether enough validators cannot have it that nobody is held to it: more than 1/3 of the power. */
export function isReleased(
  { withdrawn }: Pick<ListingState, "withdrawn">,
  { powers }: Pick<TallyView, "powers">,
): boolean {
  if (withdrawn.length === 0) return false;
  return powerOf(withdrawn, { powers }) * 3n > powers.total;
}

/** Heights that a listing is kept for: those that f faulty proposers in a row may take, twice, and more. */
export function listingWindow(validators: number): number {
  const faulty = Math.floor((validators - 1) / 3);
  return Math.max(LISTING_WINDOW_MIN, 2 * faulty + 4);
}

/**
 * Keys of listings that the block at `height` lets go of: what was not listed by enough power in time, and
 * what is armed that nobody is held to any more. `isTooLarge`: of what no block may hold at all. What
 * waits behind others that are due is kept for as long as it takes.
 */
export function forgotten(
  tally: TallyView,
  height: number,
  isTooLarge: (size: number) => boolean,
): readonly string[] {
  const window = listingWindow(tally.powers.count);
  const gone = new Set<string>();
  for (const key of tally.openedUntil(height - window)) {
    const listing = tally.listing(key);
    // One that was gone may have been opened again since.
    if (listing === undefined || listing.dueHeight !== 0) continue;
    if (listing.firstHeight + window <= height) gone.add(key);
  }
  for (const due of tally.due()) {
    if (due.dueHeight + window > height) break;
    const key = listingKey(due);
    const listing = tally.listing(key);
    if (listing === undefined) continue;
    if (isTooLarge(due.size) || isReleased(listing, tally)) gone.add(key);
  }
  return [...gone];
}

function powerOf(validators: readonly Uint8Array[], { powers }: Pick<TallyView, "powers">): bigint {
  let power = 0n;
  for (const validator of validators) power += powers.of(toHex(validator));
  return power;
}

/** Whether `addresses`, which ascend, have it. */
function isAmong(addresses: readonly Uint8Array[], address: Uint8Array): boolean {
  let low = 0;
  let high = addresses.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareBytes(addresses[middle] ?? address, address);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

/**
 * As a record holds them. While it is kept the set may change and more validators speak than a record has room for:
 * then those that have no power any more, who count for nothing, are left out.
 */
function kept(
  addresses: readonly Uint8Array[],
  { powers }: Pick<TallyView, "powers">,
): readonly Uint8Array[] {
  const isFit = addresses.length <= LISTERS_MAX;
  const left = isFit ? addresses : addresses.filter((one) => powers.of(toHex(one)) > 0n);
  return left.toSorted(compareBytes);
}
