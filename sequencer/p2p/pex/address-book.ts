/**
 * The addresses a node knows (CometBFT `p2p/pex/addrbook.go`): *new* ones it has only heard of, *old*
 * ones it was connected to. Whoever floods it with addresses reaches only the few buckets of its own
 * group, and no old one.
 */
import type { NodeId } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { ipGroup, isRoutableIp, parseIp } from "./ip-address.ts";
import {
  ADDRESS_FAILURES_MAX,
  ADDRESS_MISSING_MS,
  ADDRESS_RETRIES,
  ADDRESS_TRIED_RECENTLY_MS,
  ADDRESSES_WANTED,
  BAD_ADDRESSES_MAX,
  BOOK_SIZE_MAX,
  BUCKET_SIZE,
  NEW_BUCKETS,
  NEW_BUCKETS_PER_ADDRESS,
  NEW_BUCKETS_PER_GROUP,
  OLD_BUCKETS,
  OLD_BUCKETS_PER_GROUP,
  PEX_SELECTION_MAX,
  PEX_SELECTION_MIN,
  PEX_SELECTION_PERCENT,
} from "./limits.ts";
import type { NetAddress } from "./net-address.ts";

export interface AddressBookOptions {
  /** Only addresses that can be reached from the Internet (`addr_book_strict`). */
  readonly isStrict: boolean;
  readonly ownId: NodeId;
  /** Never kept and never told (`private_peer_ids`). */
  readonly privateIds: readonly NodeId[];
  /** Secret that decides in which bucket an address stands; of the file, or fresh. */
  readonly key: string;
}

export interface AddressBookDependencies {
  /** Wall time in ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly isBanned: (id: NodeId) => boolean;
}

/** Why an address was not taken. */
export type AddressRefusal = "self" | "private" | "banned" | "unroutable" | "known" | "full";

/** What is known of an address; times are wall ms, 0 for never. */
export interface KnownAddress {
  readonly address: NetAddress;
  /** Who told it. */
  readonly source: NetAddress;
  buckets: number[];
  isOld: boolean;
  attempts: number;
  lastAttemptMs: number;
  lastSuccessMs: number;
  lastBanMs: number;
}

export interface AddressBook {
  readonly key: string;
  readonly size: number;
  readonly newCount: number;
  readonly oldCount: number;
  readonly wantsMore: boolean;
  has(id: NodeId): boolean;
  /** Undefined when it was taken. */
  add(address: NetAddress, source: NetAddress): AddressRefusal | undefined;
  /** Puts back what a file held; false when it does not fit. */
  restore(known: KnownAddress): boolean;
  /** Some address to dial, among the new ones with that weight of 100. */
  pick(newPercent: number): NetAddress | undefined;
  /** What to tell a peer that asks. */
  selection(): readonly NetAddress[];
  /** What a seed tells: so many percent new ones where there are enough old ones. */
  biasedSelection(newPercent: number): readonly NetAddress[];
  /** A connection was made, and is worth something: the address becomes an old one. */
  markGood(id: NodeId): void;
  markAttempt(id: NodeId): void;
  /** Strikes the address out and refuses it for so long. */
  markBad(id: NodeId, forMs: number): void;
  entries(): readonly KnownAddress[];
  /** Never told or kept from now on. */
  addPrivateId(id: NodeId): void;
}

export function createAddressBook(
  options: AddressBookOptions,
  dependencies: AddressBookDependencies,
): AddressBook {
  const { isStrict, ownId, key } = options;
  const { nowMs, random, isBanned } = dependencies;
  const privateIds = new Set(options.privateIds);
  const known = new Map<NodeId, KnownAddress>();
  const newBuckets = Array.from({ length: NEW_BUCKETS }, () => new Map<NodeId, KnownAddress>());
  const oldBuckets = Array.from({ length: OLD_BUCKETS }, () => new Map<NodeId, KnownAddress>());
  /** Until when an address is refused. */
  const bad = new Map<NodeId, number>();
  let oldCount = 0;

  const below = (count: number): number => Math.floor(random() * count);
  const group = (address: NetAddress): string =>
    ipGroup(parseIp(address.host) ?? new Uint8Array(16), isStrict);
  const newBucketOf = (address: NetAddress, source: NetAddress): number => {
    const spread = hash(`${key}${group(address)}${group(source)}`) % BigInt(NEW_BUCKETS_PER_GROUP);
    return Number(hash(`${key}${group(source)}${spread}`) % BigInt(NEW_BUCKETS));
  };
  const oldBucketOf = (address: NetAddress): number => {
    const text = `${address.id}@${address.host}:${address.port}`;
    const spread = hash(`${key}${text}`) % BigInt(OLD_BUCKETS_PER_GROUP);
    return Number(hash(`${key}${group(address)}${spread}`) % BigInt(OLD_BUCKETS));
  };

  const forget = (one: KnownAddress): void => {
    const buckets = one.isOld ? oldBuckets : newBuckets;
    for (const index of one.buckets) buckets[index]?.delete(one.address.id);
    one.buckets = [];
    if (one.isOld) oldCount -= 1;
    known.delete(one.address.id);
  };
  const leaveBucket = (one: KnownAddress, index: number): void => {
    newBuckets[index]?.delete(one.address.id);
    one.buckets = one.buckets.filter((other) => other !== index);
    if (one.buckets.length === 0) known.delete(one.address.id);
  };
  const enterNewBucket = (one: KnownAddress, index: number): void => {
    const bucket = newBuckets[index];
    if (bucket === undefined || bucket.has(one.address.id)) return;
    if (bucket.size >= BUCKET_SIZE) {
      const all = [...bucket.values()];
      const at = nowMs();
      const leaving = all.find((other) => isWorthless(other, at)) ?? leastTried(all);
      if (leaving !== undefined) leaveBucket(leaving, index);
    }
    bucket.set(one.address.id, one);
    one.buckets.push(index);
    known.set(one.address.id, one);
  };
  const enterOldBucket = (one: KnownAddress): void => {
    const index = oldBucketOf(one.address);
    const bucket = oldBuckets[index];
    if (bucket === undefined) return;
    if (bucket.size >= BUCKET_SIZE) {
      const leaving = leastTried([...bucket.values()]);
      if (leaving !== undefined) {
        forget(leaving);
        leaving.isOld = false;
        enterNewBucket(leaving, newBucketOf(leaving.address, leaving.source));
      }
    }
    one.isOld = true;
    one.buckets = [index];
    bucket.set(one.address.id, one);
    known.set(one.address.id, one);
    oldCount += 1;
  };

  /** The first `count` of a random order. */
  const some = (all: readonly KnownAddress[], count: number): NetAddress[] => {
    const rest = [...all];
    for (let i = 0; i < Math.min(count, rest.length); i++) {
      const j = i + below(rest.length - i);
      const [one, other] = [rest[i], rest[j]];
      if (one === undefined || other === undefined) break;
      rest[i] = other;
      rest[j] = one;
    }
    return rest.slice(0, count).map(({ address }) => address);
  };
  const selectionSize = (): number => {
    const { size } = known;
    const share = Math.floor((size * PEX_SELECTION_PERCENT) / 100);
    return Math.min(PEX_SELECTION_MAX, Math.max(Math.min(PEX_SELECTION_MIN, size), share));
  };
  const ofKind = (isOld: boolean): KnownAddress[] =>
    [...known.values()].filter((one) => one.isOld === isOld);
  const isBad = (id: NodeId): boolean => {
    const untilMs = bad.get(id);
    if (untilMs === undefined) return false;
    if (nowMs() < untilMs) return true;
    bad.delete(id);
    return false;
  };

  return {
    key,
    get size() {
      return known.size;
    },
    get newCount() {
      return known.size - oldCount;
    },
    get oldCount() {
      return oldCount;
    },
    get wantsMore() {
      return known.size < ADDRESSES_WANTED;
    },
    has: (id) => known.has(id),
    add(address, source) {
      const { id } = address;
      if (id === ownId) return "self";
      if (privateIds.has(id) || privateIds.has(source.id)) return "private";
      if (isBad(id) || isBanned(id)) return "banned";
      const ip = parseIp(address.host);
      if (ip === undefined || (isStrict && !isRoutableIp(ip))) return "unroutable";
      const existing = known.get(id);
      if (existing !== undefined) {
        // An old one stays as it is, or anybody could move a known node elsewhere.
        const isSettled = existing.isOld || existing.buckets.length >= NEW_BUCKETS_PER_ADDRESS;
        // The more often it stands in the book, the less likely it comes in again.
        if (isSettled || below(2 * existing.buckets.length) !== 0) return "known";
        enterNewBucket(existing, newBucketOf(existing.address, source));
        return undefined;
      }
      if (known.size >= BOOK_SIZE_MAX) return "full";
      const fresh: KnownAddress = {
        address,
        source,
        buckets: [],
        isOld: false,
        attempts: 0,
        lastAttemptMs: nowMs(),
        lastSuccessMs: 0,
        lastBanMs: 0,
      };
      enterNewBucket(fresh, newBucketOf(address, source));
      return undefined;
    },
    restore(one) {
      const { id, host } = one.address;
      const isUnwanted = id === ownId || privateIds.has(id) || known.has(id) || isBanned(id);
      const ip = parseIp(host);
      if (isUnwanted || ip === undefined || (isStrict && !isRoutableIp(ip))) return false;
      if (known.size >= BOOK_SIZE_MAX) return false;
      // Placed anew: Go's buckets follow from a hash that differs from start to start.
      const copy: KnownAddress = { ...one, buckets: [] };
      if (copy.isOld) enterOldBucket(copy);
      else enterNewBucket(copy, newBucketOf(copy.address, copy.source));
      return true;
    },
    pick(newPercent) {
      const bias = Math.min(100, Math.max(0, newPercent));
      const newCount = known.size - oldCount;
      const oldWeight = Math.sqrt(oldCount) * (100 - bias);
      const newWeight = Math.sqrt(newCount) * bias;
      const isOld = (oldWeight + newWeight) * random() < oldWeight;
      const filled = (isOld ? oldBuckets : newBuckets).filter(({ size }) => size > 0);
      // By bucket, not by address: a full bucket counts no more than another.
      const bucket = filled[below(filled.length)];
      if (bucket === undefined) return undefined;
      return [...bucket.values()][below(bucket.size)]?.address;
    },
    selection: () => some([...known.values()], selectionSize()),
    biasedSelection(newPercent) {
      const count = selectionSize();
      const wanted = Math.round((Math.min(100, Math.max(0, newPercent)) / 100) * count);
      const fresh = some(ofKind(false), Math.max(wanted, count - oldCount));
      return [...fresh, ...some(ofKind(true), count - fresh.length)];
    },
    markGood(id) {
      const one = known.get(id);
      if (one === undefined) return;
      const at = nowMs();
      one.lastAttemptMs = at;
      one.lastSuccessMs = at;
      one.attempts = 0;
      if (one.isOld) return;
      forget(one);
      enterOldBucket(one);
    },
    markAttempt(id) {
      const one = known.get(id);
      if (one === undefined) return;
      one.lastAttemptMs = nowMs();
      one.attempts += 1;
    },
    markBad(id, forMs) {
      const one = known.get(id);
      if (one !== undefined) forget(one);
      bad.delete(id);
      bad.set(id, nowMs() + forMs);
      if (bad.size <= BAD_ADDRESSES_MAX) return;
      for (const oldest of bad.keys()) {
        bad.delete(oldest);
        break;
      }
    },
    entries: () => [...known.values()],
    addPrivateId(id) {
      privateIds.add(id);
      const one = known.get(id);
      if (one !== undefined) forget(one);
    },
  };
}

/** Whether a new address is not worth its place (CometBFT `isBad`). */
function isWorthless(one: KnownAddress, nowMs: number): boolean {
  if (nowMs - one.lastAttemptMs < ADDRESS_TRIED_RECENTLY_MS) return false;
  if (nowMs - one.lastAttemptMs > ADDRESS_MISSING_MS) return true;
  if (one.lastSuccessMs === 0 && one.attempts >= ADDRESS_RETRIES) return true;
  return nowMs - one.lastSuccessMs > ADDRESS_MISSING_MS && one.attempts >= ADDRESS_FAILURES_MAX;
}

function leastTried(all: readonly KnownAddress[]): KnownAddress | undefined {
  let oldest: KnownAddress | undefined;
  for (const one of all) {
    if (oldest === undefined || one.lastAttemptMs < oldest.lastAttemptMs) oldest = one;
  }
  return oldest;
}

/** 64 bits nobody without the key can foresee. */
function hash(text: string): bigint {
  const { buffer, byteOffset } = sha256(utf8ToBytes(text));
  return new DataView(buffer, byteOffset).getBigUint64(0);
}
