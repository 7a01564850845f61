/** Random values of Weft's own messages, for property tests and fuzzing. */
import * as fc from "fast-check";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import { encodeTxItem, type Item } from "../../proto/codec/weft-block.ts";
import {
  encodeLists,
  encodeVoteExtension,
  type Lists,
  PartType,
} from "../../proto/codec/weft-extension.ts";
import { Ordering, type RollupPolicy } from "../../proto/codec/rollup-policy.ts";
import {
  type Action,
  encodeTxBody,
  type Replay,
  rollupData,
  type TxBody,
} from "../../proto/codec/weft-tx.ts";
import { atomicActions } from "./atomic-arbitraries.ts";
import { mevActions } from "./mev-arbitraries.ts";
import { openings, sealActions } from "./seal-arbitraries.ts";
import { governanceActions, stakingActions } from "./stake-arbitraries.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const height = fc.maxSafeNat().map(Height);
const sortedHashes = (maxLength: number): fc.Arbitrary<Uint8Array[]> =>
  fc
    .uniqueArray(bytes(32), { maxLength, comparator: (a, b) => compareBytes(a, b) === 0 })
    .map((hashes) => hashes.sort(compareBytes));

export const policies: fc.Arbitrary<RollupPolicy> = fc.record({
  ordering: fc.constantFrom(...Object.values(Ordering)),
  sealedOnly: fc.boolean(),
  auction: fc.boolean(),
  reserve: amount,
  revenueShareBps: fc.nat(10_000),
  executorKeys: sortedHashes(4),
  bundlesOff: fc.boolean(),
  auctionLeader: fc.oneof(fc.constant(EMPTY_BYTES), bytes(32)),
  auctionMembers: sortedHashes(4),
  secondPrice: fc.boolean(),
  executorQuorum: fc.nat(32),
  atomicPartners: sortedHashes(4),
});
const replays: fc.Arbitrary<Replay> = fc.oneof(
  fc.record({
    kind: fc.constant("nonce" as const),
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({
    kind: fc.constant("unordered" as const),
    expiryHeight: height,
    salt: fc.uint8Array({ maxLength: 16 }),
  }),
);
export const actions: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("transfer" as const),
    to: bytes(20),
    amount: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
  }),
  fc
    .tuple(
      bytes(32),
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 8 }),
    )
    .map(([rollupId, entries]) => rollupData(rollupId, entries)),
  fc.record({
    kind: fc.constant("registerRollup" as const),
    name: fc.stringMatching(/^[a-z0-9-]{1,64}$/),
    policy: policies,
    ownerKey: bytes(32),
  }),
  fc.record({
    kind: fc.constant("updateRollup" as const),
    rollupId: bytes(32),
    policy: policies,
    newOwnerKey: fc.oneof(fc.constant(new Uint8Array(0)), bytes(32)),
  }),
  stakingActions,
  governanceActions,
  sealActions,
  mevActions,
  atomicActions,
);
export const bodies: fc.Arbitrary<TxBody> = fc.record({
  publicKey: bytes(32),
  replay: replays,
  fee: fc.record({ maxFeePerByte: amount, tipPerByte: amount }),
  action: actions,
});
export const txItems: fc.Arbitrary<Uint8Array> = fc
  .tuple(bodies, bytes(64))
  .map(([value, signature]) => encodeTxItem({ bodyBytes: encodeTxBody(value), signature }));
export const systemItems: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ kind: fc.constant("openings" as const), openings }),
  bodies.map((body) => ({
    kind: "excused" as const,
    excused: { bodyBytes: encodeTxBody(body), body },
  })),
  fc.record({
    kind: fc.constant("manifest" as const),
    manifest: fc.record({
      version: fc.constant(1 as const),
      leafCount: fc.maxSafeNat(),
      root: bytes(32),
    }),
  }),
  fc.record({
    kind: fc.constant("injectedCommit" as const),
    injectedCommit: fc.record({
      height: fc.integer({ min: 1, max: 2 ** 31 }).map(Height),
      blockHash: bytes(32),
      entries: fc.array(fc.tuple(fc.boolean(), bytes(64)), { maxLength: 5 }).map((list) =>
        list.map(([isBlank, signature], validatorIndex) => ({
          validatorIndex,
          lists: isBlank ? new Uint8Array(0) : signature.slice(0, 9),
          signature: isBlank ? new Uint8Array(0) : signature,
        })),
      ),
    }),
  }),
);
export const listsParts: fc.Arbitrary<Lists> = fc
  .tuple(sortedHashes(8), fc.nat(8), fc.nat(2 ** 31 - 1), fc.nat(), fc.option(bytes(32)))
  .map(([ids, listedCount, receivedAgoMs, size, root]) => ({
    listed: ids.slice(0, listedCount).map((id) => ({ id, receivedAgoMs, size })),
    shares: root === null ? { kind: "abstain" as const } : { kind: "root" as const, root },
    withdrawn: ids.slice(listedCount),
  }));
export const extensions: fc.Arbitrary<Uint8Array> = fc
  .tuple(listsParts, bytes(64), fc.boolean())
  .map(([value, signature, hasShares]) => {
    const part = { type: PartType.LISTS, content: encodeLists(value), signature };
    const shares = { ...part, type: PartType.SHARES };
    return encodeVoteExtension({ parts: hasShares ? [part, shares] : [part] });
  });
