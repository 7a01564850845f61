/**
 * Canonical or refused: whatever bytes the decoders accept, they are what the encoders write. Bytes are
 * made by mutating valid messages, so that most mutants get past the first field.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { compareBytes } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { decodeItem, encodeItem, encodeTxItem, type Item } from "../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  type Lists,
  PartType,
} from "../../proto/codec/weft-extension.ts";
import {
  type Action,
  decodeTxBody,
  encodeTxBody,
  type Replay,
  rollupData,
  rollupDataEntries,
  type RollupPolicy,
  type TxBody,
} from "../../proto/codec/weft-tx.ts";
import {
  decodeManifestLeaf,
  encodeManifestLeaf,
  MANIFEST_LEAF_BYTES,
} from "../../proto/verify/manifest.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const height = fc.maxSafeNat().map(Height);
const sortedHashes = (maxLength: number) =>
  fc
    .uniqueArray(bytes(32), { maxLength, comparator: (a, b) => compareBytes(a, b) === 0 })
    .map((hashes) => hashes.sort(compareBytes));

const policy: fc.Arbitrary<RollupPolicy> = fc.record({
  ordering: fc.constant(1 as const),
  sealedOnly: fc.boolean(),
  auction: fc.boolean(),
  reserve: amount,
  revenueShareBps: fc.nat(10_000),
  executorKeys: sortedHashes(4),
});
const replay: fc.Arbitrary<Replay> = fc.oneof(
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
const action: fc.Arbitrary<Action> = fc.oneof(
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
    policy,
    ownerKey: bytes(32),
  }),
  fc.record({
    kind: fc.constant("updateRollup" as const),
    rollupId: bytes(32),
    policy,
    newOwnerKey: fc.oneof(fc.constant(new Uint8Array(0)), bytes(32)),
  }),
);
const body: fc.Arbitrary<TxBody> = fc.record({
  publicKey: bytes(32),
  replay,
  fee: fc.record({ maxFeePerByte: amount, tipPerByte: amount }),
  action,
});
const txItem = fc
  .tuple(body, bytes(64))
  .map(([value, signature]) => encodeTxItem({ bodyBytes: encodeTxBody(value), signature }));
const systemItem: fc.Arbitrary<Item> = fc.oneof(
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
const lists: fc.Arbitrary<Lists> = fc
  .tuple(sortedHashes(8), fc.nat(2 ** 31 - 1), fc.nat(), fc.option(bytes(32)))
  .map(([ids, receivedAgoMs, size, root]) => ({
    listed: ids.map((id) => ({ id, receivedAgoMs, size })),
    shares: root === null ? { kind: "abstain" as const } : { kind: "root" as const, root },
  }));
const extension = fc.tuple(lists, bytes(64), fc.boolean()).map(([value, signature, hasShares]) => {
  const part = { type: PartType.LISTS, content: encodeLists(value), signature };
  const shares = { ...part, type: PartType.SHARES };
  return encodeVoteExtension({ parts: hasShares ? [part, shares] : [part] });
});

/** A change of a byte, an insertion, a removal, a repeated or swapped stretch, a cut. */
const mutation = fc.record({
  kind: fc.constantFrom("set", "flip", "insert", "remove", "repeat", "cut"),
  at: fc.nat(),
  to: fc.nat(),
  value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x80, 0x12, 0x0a, 0x1a)),
});
function mutate(
  input: Uint8Array,
  change: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
) {
  const list = [...input];
  const at = change.at % (list.length + 1);
  const stretch = list.slice(at, at + 1 + (change.to % 8));
  if (change.kind === "set") list[at] = change.value;
  else if (change.kind === "flip") list[at] = (list[at] ?? 0) ^ (1 << (change.to % 8));
  else if (change.kind === "insert") list.splice(at, 0, change.value);
  else if (change.kind === "remove") list.splice(at, stretch.length);
  else if (change.kind === "repeat") list.splice(at, 0, ...stretch);
  else list.length = at;
  return new Uint8Array(list);
}

/** Decodes; undefined when refused with a codec error, which is the only error allowed. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** How many mutants were accepted; each of them was its own canonical encoding. */
function acceptedMutants(
  valid: fc.Arbitrary<Uint8Array>,
  reencode: (input: Uint8Array) => Uint8Array,
): number {
  let accepted = 0;
  fc.assert(
    fc.property(valid, fc.array(mutation, { maxLength: 3 }), (input, mutations) => {
      const mutant = mutations.reduce(mutate, input);
      const again = attempt(() => reencode(mutant));
      if (again === undefined) return;
      accepted++;
      expect(again).toEqual(mutant);
    }),
    { numRuns: 800 },
  );
  return accepted;
}

describe("property: accepted bytes are their own canonical encoding", () => {
  test("transactions", () => {
    const accepted = acceptedMutants(txItem, (input) => {
      const item = decodeItem(input);
      if (item.kind !== "tx") return encodeItem(item);
      const bodyBytes = encodeTxBody(item.tx.body);
      expect(bodyBytes).toEqual(item.tx.bodyBytes);
      return encodeTxItem({ bodyBytes, signature: item.tx.signature });
    });
    expect(accepted).toBeGreaterThan(50);
  });

  test("bodies, whose signature is checked only later", () => {
    const accepted = acceptedMutants(body.map(encodeTxBody), (input) => {
      const decoded = decodeTxBody(input);
      if (decoded.action.kind !== "rollupData") return encodeTxBody(decoded);
      const entries = rollupDataEntries(decoded.action.payload);
      const rebuilt = rollupData(decoded.action.rollupId, entries);
      expect(rebuilt).toEqual(decoded.action);
      return encodeTxBody({ ...decoded, action: rebuilt });
    });
    expect(accepted).toBeGreaterThan(50);
  });

  test("system items", () => {
    const accepted = acceptedMutants(systemItem.map(encodeItem), (input) =>
      encodeItem(decodeItem(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("vote extensions", () => {
    const accepted = acceptedMutants(extension, (input) =>
      encodeVoteExtension(decodeVoteExtension(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("LISTS parts", () => {
    const accepted = acceptedMutants(lists.map(encodeLists), (input) =>
      encodeLists(decodeLists(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("manifest leaves", () => {
    fc.assert(
      fc.property(bytes(MANIFEST_LEAF_BYTES), (input) => {
        for (const at of [64, 104, 144]) input[at] = input[at + 1] = 0;
        const leaf = decodeManifestLeaf(input);
        expect(leaf === undefined ? undefined : encodeManifestLeaf(leaf)).toEqual(input);
      }),
    );
  });
});
