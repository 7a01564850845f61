/**
 * What a ciphertext is bound to: opened under another label it is nothing (docs/formats.md, "Sealed
 * transactions: cryptography"). A label each for sealed transactions, bundles and bids, told apart by their tags.
 */
import type { Height } from "../../proto/brands.ts";
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import {
  type AtomicTerms,
  REPLACEMENT_KEY_BYTES,
  type Replacement,
  rollupIdsOfLegs,
  type SealedLeg,
} from "../../proto/codec/mev-tx.ts";
import { SEAL_BUCKETS } from "../../proto/codec/seal-tx.ts";
import { checkLength, startSignBytes } from "../../proto/codec/weft-basics.ts";
import { type Fee, type Replay, SALT_BYTES_MAX } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../../proto/limits.ts";
import { atomicTermsBytes } from "../../proto/verify/bundle.ts";
import { checkRollupIds } from "./content.ts";
import { u32, u64 } from "./hashes.ts";

const SEALED_TAG = utf8ToBytes("weft/seal/label/v1");
const BUNDLE_TAG = utf8ToBytes("weft/seal/bundle/v1");
const ATOMIC_TAG = utf8ToBytes("weft/seal/bundle/v2");
const BID_TAG = utf8ToBytes("weft/seal/bid/v1");
const REPLAY_NONCE = 0;
const REPLAY_UNORDERED = 1;
const NO_KEY = 0;
const HAS_KEY = 1;

/** What every ciphertext is bound to. */
export interface LabelTerms extends Fee {
  readonly chainId: string;
  /** Number of the key that it is sealed for. */
  readonly key: number;
  /** Address of the account that sends it, 20 bytes. */
  readonly sender: Uint8Array;
  readonly replay: Replay;
  readonly maxHeight: Height;
  /** One of `SEAL_BUCKETS`. */
  readonly bucket: number;
}

/** Of a sealed transaction. */
export interface SealLabel extends LabelTerms {
  /** 1 to 8 ids of 32 bytes, strictly ascending. */
  readonly rollupIds: readonly Uint8Array[];
}

/** Of a sealed bundle. */
export interface BundleLabel extends LabelTerms {
  /** 1 to 8, by rollup. */
  readonly legs: readonly SealedLeg[];
  readonly minHeight: Height;
  readonly replacement: Replacement | undefined;
  readonly cancelNonce: bigint;
  /** Of level 1. */
  readonly atomic: AtomicTerms | undefined;
}

/** Of a bid. */
export interface BidLabel extends LabelTerms {
  /** Id of the rollup that leads the group, 32 bytes. */
  readonly group: Uint8Array;
  readonly minHeight: Height;
}

/**
 * lp("weft/seal/label/v1") ‖ lp(chain id) ‖ u64 key ‖ u8 count of rollups ‖ their ids ‖ sender ‖ replay ‖
 * u64 max height ‖ u64 max fee per byte ‖ u64 tip per byte ‖ u32 bucket, where replay is u8 0 ‖ u64 nonce, or
 * u8 1 ‖ u64 expiry height ‖ lp(salt).
 */
export function sealLabel(label: SealLabel): Uint8Array {
  checkRollupIds(label.rollupIds);
  return joinBytes([...labelParts(SEALED_TAG, label, idsOf(label.rollupIds))]);
}

/**
 * The same with the tag "weft/seal/bundle/v1" and the ids of its legs, then u64 min height ‖ u8 whether it has a
 * replacement ‖ its key (16, zeros if none) ‖ u64 its sequence ‖ u64 cancel nonce ‖ for each leg u8 revert mode ‖
 * u64 tip. Of one of level 1 the tag is "weft/seal/bundle/v2", and u8 vote blocks ‖ for each leg u16 locks follow.
 */
export function bundleLabel(label: BundleLabel): Uint8Array {
  const { legs, minHeight, replacement, cancelNonce, atomic } = label;
  const rollupIds = rollupIdsOfLegs(legs);
  checkRollupIds(rollupIds);
  const key = replacement?.key ?? new Uint8Array(REPLACEMENT_KEY_BYTES);
  checkLength("key", key, REPLACEMENT_KEY_BYTES);
  return joinBytes([
    ...labelParts(atomic === undefined ? BUNDLE_TAG : ATOMIC_TAG, label, idsOf(rollupIds)),
    u64(BigInt(minHeight)),
    Uint8Array.of(replacement === undefined ? NO_KEY : HAS_KEY),
    key,
    u64(replacement?.sequence ?? 0n),
    u64(cancelNonce),
    ...legs.flatMap(({ revertMode, tip }) => [Uint8Array.of(revertMode), u64(tip)]),
    ...(atomic === undefined ? [] : [atomicTermsBytes(atomic)]),
  ]);
}

/**
 * The same with the tag "weft/seal/bid/v1" and the group's id (32) in place of the count and ids of rollups, then
 * u64 min height. Which rollups it wants stands in the ciphertext only.
 */
export function bidLabel(label: BidLabel): Uint8Array {
  checkLength("group", label.group, HASH_BYTES);
  return joinBytes([...labelParts(BID_TAG, label, [label.group]), u64(BigInt(label.minHeight))]);
}

function labelParts(
  tag: Uint8Array,
  label: LabelTerms,
  about: readonly Uint8Array[],
): readonly Uint8Array[] {
  assert(label.sender.length === ADDRESS_BYTES, `a sender has ${ADDRESS_BYTES} bytes`);
  assert(SEAL_BUCKETS.includes(label.bucket), `${label.bucket} is not the size of a bucket`);
  return [
    startSignBytes(tag, label.chainId, 0).out,
    u64(BigInt(label.key)),
    ...about,
    label.sender,
    replayBytes(label.replay),
    u64(BigInt(label.maxHeight)),
    u64(label.maxFeePerByte),
    u64(label.tipPerByte),
    u32(label.bucket),
  ];
}

function idsOf(rollupIds: readonly Uint8Array[]): readonly Uint8Array[] {
  return [Uint8Array.of(rollupIds.length), ...rollupIds];
}

function replayBytes(replay: Replay): Uint8Array {
  if (replay.kind === "nonce") return joinBytes([Uint8Array.of(REPLAY_NONCE), u64(replay.value)]);
  assert(replay.salt.length <= SALT_BYTES_MAX, `a salt has at most ${SALT_BYTES_MAX} bytes`);
  const head = Uint8Array.of(REPLAY_UNORDERED);
  const saltLength = Uint8Array.of(replay.salt.length);
  return joinBytes([head, u64(BigInt(replay.expiryHeight)), saltLength, replay.salt]);
}
