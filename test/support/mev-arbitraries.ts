/** Random values of bundles, bids, escrow and inclusion lists, for property tests and fuzzing. */
import * as fc from "fast-check";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import {
  AUCTION_CODEC,
  AUCTION_RESULT_CODEC,
  BidOpener,
  BidStatus,
  BUNDLE_KEY_CODEC,
  CANCEL_NONCE_CODEC,
  ESCROW_CODEC,
  LISTING_CODEC,
  LISTING_HEIGHT_CODEC,
  LISTING_OPEN_CODEC,
  SHUFFLE_CODEC,
} from "../../proto/codec/mev-state.ts";
import {
  ATOMIC_TERMS_CODEC,
  BID_CODEC,
  MEV_ACTION_CODEC,
  type MevAction,
  RevertMode,
  SEALED_BUNDLE_CODEC,
} from "../../proto/codec/mev-tx.ts";
import { rollupData } from "../../proto/codec/weft-tx.ts";
import { atomicTerms } from "./atomic-arbitraries.ts";
import { type CodecSample, inFile, sample } from "./codec-samples.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const kind = <const Kind extends string>(name: Kind) => fc.constant(name);
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const positive = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
const height = fc.oneof(fc.nat(1_000), fc.maxSafeNat()).map(Height);
const number = fc.integer({ min: 1, max: 1_000 });
const index = fc.nat(999);
const address = bytes(20);
const hash = bytes(32);
const secret = fc.oneof(fc.constant(EMPTY_BYTES), hash);
const sealedBody = fc.constantFrom(272, 528).chain(bytes);
const revertMode = fc.constantFrom(...Object.values(RevertMode));

/** Elements that ascend by `compare`, each once. */
function ascending<Value>(
  values: fc.Arbitrary<Value>,
  compare: (a: Value, b: Value) => number,
  { min = 0, max = 4 } = {},
): fc.Arbitrary<Value[]> {
  return fc
    .uniqueArray(values, {
      minLength: min,
      maxLength: max,
      comparator: (a, b) => compare(a, b) === 0,
    })
    .map((list) => list.sort(compare));
}

const byHeight = ascending(fc.record({ height, amount: positive }), (a, b) => a.height - b.height);
const byRollup = (a: { readonly rollupId: Uint8Array }, b: { readonly rollupId: Uint8Array }) =>
  compareBytes(a.rollupId, b.rollupId);
const hashes = (min: number) => ascending(hash, compareBytes, { min });
const addresses = ascending(address, compareBytes);

const payload = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 4 })
  .map((entries) => rollupData(new Uint8Array(32), entries).payload);
const legs = ascending(fc.record({ rollupId: hash, payload, revertMode, tip: amount }), byRollup, {
  min: 1,
  max: 8,
});
const sealedLegs = ascending(fc.record({ rollupId: hash, revertMode, tip: amount }), byRollup, {
  min: 1,
  max: 8,
});
const replacement = fc.option(fc.record({ key: bytes(16), sequence: amount }), { nil: undefined });

const maybeAtomic = (of: readonly unknown[]) =>
  fc.option(atomicTerms(of.length), { nil: undefined });

const bundle = legs.chain((some) =>
  fc.record({
    legs: fc.constant(some),
    minHeight: height,
    maxHeight: height,
    replacement,
    cancelNonce: amount,
    atomic: maybeAtomic(some),
  }),
);
const sealedBundle = sealedLegs.chain((some) =>
  fc.record({
    key: number,
    legs: fc.constant(some),
    minHeight: height,
    maxHeight: height,
    replacement,
    cancelNonce: amount,
    kem: bytes(192),
    body: sealedBody,
    atomic: maybeAtomic(some),
  }),
);
const bid = fc.record({
  key: number,
  group: hash,
  minHeight: height,
  maxHeight: height,
  kem: bytes(192),
  body: sealedBody,
});
const cancel = fc.oneof(
  fc.record({
    key: bytes(16),
    sequence: amount,
    untilHeight: height.filter((value) => value > 0),
    cancelNonce: fc.constant(0n),
  }),
  fc.record({
    key: fc.constant(EMPTY_BYTES),
    sequence: fc.constant(0n),
    untilHeight: fc.constant(Height(0)),
    cancelNonce: positive,
  }),
);

export const mevActions: fc.Arbitrary<MevAction> = fc.oneof(
  bundle.map((action) => ({ kind: "bundle" as const, ...action })),
  sealedBundle.map((action) => ({ kind: "sealedBundle" as const, ...action })),
  bid.map((action) => ({ kind: "bid" as const, ...action })),
  cancel.map((action) => ({ kind: "cancelBundles" as const, ...action })),
  fc.record({ kind: kind("depositEscrow"), amount: positive }),
  fc.record({ kind: kind("withdrawEscrow"), amount: positive }),
);

const members = ascending(
  fc.record({ rollupId: hash, reserve: amount, shareBps: fc.nat(10_000) }),
  byRollup,
  { min: 1 },
);
const auctionBid = (memberCount: number) =>
  fc.record({
    id: hash,
    sender: address,
    index,
    fee: amount,
    bond: amount,
    positions: fc.array(fc.nat(), { minLength: memberCount, maxLength: memberCount }),
    status: fc.constantFrom(...Object.values(BidStatus)),
    opener: fc.constantFrom(...Object.values(BidOpener)),
    secret,
    point: secret,
    amount,
    legs: ascending(fc.record({ rollupId: hash, contentHash: hash }), byRollup),
  });
const winner = hashes(1).chain((rollupIds) =>
  fc.record({
    id: hash,
    bidder: address,
    amount,
    price: amount,
    rollupIds: fc.constant(rollupIds),
    shares: fc.array(amount, { minLength: rollupIds.length, maxLength: rollupIds.length }),
  }),
);

/** Every codec of bundles, bids, escrow and inclusion lists. */
export const MEV_CODECS: readonly CodecSample[] = [
  ...inFile("mev-tx", [
    sample("MEV_ACTION_CODEC", MEV_ACTION_CODEC, mevActions),
    sample("SEALED_BUNDLE_CODEC", SEALED_BUNDLE_CODEC, sealedBundle),
    sample("BID_CODEC", BID_CODEC, bid),
    sample(
      "ATOMIC_TERMS_CODEC",
      ATOMIC_TERMS_CODEC,
      fc.integer({ min: 1, max: 8 }).chain(atomicTerms),
    ),
  ]),
  ...inFile("mev-state", [
    sample(
      "LISTING_CODEC",
      LISTING_CODEC,
      fc.record({
        firstHeight: height,
        opener: address,
        listers: addresses,
        withdrawn: addresses,
        dueHeight: height,
      }),
    ),
    sample(
      "LISTING_HEIGHT_CODEC",
      LISTING_HEIGHT_CODEC,
      fc.record({ keys: ascending(bytes(36), compareBytes, { min: 1 }) }),
    ),
    sample(
      "LISTING_OPEN_CODEC",
      LISTING_OPEN_CODEC,
      fc.record({ count: fc.integer({ min: 1, max: 128 }) }),
    ),
    sample(
      "BUNDLE_KEY_CODEC",
      BUNDLE_KEY_CODEC,
      fc.record({ sequence: amount, isUsed: fc.boolean(), untilHeight: height }),
    ),
    sample("CANCEL_NONCE_CODEC", CANCEL_NONCE_CODEC, fc.record({ value: positive })),
    sample(
      "ESCROW_CODEC",
      ESCROW_CODEC,
      fc.record({
        balance: amount,
        withdrawals: byHeight,
        deposits: byHeight,
      }),
    ),
    sample(
      "AUCTION_CODEC",
      AUCTION_CODEC,
      members.chain((list) =>
        fc.record({
          proposer: address,
          members: fc.constant(list),
          secondPrice: fc.boolean(),
          openBids: fc.nat(1_000),
          bids: ascending(auctionBid(list.length), (a, b) => a.index - b.index),
        }),
      ),
    ),
    sample(
      "AUCTION_RESULT_CODEC",
      AUCTION_RESULT_CODEC,
      fc.record({
        settledHeight: height,
        bids: fc.nat(1_000),
        winners: fc.array(winner, { maxLength: 3 }),
      }),
    ),
    sample(
      "SHUFFLE_CODEC",
      SHUFFLE_CODEC,
      fc.record({
        slots: ascending(
          fc.record({
            position: fc.nat(),
            sender: address,
            isResolved: fc.boolean(),
            point: secret,
          }),
          (a, b) => a.position - b.position,
          { min: 1 },
        ),
      }),
    ),
  ]),
];
