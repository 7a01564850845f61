/**
 * Golden vectors of docs/formats.md. The file was made by a second implementation (Python, from the
 * document alone, with its own ed25519), so these bytes are agreed upon twice. They change only with an
 * architecture decision.
 */
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, fromHex, toHex } from "../../proto/bytes.ts";
import { decodeItem, encodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  PartType,
  partSignBytes,
} from "../../proto/codec/weft-extension.ts";
import { PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import {
  accountAddress,
  type Action,
  decodeTxBody,
  encodeTxBody,
  payloadHash,
  type Replay,
  rollupData,
  rollupDataEntries,
  rollupIdOfName,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  decodeManifestLeaf,
  encodeOrderedEntry,
  EntryKind,
  type OrderedEntry,
} from "../../proto/verify/manifest.ts";

const Hex = z.string().regex(/^([0-9a-f]{2})*$/);
const Vectors = z.strictObject({
  chainId: z.string(),
  accountSeed: Hex,
  applicationSeed: Hex,
  transactions: z.array(
    z.strictObject({
      name: z.string(),
      body: Hex,
      signBytes: Hex,
      id: Hex,
      signature: Hex,
      item: Hex,
      hash: Hex,
    }),
  ),
  publicKey: Hex,
  address: Hex,
  rollup: z.strictObject({ name: z.string(), id: Hex }),
  payload: z.strictObject({ entries: z.array(Hex), payload: Hex, hash: Hex }),
  orderedEntries: z.array(Hex),
  bundleLegEntry: z.strictObject({ bundleId: Hex, payloadHash: Hex, itemId: Hex, entry: Hex }),
  manifest: z.strictObject({
    rollups: z.array(z.strictObject({ id: Hex, entries: z.array(Hex) })),
    leaves: z.array(Hex),
    root: Hex,
    item: Hex,
    emptyItem: Hex,
  }),
  applicationKey: Hex,
  listedIds: z.array(Hex),
  extensions: z.array(
    z.strictObject({
      name: z.string(),
      height: z.number(),
      blockHash: Hex,
      lists: Hex,
      signBytes: Hex,
      signature: Hex,
      extension: Hex,
    }),
  ),
  listsWithRoot: Hex,
  sharesPart: z.strictObject({ height: z.number(), content: Hex, signBytes: Hex }),
  injectedCommit: z.strictObject({
    item: Hex,
    entries: z.array(z.strictObject({ validatorIndex: z.number(), lists: Hex, signature: Hex })),
  }),
});
const vectors = Vectors.parse(
  JSON.parse(readFileSync(new URL("./weft-formats.json", import.meta.url), "utf8")),
);

const PROTO_ROOT = new URL("../../proto/", import.meta.url).pathname;
const publicKey = fromHex(vectors.publicKey);
const rollupId = fromHex(vectors.rollup.id);
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

const KEYS = [0, 1, 2].map((n) => sha256(new Uint8Array([n]))).sort(compareBytes);
const [KEY] = KEYS;
if (KEY === undefined) throw new Error("no key");
/** A block where nothing is shuffled or sold. */
const TERMS = { chainId: vectors.chainId, isShuffled: () => false, membersOf: () => [] };
const nonce = (value: bigint): Replay => ({ kind: "nonce", value });

/** The values behind `vectors.transactions`, by name. */
const TRANSACTIONS: Readonly<
  Record<
    string,
    { readonly replay: Replay; readonly fee: [bigint, bigint]; readonly action: Action }
  >
> = {
  "transfer, nonce 0": {
    replay: nonce(0n),
    fee: [7n, 0n],
    action: { kind: "transfer", to: bytes(20, 0x11), amount: 1n },
  },
  "transfer of the largest amount": {
    replay: nonce(2n ** 64n - 1n),
    fee: [2n ** 63n - 1n, 2n ** 63n - 1n],
    action: { kind: "transfer", to: bytes(20, 0x22), amount: 2n ** 63n - 1n },
  },
  "rollup data, unordered": {
    replay: {
      kind: "unordered",
      expiryHeight: Height(600),
      salt: new Uint8Array(16).map((_, i) => i),
    },
    fee: [300n, 5n],
    action: rollupData(rollupId, vectors.payload.entries.map(fromHex)),
  },
  "rollup data, no fee, no salt": {
    replay: { kind: "unordered", expiryHeight: Height(1), salt: new Uint8Array(0) },
    fee: [0n, 0n],
    action: rollupData(rollupId, [new Uint8Array([0])]),
  },
  "register rollup": {
    replay: nonce(1n),
    fee: [1000n, 10n],
    action: {
      kind: "registerRollup",
      name: "alpha",
      policy: PLAIN_POLICY,
      ownerKey: publicKey,
    },
  },
  "register rollup with a full policy": {
    replay: nonce(2n),
    fee: [1000n, 10n],
    action: {
      kind: "registerRollup",
      name: "b-2",
      policy: {
        ...PLAIN_POLICY,
        sealedOnly: true,
        auction: true,
        reserve: 1_000_000_000_000n,
        revenueShareBps: 8000,
        executorKeys: KEYS,
      },
      ownerKey: publicKey,
    },
  },
  "update rollup": {
    replay: nonce(3n),
    fee: [1000n, 0n],
    action: {
      kind: "updateRollup",
      rollupId,
      policy: {
        ...PLAIN_POLICY,
        auction: true,
        reserve: 5n,
        revenueShareBps: 10_000,
        executorKeys: [KEY],
      },
      newOwnerKey: new Uint8Array(0),
    },
  },
  "update rollup, new owner": {
    replay: nonce(128n),
    fee: [1000n, 0n],
    action: { kind: "updateRollup", rollupId, policy: PLAIN_POLICY, newOwnerKey: KEY },
  },
  "update rollup, partners of atomic execution": {
    replay: nonce(129n),
    fee: [1000n, 0n],
    action: {
      kind: "updateRollup",
      rollupId,
      policy: {
        ...PLAIN_POLICY,
        executorKeys: KEYS,
        executorQuorum: 2,
        atomicPartners: ["gamma", "beta"].map(rollupIdOfName).sort(compareBytes),
      },
      newOwnerKey: new Uint8Array(0),
    },
  },
};

let protoRoot: protobuf.Root;
beforeAll(async () => {
  protoRoot = new protobuf.Root();
  protoRoot.resolvePath = (_origin, target) =>
    target.startsWith("/") ? target : `${PROTO_ROOT}${target}`;
  await protoRoot.load([
    `${PROTO_ROOT}weft/block/v1/block.proto`,
    `${PROTO_ROOT}weft/block/v1/extension.proto`,
  ]);
});

/** Decodes and encodes with protobufjs by the .proto sources: a third opinion on field numbers. */
function throughProtobufjs(message: string, hex: string): string {
  const type = protoRoot.lookupType(message);
  return toHex(type.encode(type.decode(fromHex(hex))).finish());
}

describe("transactions", () => {
  test("every vector has its value and every value its vector", () => {
    expect(vectors.transactions.map(({ name }) => name)).toEqual(Object.keys(TRANSACTIONS));
  });

  test.each(vectors.transactions)("$name", (vector) => {
    const value = TRANSACTIONS[vector.name];
    if (value === undefined) throw new Error(`no value for ${vector.name}`);
    const [maxFeePerByte, tipPerByte] = value.fee;
    const body = {
      publicKey,
      replay: value.replay,
      fee: { maxFeePerByte, tipPerByte },
      action: value.action,
    };
    const bodyBytes = encodeTxBody(body);
    expect(toHex(bodyBytes)).toBe(vector.body);
    expect(decodeTxBody(bodyBytes)).toEqual(body);
    expect(toHex(txSignBytes(vectors.chainId, bodyBytes))).toBe(vector.signBytes);
    expect(toHex(txId(vectors.chainId, bodyBytes))).toBe(vector.id);

    const signature = fromHex(vector.signature);
    expect(isSigned(vectors.publicKey, vector.signBytes, vector.signature)).toBe(true);
    const item = encodeTxItem({ bodyBytes, signature });
    expect(toHex(item)).toBe(vector.item);
    expect(toHex(sha256(item))).toBe(vector.hash);
    const decoded = decodeItem(item);
    expect(decoded).toEqual({ kind: "tx", tx: { bodyBytes, signature, body } });
    expect(toHex(encodeItem(decoded))).toBe(vector.item);
    expect(throughProtobufjs("weft.tx.v1.TxBody", vector.body)).toBe(vector.body);
    expect(throughProtobufjs("weft.block.v1.Item", vector.item)).toBe(vector.item);
  });

  test("addresses, rollup ids and payloads", () => {
    expect(toHex(accountAddress(publicKey))).toBe(vectors.address);
    expect(toHex(rollupIdOfName(vectors.rollup.name))).toBe(vectors.rollup.id);
    const { payload, entryCount } = rollupData(rollupId, vectors.payload.entries.map(fromHex));
    expect(toHex(payload)).toBe(vectors.payload.payload);
    expect(entryCount).toBe(vectors.payload.entries.length);
    expect(rollupDataEntries(payload).map(toHex)).toEqual(vectors.payload.entries);
    expect(toHex(payloadHash(payload))).toBe(vectors.payload.hash);
  });
});

describe("manifest", () => {
  test("the entries of transactions", () => {
    const [third, fourth] = [vectors.transactions[2], vectors.transactions[3]].map((vector) => {
      const item = decodeItem(fromHex(vector?.item ?? ""));
      if (item.kind !== "tx" || vector === undefined) throw new Error("expected a transaction");
      return { tx: item.tx, id: fromHex(vector.id) };
    });
    if (third === undefined || fourth === undefined) throw new Error("vectors are missing");
    const entries = [
      ...rollupEntriesOf(third.tx, third.id, 7, TERMS),
      ...rollupEntriesOf(fourth.tx, fourth.id, 4, TERMS),
    ];
    expect(entries.map(({ entry }) => toHex(encodeOrderedEntry(entry)))).toEqual(
      vectors.orderedEntries,
    );
  });

  test("an entry of a bundle", () => {
    const entry = encodeOrderedEntry({
      kind: EntryKind.BUNDLE_LEG,
      lane: 6,
      itemId: fromHex(vectors.bundleLegEntry.itemId),
      bundleId: fromHex(vectors.bundleLegEntry.bundleId),
      leg: 2,
      legs: 3,
      payloadHash: fromHex(vectors.bundleLegEntry.payloadHash),
    });
    expect(toHex(entry)).toBe(vectors.bundleLegEntry.entry);
  });

  test("leaves, root and item 0", () => {
    const builder = createManifestBuilder();
    for (const { id, entries } of vectors.manifest.rollups) {
      for (const entry of entries) builder.add(fromHex(id), orderedEntry(entry));
    }
    const built = builder.build();
    const proofs = built.rollupIds.map((id) => built.prove(id));
    const leaves = proofs.map((proof) => (proof.kind === "presence" ? toHex(proof.leaf) : ""));
    expect(leaves).toEqual(vectors.manifest.leaves);
    expect(leaves.map((leaf) => toHex(decodeManifestLeaf(fromHex(leaf))?.rollupId ?? KEY))).toEqual(
      vectors.manifest.rollups.map(({ id }) => id).sort(),
    );
    expect(toHex(built.manifest.root)).toBe(vectors.manifest.root);
    expect(toHex(built.item)).toBe(vectors.manifest.item);
    expect(decodeItem(built.item)).toEqual({ kind: "manifest", manifest: built.manifest });
    expect(throughProtobufjs("weft.block.v1.Item", vectors.manifest.item)).toBe(
      vectors.manifest.item,
    );
  });

  test("a block without anything for anybody", () => {
    expect(toHex(createManifestBuilder().build().item)).toBe(vectors.manifest.emptyItem);
  });
});

describe("vote extensions", () => {
  test.each(vectors.extensions)("$name", (vector) => {
    const lists = {
      listed: vector.name === "nothing listed" ? [] : listedTxs(),
      shares: { kind: "abstain" as const },
      withdrawn: [],
    };
    const content = encodeLists(lists);
    expect(toHex(content)).toBe(vector.lists);
    expect(decodeLists(content)).toEqual(lists);
    const signBytes = partSignBytes(
      vectors.chainId,
      Height(vector.height),
      fromHex(vector.blockHash),
      PartType.LISTS,
      content,
    );
    expect(toHex(signBytes)).toBe(vector.signBytes);
    expect(isSigned(vectors.applicationKey, vector.signBytes, vector.signature)).toBe(true);
    const extension = {
      parts: [{ type: PartType.LISTS, content, signature: fromHex(vector.signature) }],
    };
    expect(toHex(encodeVoteExtension(extension))).toBe(vector.extension);
    expect(decodeVoteExtension(fromHex(vector.extension))).toEqual(extension);
    expect(throughProtobufjs("weft.block.v1.Lists", vector.lists)).toBe(vector.lists);
    expect(throughProtobufjs("weft.block.v1.VoteExtension", vector.extension)).toBe(
      vector.extension,
    );
  });

  test("a root of shares, and the sign bytes of the other part", () => {
    const root = sha256(new TextEncoder().encode("shares"));
    const lists = { listed: [], shares: { kind: "root" as const, root }, withdrawn: [] };
    expect(toHex(encodeLists(lists))).toBe(vectors.listsWithRoot);
    expect(decodeLists(fromHex(vectors.listsWithRoot))).toEqual(lists);
    const { height, content, signBytes } = vectors.sharesPart;
    const [{ blockHash } = { blockHash: "" }] = vectors.extensions;
    expect(
      toHex(
        partSignBytes(
          vectors.chainId,
          Height(height),
          fromHex(blockHash),
          PartType.SHARES,
          fromHex(content),
        ),
      ),
    ).toBe(signBytes);
  });

  test("injected commit", () => {
    const [{ blockHash } = { blockHash: "" }] = vectors.extensions;
    const item = encodeItem({
      kind: "injectedCommit",
      injectedCommit: {
        height: Height(2 ** 40),
        blockHash: fromHex(blockHash),
        entries: vectors.injectedCommit.entries.map((entry) => ({
          validatorIndex: entry.validatorIndex,
          lists: fromHex(entry.lists),
          signature: fromHex(entry.signature),
        })),
      },
    });
    expect(toHex(item)).toBe(vectors.injectedCommit.item);
    expect(toHex(encodeItem(decodeItem(item)))).toBe(vectors.injectedCommit.item);
    expect(throughProtobufjs("weft.block.v1.Item", toHex(item))).toBe(vectors.injectedCommit.item);
  });
});

function listedTxs() {
  const ages = [0, 250, 2 ** 32 - 1];
  const sizes = [200, 0, 1_048_576];
  return vectors.listedIds.map((id, i) => ({
    id: fromHex(id),
    receivedAgoMs: ages[i] ?? 0,
    size: sizes[i] ?? 0,
  }));
}

function orderedEntry(hex: string): OrderedEntry {
  const entry = fromHex(hex);
  return {
    kind: EntryKind.ROLLUP_DATA,
    lane: entry[1] ?? 0,
    itemId: entry.slice(2, 34),
    bundleId: undefined,
    leg: 0,
    legs: 1,
    payloadHash: entry.slice(70),
  };
}

function isSigned(key: string, message: string, signature: string): boolean {
  const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(key, "hex").toString("base64url") };
  const publicKeyObject = createPublicKey({ key: jwk, format: "jwk" });
  return verify(null, fromHex(message), publicKeyObject, fromHex(signature));
}
