/** A tally of inclusion lists in memory, kept as the application keeps it in the state. */
import { toHex } from "../../proto/bytes.ts";
import type { ListingState } from "../../proto/codec/mev-state.ts";
import {
  dueKey,
  type DueTx,
  type Listed,
  listingPrefix,
  parseDueKey,
  parseListingKey,
} from "../../mev/inclusion/keys.ts";
import {
  foldLists,
  forgotten,
  type ListsOf,
  type Powers,
  type TallyChanges,
  type TallyView,
} from "../../mev/inclusion/tally.ts";

export function powersOf(byValidator: ReadonlyMap<string, bigint>): Powers {
  return {
    of: (validator) => byValidator.get(validator) ?? 0n,
    total: [...byValidator.values()].reduce((sum, power) => sum + power, 0n),
    count: byValidator.size,
  };
}

export class MemoryTally implements TallyView {
  powers: Powers;
  readonly #listings = new Map<string, ListingState>();
  readonly #openCounts = new Map<string, number>();
  readonly #due = new Set<string>();
  readonly #openedAt = new Map<number, readonly string[]>();

  constructor(powers: Powers) {
    this.powers = powers;
  }

  get size(): number {
    return this.#listings.size;
  }

  listing(key: string): ListingState | undefined {
    return this.#listings.get(key);
  }

  keysOf(id: Uint8Array): readonly string[] {
    const prefix = listingPrefix(id);
    return [...this.#listings.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  openCount(validator: string): number {
    return this.#openCounts.get(validator) ?? 0;
  }

  due(): readonly DueTx[] {
    return [...this.#due].sort().map(parseDueKey);
  }

  openedUntil(height: number): readonly string[] {
    return [...this.#openedAt].filter(([at]) => at <= height).flatMap(([, keys]) => keys);
  }

  /** What a block does that brings these lists. */
  fold(lists: readonly ListsOf[], height: number, listDueBlocks = 4): TallyChanges {
    const changes = foldLists(this, lists, { height, listDueBlocks });
    for (const [key, listing] of changes.listings) this.#listings.set(key, listing);
    for (const [validator, count] of changes.openCounts) this.#openCounts.set(validator, count);
    for (const armed of changes.armed) this.#due.add(dueKey(armed));
    if (changes.opened.length > 0) this.#openedAt.set(height, changes.opened);
    return changes;
  }

  /** A block holds it. */
  include(id: Uint8Array): void {
    for (const key of this.keysOf(id)) this.remove(key);
  }

  forget(height: number, isTooLarge: (size: number) => boolean = () => false): readonly string[] {
    const gone = forgotten(this, height, isTooLarge);
    for (const key of gone) this.remove(key);
    return gone;
  }

  remove(key: string): void {
    const listing = this.#listings.get(key);
    if (listing === undefined) return;
    this.#listings.delete(key);
    const opener = toHex(listing.opener);
    this.#openCounts.set(opener, this.openCount(opener) - 1);
    const { dueHeight, firstHeight } = listing;
    if (dueHeight > 0)
      this.#due.delete(dueKey({ ...parseListingKey(key), dueHeight, firstHeight }));
  }
}

/** A validator's address by its number. */
export function validatorAt(index: number): Uint8Array {
  const address = new Uint8Array(20);
  new DataView(address.buffer).setUint32(0, index + 1);
  return address;
}

/** A transaction id by a number. */
export function idAt(index: number): Uint8Array {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, index + 1);
  return id;
}

/** LISTS of a validator: ids ascending, as the codec wants them. */
export function listsOf(
  validator: number,
  listed: readonly Listed[],
  withdrawn: readonly Uint8Array[] = [],
): ListsOf {
  return {
    address: validatorAt(validator),
    lists: {
      listed: listed.map(({ id, size }) => ({ id, size, receivedAgoMs: 0 })),
      withdrawn,
    },
  };
}
