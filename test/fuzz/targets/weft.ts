/** Weft's own messages: items, transactions, extensions, state, manifest. Canonical or refused. */
import * as fc from "fast-check";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, concatBytes } from "../../../proto/bytes.ts";
import { decode } from "../../../proto/codec/reader.ts";
import { decodeItem, encodeItem, encodeTxItem } from "../../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
} from "../../../proto/codec/weft-extension.ts";
import { ROLLUP_POLICY_CODEC } from "../../../proto/codec/rollup-policy.ts";
import * as state from "../../../proto/codec/weft-state.ts";
import {
  decodeTxBody,
  encodeTxBody,
  readSignedTx,
  rollupDataEntries,
  writeSignedTx,
} from "../../../proto/codec/weft-tx.ts";
import { encode } from "../../../proto/codec/writer.ts";
import { BlockIdFlag } from "../../../proto/types.ts";
import { sha256 } from "../../../proto/hash.ts";
import { stateProofFault } from "../../../proto/verify/ics23.ts";
import {
  decodeManifestLeaf,
  decodeOrderedEntry,
  encodeManifestLeaf,
  encodeOrderedEntry,
  EntryKind,
  MANIFEST_LEAF_BYTES,
  ORDERED_ENTRY_BYTES,
} from "../../../proto/verify/manifest.ts";
import { checkExtension } from "../../../mev/extension.ts";
import { verifyInjectedCommit } from "../../../mev/injected-commit.ts";
import { entryTerms } from "../../../sequencer/app/execution/entry-terms.ts";
import { decodeTx } from "../../../sequencer/app/execution/decoded-tx.ts";
import { DEFAULT_PARAMS } from "../../../sequencer/app/params.ts";
import {
  chunkHashesOf,
  ChunkBuilder,
  decodeChunk,
} from "../../../sequencer/app/snapshots/format.ts";
import { encodeCommitmentProof } from "../../../sequencer/app/state-tree/ics23.ts";
import { createLeaf, createStub, EMPTY } from "../../../sequencer/app/state-tree/node.ts";
import { decodePage, encodePage } from "../../../sequencer/app/state-tree/pages.ts";
import { ATOMIC_CODECS } from "../../support/atomic-arbitraries.ts";
import { MEV_CODECS } from "../../support/mev-arbitraries.ts";
import { SEAL_CODECS } from "../../support/seal-arbitraries.ts";
import { STAKE_CODECS } from "../../support/stake-arbitraries.ts";
import {
  bodies,
  extensions,
  listsParts,
  policies,
  systemItems,
  txItems,
} from "../../support/weft-arbitraries.ts";
import { codec, Finding, plainDecoder, strictCodec, type Target } from "../target.ts";
import { sampled } from "./chain.ts";

const STATE = "proto/codec/weft-state.ts";
const amount = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
const height = fc.nat().map(Height);
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const same = (bytes: Uint8Array): Uint8Array => bytes;

function stateValue<T>(
  name: string,
  values: fc.Arbitrary<T>,
  encodeValue: (value: T) => Uint8Array,
  decodeBytes: (bytes: Uint8Array) => T,
): Target {
  return strictCodec({
    name: `state ${name}`,
    covers: [`${STATE}#decode${name}`, `${STATE}#${name.toUpperCase()}_CODEC`],
    decode: decodeBytes,
    encode: encodeValue,
    seeds: sampled(values, encodeValue),
  });
}

export const WEFT_TARGETS: readonly Target[] = [
  strictCodec({
    name: "transaction item",
    covers: ["proto/codec/weft-block.ts#decodeItem"],
    decode: decodeItem,
    encode: (item) => {
      if (item.kind !== "tx") return encodeItem(item);
      const bodyBytes = encodeTxBody(item.tx.body);
      if (!bytesEqual(bodyBytes, item.tx.bodyBytes)) throw new Finding("a body has two encodings");
      return encodeTxItem({ bodyBytes, signature: item.tx.signature });
    },
    seeds: sampled(txItems, same),
  }),
  strictCodec({
    name: "system item",
    covers: [],
    decode: decodeItem,
    encode: encodeItem,
    seeds: sampled(systemItems, encodeItem),
  }),
  strictCodec({
    name: "transaction body",
    covers: ["proto/codec/weft-tx.ts#decodeTxBody"],
    decode: (bytes) => {
      const body = decodeTxBody(bytes);
      if (body.action.kind === "rollupData") rollupDataEntries(body.action.payload);
      return body;
    },
    encode: encodeTxBody,
    seeds: sampled(bodies, encodeTxBody),
  }),
  strictCodec({
    name: "signed transaction",
    covers: ["proto/codec/weft-tx.ts#readSignedTx"],
    decode: (bytes) => decode(readSignedTx, bytes, "strict"),
    encode: (tx) => encode(writeSignedTx, tx),
    // Behind the item's kind and length stands the transaction.
    seeds: sampled(txItems, (item) => item.slice((item[1] ?? 0) < 0x80 ? 2 : 3)),
  }),
  strictCodec({
    name: "rollup policy",
    covers: ["proto/codec/rollup-policy.ts#ROLLUP_POLICY_CODEC"],
    decode: ROLLUP_POLICY_CODEC.decode,
    encode: ROLLUP_POLICY_CODEC.encode,
    seeds: sampled(policies, ROLLUP_POLICY_CODEC.encode),
  }),
  plainDecoder({
    name: "CheckTx transaction",
    covers: ["sequencer/app/execution/decoded-tx.ts#decodeTx"],
    format: "protobuf",
    decode: (bytes) => {
      const decoded = decodeTx("weft-test", bytes);
      return "decoded" in decoded
        ? decoded.decoded.entries(false, entryTerms("weft-test"))
        : decoded;
    },
    seeds: sampled(txItems, same),
    isRefusal: () => false,
  }),
  strictCodec({
    name: "vote extension",
    covers: ["proto/codec/weft-extension.ts#decodeVoteExtension"],
    decode: decodeVoteExtension,
    encode: encodeVoteExtension,
    seeds: sampled(extensions, same),
  }),
  strictCodec({
    name: "LISTS part",
    covers: ["proto/codec/weft-extension.ts#decodeLists"],
    decode: decodeLists,
    encode: encodeLists,
    seeds: sampled(listsParts, encodeLists),
  }),
  plainDecoder({
    name: "VerifyVoteExtension",
    covers: ["mev/extension.ts#checkExtension"],
    format: "protobuf",
    decode: (bytes) => checkExtension(EXTENSION_CONTEXT, bytes, VOTER),
    seeds: sampled(extensions, same),
    isRefusal: () => false,
  }),
  injectedCommit(),
  stateValue(
    "Chain",
    fc.record({
      chainId: fc.constantFrom("a", "weft-test"),
      initialHeight: height.map((h) => Height(h + 1)),
      blockBytesMax: fc.nat(),
      evidenceMaxAgeBlocks: fc.nat(),
      evidenceMaxAgeSeconds: fc.nat(),
      setSizeMax: fc.nat(1_000),
    }),
    state.encodeChain,
    state.decodeChain,
  ),
  stateValue(
    "LastBlock",
    fc.record({
      height,
      hash,
      time: fc.record({
        seconds: fc.bigInt({ min: 0n, max: 1n << 40n }),
        nanos: fc.nat(999_999_999),
      }),
    }),
    state.encodeLastBlock,
    state.decodeLastBlock,
  ),
  stateValue("BaseFee", amount, state.encodeBaseFee, state.decodeBaseFee),
  stateValue(
    "Supply",
    fc
      .tuple(amount, amount, amount)
      .map(([total, bonded, burned]) => ({ ...state.EMPTY_SUPPLY, total, bonded, burned })),
    state.encodeSupply,
    state.decodeSupply,
  ),
  stateValue("Params", fc.constant(DEFAULT_PARAMS), state.encodeParams, state.decodeParams),
  stateValue(
    "Account",
    fc.record({ nonce: amount, balance: amount }),
    state.encodeAccount,
    state.decodeAccount,
  ),
  stateValue(
    "Rollup",
    fc.record({
      name: fc.constantFrom("a", "rollup-1"),
      ownerKey: hash,
      policy: policies,
      pending: fc.option(fc.record({ policy: policies, effectiveHeight: height }), {
        nil: undefined,
      }),
      deposit: amount,
      registeredHeight: height,
    }),
    state.encodeRollup,
    state.decodeRollup,
  ),
  stateValue(
    "UnorderedIds",
    fc.record({
      expiryMax: height,
      ids: fc.array(hash, { maxLength: 4 }).map((ids) => new Uint8Array(Buffer.concat(ids))),
    }),
    state.encodeUnorderedIds,
    state.decodeUnorderedIds,
  ),
  ...[...STAKE_CODECS, ...SEAL_CODECS, ...MEV_CODECS, ...ATOMIC_CODECS].map(
    ({ name, path, codec: { decode: decodeRecord }, bytes, again }) =>
      strictCodec({
        name: `record ${name}`,
        covers: [`${path}#${name}`],
        decode: (input) => {
          decodeRecord(input);
          return input;
        },
        encode: again,
        seeds: sampled(bytes, same),
      }),
  ),
  plainDecoder({
    name: "state proof",
    covers: ["proto/verify/ics23.ts#stateProofFault"],
    format: "protobuf",
    decode: (bytes) => [
      stateProofFault(PROOF_ROOT, PROOF_KEY, PROOF_KEY, bytes),
      stateProofFault(PROOF_ROOT, PROOF_KEY, undefined, bytes),
    ],
    seeds: stateProofSeeds,
    isRefusal: () => false,
  }),
  {
    name: "manifest leaf",
    covers: ["proto/verify/manifest.ts#decodeManifestLeaf"],
    format: "binary",
    seeds: sampled(
      fc
        .uint8Array({ minLength: MANIFEST_LEAF_BYTES, maxLength: MANIFEST_LEAF_BYTES })
        .map((leaf) => {
          for (const at of [64, 104, 144]) leaf.fill(0, at, at + 4);
          return leaf;
        }),
      same,
    ),
    run: (bytes) => {
      const leaf = decodeManifestLeaf(bytes);
      if (leaf === undefined) return "refused ";
      if (!bytesEqual(encodeManifestLeaf(leaf), bytes))
        throw new Finding("a leaf has two encodings");
      return "accepted";
    },
  },
  {
    name: "ordered entry",
    covers: ["proto/verify/manifest.ts#decodeOrderedEntry"],
    format: "binary",
    seeds: sampled(
      fc.tuple(
        fc.uint8Array({ minLength: ORDERED_ENTRY_BYTES, maxLength: ORDERED_ENTRY_BYTES }),
        fc.constantFrom(...Object.values(EntryKind)),
      ),
      ([entry, kind]) => {
        entry[0] = kind;
        return entry;
      },
    ),
    run: (bytes) => {
      const entry = decodeOrderedEntry(bytes);
      if (entry === undefined) return "refused ";
      if (!bytesEqual(encodeOrderedEntry(entry), bytes)) {
        throw new Finding("an entry has two encodings");
      }
      return "accepted";
    },
  },
  {
    name: "snapshot chunk",
    covers: ["sequencer/app/snapshots/format.ts#decodeChunk"],
    format: "binary",
    seeds: sampled(
      fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.uint8Array({ maxLength: 20 })), {
        minLength: 1,
        maxLength: 5,
      }),
      (entries) => {
        const builder = new ChunkBuilder();
        for (const entry of entries.toSorted(([a], [b]) => (a < b ? -1 : 1))) builder.add(entry);
        return builder.finish() ?? new Uint8Array(0);
      },
    ),
    run: (bytes) => {
      const entries = decodeChunk(bytes, "");
      if (entries === undefined) return "refused ";
      const builder = new ChunkBuilder();
      const pieces = entries
        .map((entry) => builder.add(entry))
        .filter((piece) => piece !== undefined);
      const again = Buffer.concat([...pieces, builder.finish() ?? new Uint8Array(0)]);
      if (!bytesEqual(again, bytes)) throw new Finding("a chunk has two encodings");
      return "accepted";
    },
  },
  {
    name: "snapshot metadata",
    covers: [],
    format: "binary",
    seeds: sampled(
      fc.array(hash, { maxLength: 3 }),
      (hashes) => new Uint8Array(Buffer.concat(hashes)),
    ),
    run: (bytes) => {
      const chunks = (bytes[0] ?? 0) % 5;
      const snapshot = {
        height: Height(5),
        format: 1,
        chunks,
        hash: bytes.slice(0, 32),
        metadata: bytes,
      };
      return chunkHashesOf(snapshot) === undefined ? "refused " : "accepted";
    },
  },
  plainDecoder({
    name: "state page",
    covers: ["sequencer/app/state-tree/pages.ts#decodePage"],
    format: "binary",
    decode: (bytes) => decodePage(bytes, "", "fuzz"),
    seeds: pageSeeds,
    // Our own database: damage is told and stops the node.
    isRefusal: (error) =>
      error instanceof Error &&
      error.name === "AssertionFailure" &&
      error.message.startsWith("state page"),
  }),
];

const PROOF_KEY = new Uint8Array([1, 2, 3]);
const PROOF_PATH = [0, 1, 2].map((i) =>
  i % 2 === 0
    ? { prefix: new Uint8Array(33).fill(1), suffix: new Uint8Array(0) }
    : { prefix: new Uint8Array(1).fill(1), suffix: new Uint8Array(32).fill(i) },
);
/** What the proofs below lead to, so that mutants get as far as a true proof does. */
const PROOF_ROOT = PROOF_PATH.reduce(
  (child, { prefix, suffix }) => sha256(concatBytes(prefix, child, suffix)),
  sha256(concatBytes(Uint8Array.of(0), sha256(PROOF_KEY), sha256(PROOF_KEY))),
);

function stateProofSeeds(): readonly Uint8Array[] {
  const leaf = { key: PROOF_KEY, value: PROOF_KEY, path: PROOF_PATH };
  const absent = { key: new Uint8Array([9]), left: leaf, right: leaf };
  return [
    encodeCommitmentProof({ kind: "exists", proof: leaf }),
    encodeCommitmentProof({ kind: "absent", proof: absent }),
    encodeCommitmentProof({ kind: "absent", proof: { ...absent, left: undefined } }),
  ];
}

function pageSeeds(): readonly Uint8Array[] {
  const digest = (i: number): string => String.fromCharCode(i * 16).repeat(32);
  return [0, 1, 5, 16].map((count) =>
    encodePage(
      Array.from({ length: 16 }, (_, i) => {
        if (i >= count) return EMPTY;
        return i % 2 === 0 ? createLeaf(digest(i), digest(i + 1)) : createStub(digest(i));
      }),
    ),
  );
}

const VOTER = { address: new Uint8Array(20), publicKey: new Uint8Array(32) };
const EXTENSION_CONTEXT = {
  chainId: "weft-test",
  height: Height(3),
  blockHash: new Uint8Array(32),
  blockBytesMax: 1 << 20,
  validatorCount: 4,
  seal: undefined,
};

/** What a decoded injected commit goes through before any signature is looked at. */
function injectedCommit(): Target {
  return {
    name: "injected commit",
    covers: ["mev/injected-commit.ts#verifyInjectedCommit"],
    format: "protobuf",
    weight: 0.3,
    seeds: sampled(systemItems, encodeItem),
    run: async (bytes) => {
      let item: ReturnType<typeof decodeItem>;
      try {
        item = decodeItem(bytes);
      } catch (error) {
        if (codec(error)) return "refused ";
        throw error;
      }
      if (item.kind !== "injectedCommit") return "refused kind";
      const { injectedCommit: commit } = item;
      const context = { ...EXTENSION_CONTEXT, height: commit.height, blockHash: commit.blockHash };
      const votes = Array.from({ length: 4 }, (_, i) => ({
        validator: { address: new Uint8Array(20).fill(i), power: 10n },
        blockIdFlag: BlockIdFlag.COMMIT,
      }));
      const answer = await verifyInjectedCommit(
        context,
        commit,
        votes,
        () => new Uint8Array(32),
        async (checks) => checks.map(() => false),
      );
      return "code" in answer ? `refused ${answer.code}` : "accepted";
    },
  };
}
