/** Random values of sealed transactions, for property tests and fuzzing. */
import * as fc from "fast-check";
import { Height } from "../../proto/brands.ts";
import { compareBytes } from "../../proto/bytes.ts";
import { type Openings, OPENINGS_CODEC, SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import {
  ASKED_CODEC,
  COMMIT_BATCH_CODEC,
  SEAL_ASK_CODEC,
  SEAL_CODEC,
  SEAL_ENCRYPTION_CODEC,
  SEAL_GENERATION_CODEC,
  SEAL_KEY_CODEC,
  SEALED_BATCH_CODEC,
  UNREVEALED_CODEC,
  SealedItemKind,
  type SealedItemState,
} from "../../proto/codec/seal-state.ts";
import {
  DEAL_CODEC,
  SEAL_ACTION_CODEC,
  SEAL_BUCKETS,
  SEAL_COMMIT_CODEC,
  type SealAction,
  SEALED_CODEC,
  type SealEvidence,
} from "../../proto/codec/seal-tx.ts";
import { type CodecSample, inFile, sample } from "./codec-samples.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const kind = <const Kind extends string>(name: Kind) => fc.constant(name);
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const uint = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const number = uint.map((value) => Math.max(value, 1));
const height = uint.map(Height);
const count = fc.integer({ min: 1, max: 600 });
const index = fc.nat(999);
const address = bytes(20);
const hash = bytes(32);
const proof = bytes(64);
const points = (max = 4) => fc.integer({ min: 1, max }).chain((n) => bytes(32 * n));
const content = fc.uint8Array({ minLength: 1, maxLength: 200 });
const bucket = fc.constantFrom(...SEAL_BUCKETS);
const sealedBody = fc.constantFrom(272, 528).chain(bytes);

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

const rollupIds = ascending(hash, compareBytes, { min: 1, max: 8 });
const addresses = (min: number) => ascending(address, compareBytes, { min });
const byHeight = (a: { readonly height: number }, b: { readonly height: number }) =>
  a.height - b.height;
const byPlace = (
  a: { readonly height: number; readonly index: number },
  b: { readonly height: number; readonly index: number },
) => a.height - b.height || a.index - b.index;
const byTicket = (a: { readonly ticket: number }, b: { readonly ticket: number }) =>
  a.ticket - b.ticket;

const deal = fc
  .tuple(points(), points())
  .map(([a, b]) => (a.length < b.length ? [a, b] : [b, a]))
  .chain(([commitments = new Uint8Array(0), shares = new Uint8Array(0)]) =>
    fc.record({
      key: number,
      dealer: address,
      commitments: fc.constant(commitments),
      ephemeral: hash,
      shares: fc.constant(shares),
      possession: proof,
    }),
  );
const sealed = fc.record({
  key: number,
  rollupIds,
  maxHeight: height,
  kem: bytes(192),
  body: sealedBody,
});
const commit = fc.record({ hash, rollupIds, maxHeight: height, bucket });

export const sealActions: fc.Arbitrary<SealAction> = fc.oneof(
  sealed.map((action) => ({ kind: "sealed" as const, ...action })),
  commit.map((action) => ({ kind: "sealCommit" as const, ...action })),
  fc.record({
    kind: kind("registerSealKey"),
    validator: address,
    encryptionKey: hash,
    possession: proof,
  }),
  deal.map((action) => ({ kind: "deal" as const, ...action })),
  fc.record({
    kind: kind("complain"),
    key: number,
    member: address,
    dealer: address,
    ticket: count,
    sharedKey: hash,
    proof,
  }),
  fc.record({ kind: kind("selfReveal"), height, id: hash, seed: hash }),
  fc.record({ kind: kind("reveal"), height, id: hash, salt: hash, content }),
);

const signedShares = fc.record({ blockHash: hash, content, signature: proof });

const place = fc
  .tuple(height, count, fc.boolean(), index)
  .map(([batchHeight, ticket, isDispute, at]) => ({
    batchHeight,
    ticket,
    isDispute,
    index: isDispute ? at : 0,
  }));

export const sealEvidence: fc.Arbitrary<SealEvidence> = fc.oneof(
  fc.record({
    kind: kind("faultyShares"),
    validator: address,
    applicationKey: hash,
    height,
    blockHash: hash,
    content,
    signature: proof,
    ask: content,
    place,
    publicShare: hash,
  }),
  fc.record({
    kind: kind("contradictingShares"),
    validator: address,
    applicationKey: hash,
    height,
    first: signedShares,
    second: signedShares,
  }),
  points().chain((value) =>
    fc.record({
      kind: kind("unaskedShares"),
      validator: address,
      height,
      key: number,
      place,
      publicShare: hash,
      points: fc.constant(value),
      shares: bytes(value.length),
      proof,
      ask: fc.uint8Array({ maxLength: 100 }),
    }),
  ),
);

const ticketShares = ascending(fc.record({ ticket: count, point: hash, proof }), byTicket, {
  min: 1,
});
const disputes = ascending(fc.record({ height, index, shares: ticketShares }), byPlace);

export const openings: fc.Arbitrary<Openings> = fc
  .record({
    batches: ascending(fc.record({ height, points: points() }), byHeight),
    disputes,
  })
  .filter((value) => value.batches.length + value.disputes.length > 0);

const shares = fc.record({
  batches: ascending(
    fc.record({
      height,
      tickets: ascending(fc.record({ ticket: count, points: points(), proof }), byTicket, {
        min: 1,
      }),
    }),
    byHeight,
  ),
  disputes,
});

const members = ascending(
  fc.record({ validator: address, encryptionKey: hash, tickets: fc.integer({ min: 1, max: 150 }) }),
  (a, b) => compareBytes(a.validator, b.validator),
  { min: 1 },
);
const places = ascending(
  fc.record({ rollupId: hash, position: fc.nat() }),
  (a, b) => compareBytes(a.rollupId, b.rollupId),
  { min: 1, max: 8 },
);

/** Of which kind an item is, and what only items of that kind have. */
const ofKind = places.chain(
  (
    list,
  ): fc.Arbitrary<Pick<SealedItemState, "places" | "kind" | "tips" | "group" | "proposer">> => {
    const empty = new Uint8Array(0);
    const none = { places: list, tips: [], group: empty, proposer: empty };
    const tips = fc.array(amount, { minLength: list.length, maxLength: list.length });
    return fc.oneof(
      fc.constant({ ...none, kind: SealedItemKind.SEALED }),
      fc.tuple(tips, address).map(([each, proposer]) => ({
        ...none,
        kind: SealedItemKind.BUNDLE,
        tips: each,
        proposer,
      })),
      hash.map((group) => ({ ...none, kind: SealedItemKind.BID, group })),
    );
  },
);

/** Every codec of sealed transactions. */
export const SEAL_CODECS: readonly CodecSample[] = [
  ...inFile("seal-tx", [
    sample("SEAL_ACTION_CODEC", SEAL_ACTION_CODEC, sealActions),
    sample("SEALED_CODEC", SEALED_CODEC, sealed),
    sample("SEAL_COMMIT_CODEC", SEAL_COMMIT_CODEC, commit),
    sample("DEAL_CODEC", DEAL_CODEC, deal),
  ]),
  ...inFile("seal-block", [
    sample("OPENINGS_CODEC", OPENINGS_CODEC, openings),
    sample("SHARES_CODEC", SHARES_CODEC, shares),
  ]),
  ...inFile("seal-state", [
    sample(
      "SEAL_CODEC",
      SEAL_CODEC,
      fc.record({
        activeKey: uint,
        nextKey: uint,
        nextKeyHeight: height,
        isOpen: fc.boolean(),
        lastGeneration: uint,
        generationEpoch: uint,
        generationAttempts: fc.nat(),
      }),
    ),
    sample(
      "SEAL_KEY_CODEC",
      SEAL_KEY_CODEC,
      fc.record({
        number,
        publicKey: hash,
        threshold: count,
        publicShares: points(),
        members,
        dealers: addresses(1),
        activeHeight: height,
        retiredHeight: height,
      }),
    ),
    sample(
      "SEAL_GENERATION_CODEC",
      SEAL_GENERATION_CODEC,
      members.chain((list) =>
        fc.record({
          key: number,
          startHeight: height,
          dealHeight: height,
          complainHeight: height,
          threshold: count,
          members: fc.constant(list),
          totalPower: amount,
          powers: fc.array(amount, { minLength: list.length, maxLength: list.length }),
          disqualified: addresses(0),
        }),
      ),
    ),
    sample(
      "SEAL_ENCRYPTION_CODEC",
      SEAL_ENCRYPTION_CODEC,
      fc.record({ encryptionKey: hash, registeredHeight: height }),
    ),
    sample(
      "SEALED_BATCH_CODEC",
      SEALED_BATCH_CODEC,
      fc.record({
        key: number,
        items: ascending(
          fc
            .record({
              index,
              id: hash,
              sender: address,
              kem: bytes(192),
              body: sealedBody,
              label: content,
              fee: amount,
              bond: amount,
              disputedHeight: height,
              disputedBy: fc.oneof(fc.constant(new Uint8Array(0)), address),
              of: ofKind,
            })
            .map(({ of, ...item }) => ({ ...item, ...of })),
          (a, b) => a.index - b.index,
          { min: 1, max: 2 },
        ),
      }),
    ),
    sample(
      "COMMIT_BATCH_CODEC",
      COMMIT_BATCH_CODEC,
      fc.record({
        revealHeight: height,
        items: fc.array(
          fc.record({ id: hash, sender: address, hash, bucket, places, fee: amount, bond: amount }),
          { minLength: 1, maxLength: 2 },
        ),
      }),
    ),
    sample("UNREVEALED_CODEC", UNREVEALED_CODEC, fc.record({ count })),
    sample(
      "SEAL_ASK_CODEC",
      SEAL_ASK_CODEC,
      fc.record({
        batches: ascending(fc.record({ height, key: number, points: points() }), byHeight),
        disputes: ascending(fc.record({ height, index, key: number, point: hash }), byPlace),
      }),
    ),
    sample("ASKED_CODEC", ASKED_CODEC, fc.record({ hash })),
  ]),
];
