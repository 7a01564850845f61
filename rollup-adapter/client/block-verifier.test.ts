import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Lane } from "../../mev/lanes.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { concatBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { decodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import { encodeTxBody, rollupData, rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../proto/errors.ts";
import { Level, type RollupBlock as WireRollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../proto/hash.ts";
import { dataHash, headerHash } from "../../proto/hashes.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import { BlockIdFlag, type Commit, type SignedHeader } from "../../proto/types.ts";
import { hashedValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Presence } from "../../proto/verify/manifest.ts";
import {
  type BuiltBlock,
  buildChain,
  signedCommit,
  TEST_CHAIN_ID,
  testGenesis,
  testKeys,
  withoutExtensions,
} from "../../test/support/chain-builder.ts";
import { createBlockVerifier } from "./block-verifier.ts";
import type { TrustedState } from "./header-chain.ts";
import { decodeRollupBlock } from "./rollup-block.ts";

/** A block where nothing is shuffled or sold. */
const TERMS = { chainId: TEST_CHAIN_ID, isShuffled: () => false, membersOf: () => [] };

const ALPHA = rollupIdOfName("alpha");
const BETA = rollupIdOfName("beta");
const ABSENT = rollupIdOfName("nobody");
const KEYS = testKeys(4);
const PAYLOADS = [utf8ToBytes("first"), utf8ToBytes("second"), utf8ToBytes("third")];
const verifier = createEd25519Verifier();

function txItem(rollupId: Uint8Array, payloads: readonly Uint8Array[], salt: number): Uint8Array {
  const bodyBytes = encodeTxBody({
    publicKey: new Uint8Array(32).fill(7),
    replay: { kind: "unordered", expiryHeight: Height(100), salt: new Uint8Array([salt]) },
    fee: { maxFeePerByte: 1n, tipPerByte: 0n },
    action: rollupData(rollupId, payloads),
  });
  return encodeTxItem({ bodyBytes, signature: new Uint8Array(64).fill(9) });
}

function manifestOf(txs: readonly Uint8Array[]) {
  const builder = createManifestBuilder();
  for (const bytes of txs) {
    const item = decodeItem(bytes);
    if (item.kind !== "tx") throw new Error("expected a transaction");
    const id = txId(TEST_CHAIN_ID, item.tx.bodyBytes);
    for (const { rollupId, entry } of rollupEntriesOf(item.tx, id, Lane.DEFAULT, TERMS)) {
      builder.add(rollupId, entry);
    }
  }
  return builder.build();
}

/** Alpha gets three payloads in two items, beta one. */
function txsOf(height: Height): Uint8Array[] {
  const txs = [
    txItem(ALPHA, PAYLOADS.slice(0, 2), height),
    txItem(BETA, [utf8ToBytes("for beta")], height),
    txItem(ALPHA, PAYLOADS.slice(2), height + 100),
  ];
  return [manifestOf(txs).item, ...txs];
}

function wireBlock(block: BuiltBlock, rollupId: Uint8Array): WireRollupBlock {
  const { header, txs } = block.block;
  const items = txs.slice(1);
  const proof = manifestOf(items).prove(rollupId);
  const payloadOf = (id: Uint8Array): Uint8Array => {
    for (const bytes of items) {
      const item = decodeItem(bytes);
      if (item.kind !== "tx" || item.tx.body.action.kind !== "rollupData") continue;
      if (toHex(txId(TEST_CHAIN_ID, item.tx.bodyBytes)) === toHex(id))
        return item.tx.body.action.payload;
    }
    throw new Error("an entry without its item");
  };
  return {
    height: header.height,
    level: Level.COMMITTED,
    signedHeader: encodeSignedHeader({ header, commit: block.seenCommit }),
    validatorSet: encodeValidatorSet(hashedValidatorSet(block.stateBefore.validators)),
    manifest: txs[0] ?? new Uint8Array(0),
    manifestProof: merkleProofOfFirst(txs.map(sha256)),
    slice:
      proof.kind === "absence"
        ? proof
        : {
            kind: "presence",
            leaf: proof.leaf,
            proof: proof.proof,
            entries: proof.entries.map((entry) => ({ ...entry, payload: payloadOf(entry.itemId) })),
            fills: proof.fills,
            decisions: proof.decisions,
          },
    filling: undefined,
    omitted: [],
    more: [],
  };
}

let chain: readonly BuiltBlock[] = [];
let trustedGenesis: TrustedState;

beforeAll(() => {
  const genesis = testGenesis(KEYS);
  chain = buildChain(KEYS, 3, genesis, txsOf);
  const first = chain[0];
  if (first === undefined) throw new Error("no chain");
  trustedGenesis = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
});

function at(height: number): BuiltBlock {
  const block = chain[height - 1];
  if (block === undefined) throw new Error(`no block ${height}`);
  return block;
}

async function verifyAll(
  blocks: readonly WireRollupBlock[],
  rollupId = ALPHA,
  trusted = trustedGenesis,
) {
  const follower = createBlockVerifier(RollupId(toHex(rollupId)), trusted, verifier);
  const payloads: Uint8Array[][] = [];
  for (const block of blocks) {
    // Through the wire, as a rollup gets it.
    const bytes = ROLLUP_SERVICE.getBlock.responseSerialize(block);
    const decoded = decodeRollupBlock(ROLLUP_SERVICE.getBlock.responseDeserialize(bytes));
    payloads.push([...(await follower.verifyFilled(decoded)).payloads]);
  }
  return payloads;
}

async function refusalOf(blocks: readonly WireRollupBlock[], rollupId = ALPHA): Promise<string> {
  try {
    await verifyAll(blocks, rollupId);
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const info: { readonly code: string; readonly fault?: string; readonly refusal?: string } =
      error.info;
    return [info.code, info.fault ?? info.refusal].filter(Boolean).join(" ");
  }
  return "accepted";
}

/** The first block with its header and commit changed; the commit is signed again when asked. */
function changed(
  change: (signed: SignedHeader) => SignedHeader,
  signers: readonly (typeof KEYS)[number][] = [],
): WireRollupBlock {
  const block = at(1);
  const original = { header: block.block.header, commit: block.seenCommit };
  let { header, commit } = change(original);
  if (signers.length > 0) {
    const set = block.stateBefore.validators;
    const blockId = { ...block.blockId, hash: headerHash(header) };
    commit = withoutExtensions(signedCommit(signers, set, Height(1), blockId, header.time));
  }
  return { ...wireBlock(block, ALPHA), signedHeader: encodeSignedHeader({ header, commit }) };
}

function withSignatures(change: (commit: Commit) => Commit["signatures"]): WireRollupBlock {
  return changed(({ header, commit }) => ({
    header,
    commit: { ...commit, signatures: change(commit) },
  }));
}

const ABSENT_SIG = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: new Uint8Array(0),
  timestamp: { seconds: -62135596800n, nanos: 0 },
  signature: new Uint8Array(0),
} as const;

describe("verified stream", () => {
  test("accepts a true chain and gives each rollup its payloads in order", async () => {
    const blocks = chain.map((block) => wireBlock(block, ALPHA));
    expect(await verifyAll(blocks)).toEqual([PAYLOADS, PAYLOADS, PAYLOADS]);
    expect(
      await verifyAll(
        chain.map((block) => wireBlock(block, BETA)),
        BETA,
      ),
    ).toEqual(Array.from({ length: 3 }, () => [utf8ToBytes("for beta")]));
  });

  test("accepts proof of absence for a rollup without a leaf", async () => {
    const blocks = chain.map((block) => wireBlock(block, ABSENT));
    expect(await verifyAll(blocks, ABSENT)).toEqual([[], [], []]);
  });

  test("needs the validator set only in the first message", async () => {
    const blocks = chain.map((block, i) => ({
      ...wireBlock(block, ALPHA),
      ...(i === 0 ? {} : { validatorSet: new Uint8Array(0) }),
    }));
    expect(await verifyAll(blocks)).toHaveLength(3);
    expect(await refusalOf([{ ...wireBlock(at(1), ALPHA), validatorSet: new Uint8Array(0) }])).toBe(
      "VERIFY_VALIDATORS",
    );
  });

  test("starts at any trusted height", async () => {
    const follower = createBlockVerifier(RollupId(toHex(ALPHA)), trustedGenesis, verifier);
    const first = await follower.verifyFilled(decodeRollupBlock(wireBlock(at(1), ALPHA)));
    const rest = [wireBlock(at(2), ALPHA), wireBlock(at(3), ALPHA)];
    expect(await verifyAll(rest, ALPHA, first.trusted)).toHaveLength(2);
  });
});

describe("signature sets that are refused", () => {
  const keep = (count: number) => (commit: Commit) =>
    commit.signatures.map((sig, i) => (i < count ? sig : ABSENT_SIG));

  test("three of four equal validators suffice, two do not", async () => {
    expect(await refusalOf([withSignatures(keep(3))])).toBe("accepted");
    expect(await refusalOf([withSignatures(keep(2))])).toMatch(/^VERIFY_COMMIT /);
  });

  test("D4: exactly two thirds (two of three) is too little", async () => {
    const keys = testKeys(3);
    const [block] = buildChain(keys, 1, testGenesis(keys), txsOf);
    if (block === undefined) throw new Error("no block");
    const two = { ...block.seenCommit, signatures: keep(2)(block.seenCommit) };
    const message = {
      ...wireBlock(block, ALPHA),
      signedHeader: encodeSignedHeader({ header: block.block.header, commit: two }),
    };
    const trusted = {
      ...trustedGenesis,
      nextValidatorsHash: validatorSetHash(block.stateBefore.validators),
    };
    await expect(verifyAll([message], ALPHA, trusted)).rejects.toThrow(
      expect.objectContaining({ info: expect.objectContaining({ code: "VERIFY_COMMIT" }) }),
    );
  });

  test("D4: one signer listed twice counts for nothing", async () => {
    const doubled = withSignatures(({ signatures }) => {
      const [first, second] = signatures;
      if (first === undefined || second === undefined) throw new Error("no signatures");
      return [first, second, first, ABSENT_SIG];
    });
    expect(await refusalOf([doubled])).toMatch(
      /^VERIFY_COMMIT COMMIT_(WRONG_ADDRESS|DOUBLE_SIGNER)/,
    );
  });

  test("one bad signature among those needed", async () => {
    const bad = withSignatures(({ signatures }) =>
      signatures.map((sig, i) =>
        i === 3
          ? ABSENT_SIG
          : i === 0
            ? { ...sig, signature: sig.signature.map((b) => b ^ 1) }
            : sig,
      ),
    );
    expect(await refusalOf([bad])).toMatch(/^VERIFY_COMMIT /);
  });

  test("signatures of another validator set, however many", async () => {
    const others = testKeys(8).slice(4);
    const [foreign] = buildChain(others, 1, testGenesis(others), txsOf);
    if (foreign === undefined) throw new Error("no block");
    expect(await refusalOf([wireBlock(foreign, ALPHA)])).toBe("VERIFY_VALIDATORS");
  });
});

describe("headers that are refused", () => {
  test("D1: another chain id, though signed by the same validators", async () => {
    const block = changed(
      ({ header, commit }) => ({ header: { ...header, chainId: "other" }, commit }),
      KEYS,
    );
    expect(await refusalOf([block])).toBe("VERIFY_CHAIN_ID");
  });

  test("D1: a commit for another block hash", async () => {
    const block = changed(({ header, commit }) => ({
      header: { ...header, appHash: new Uint8Array(32) },
      commit,
    }));
    expect(await refusalOf([block])).toBe("VERIFY_HEADER_HASH");
  });

  test("D2: every header field is under the signatures", async () => {
    const fields = {
      time: { seconds: 1_700_000_100n, nanos: 0 },
      dataHash: new Uint8Array(32).fill(1),
      nextValidatorsHash: new Uint8Array(32).fill(2),
      proposerAddress: new Uint8Array(20).fill(3),
      lastResultsHash: new Uint8Array(32).fill(4),
    };
    for (const [field, value] of Object.entries(fields)) {
      const block = changed(({ header, commit }) => ({
        header: { ...header, [field]: value },
        commit,
      }));
      expect(await refusalOf([block]), field).toBe("VERIFY_HEADER_HASH");
    }
  });

  test("D2, D3: data of another block under a genuine header", async () => {
    const other = wireBlock(at(2), ALPHA);
    const { manifest, manifestProof, slice } = other;
    const block = { ...wireBlock(at(1), ALPHA), manifest, manifestProof, slice };
    expect(await refusalOf([block])).toBe("VERIFY_SLICE MANIFEST_ITEM_UNPROVEN");
  });

  test("D3: data_hash over anything but the items of the block", async () => {
    const { txs } = at(1).block;
    const unwrapped = dataHash(txs.slice(1));
    const block = changed(
      ({ header, commit }) => ({ header: { ...header, dataHash: unwrapped }, commit }),
      KEYS,
    );
    expect(await refusalOf([block])).toBe("VERIFY_SLICE MANIFEST_ITEM_UNPROVEN");
  });

  test("D5: a second block for a height, signed by the same validators, does not replace the first", async () => {
    const fork = buildChain(KEYS, 2, testGenesis(KEYS), (height) => {
      const txs = [txItem(ALPHA, [utf8ToBytes("forked")], height)];
      return [manifestOf(txs).item, ...txs];
    });
    const second = fork[1];
    if (second === undefined) throw new Error("no fork");
    expect(await refusalOf([wireBlock(at(1), ALPHA), wireBlock(second, ALPHA)])).toBe(
      "VERIFY_PARENT",
    );
    expect(await refusalOf([wireBlock(at(1), ALPHA), wireBlock(at(1), ALPHA)])).toBe(
      "VERIFY_HEIGHT",
    );
    expect(await refusalOf([wireBlock(at(1), ALPHA), wireBlock(at(3), ALPHA)])).toBe(
      "VERIFY_HEIGHT",
    );
  });
});

describe("slices that are refused", () => {
  const presence = (): Presence => {
    const { slice } = wireBlock(at(1), ALPHA);
    if (slice.kind !== "presence") throw new Error("expected presence");
    return slice;
  };
  const withSlice = (slice: WireRollupBlock["slice"]) => ({ ...wireBlock(at(1), ALPHA), slice });

  test("D6: absence claimed for a rollup that is present", async () => {
    const { slice } = wireBlock(at(1), ABSENT);
    expect(await refusalOf([withSlice(slice)])).toMatch(
      /^VERIFY_SLICE MANIFEST_(ABSENCE_GAP|NOT_ABSENT)/,
    );
    expect(await refusalOf([withSlice({ kind: "absence", neighbours: [] })])).toBe(
      "VERIFY_SLICE MANIFEST_ABSENCE_GAP",
    );
  });

  test("an entry dropped, doubled, swapped or altered", async () => {
    const { entries, ...leaf } = presence();
    const [a, b] = entries;
    if (a === undefined || b === undefined) throw new Error("expected two entries");
    const altered = { ...a, payload: concatBytes(a.payload, a.payload) };
    const variants = {
      dropped: [a],
      doubled: [a, a],
      swapped: [b, a],
      added: [a, b, b],
      altered: [altered, b],
    };
    for (const [name, list] of Object.entries(variants)) {
      expect(await refusalOf([withSlice({ ...leaf, entries: list })]), name).toMatch(
        /^VERIFY_SLICE MANIFEST_(ENTRIES_DIFFER|ENTRY_COUNT)/,
      );
    }
  });

  test("the count of leaves in a proof", async () => {
    const slice = presence();
    const proof = { ...slice.proof, total: slice.proof.total + 1 };
    expect(await refusalOf([withSlice({ ...slice, proof })])).toMatch(/^VERIFY_SLICE /);
  });

  test("another rollup's data", async () => {
    expect(await refusalOf([withSlice(wireBlock(at(1), BETA).slice)])).toBe(
      "VERIFY_SLICE MANIFEST_LEAF_OTHER_ROLLUP",
    );
  });
});

describe("mutations", () => {
  test("a message with any byte changed is refused, or says the same", async () => {
    const honest = ROLLUP_SERVICE.getBlock.responseSerialize(wireBlock(at(1), ALPHA));
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: honest.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (position, flip) => {
          const bytes = Buffer.from(honest);
          bytes[position] = (bytes[position] ?? 0) ^ flip;
          const follower = createBlockVerifier(RollupId(toHex(ALPHA)), trustedGenesis, verifier);
          let payloads: readonly Uint8Array[];
          try {
            const message = ROLLUP_SERVICE.getBlock.responseDeserialize(bytes);
            payloads = (await follower.verifyFilled(decodeRollupBlock(message))).payloads;
          } catch {
            return; // refused, by the codec or by the verifier
          }
          expect(payloads).toEqual(PAYLOADS);
        },
      ),
      { numRuns: 400 },
    );
  });
});
