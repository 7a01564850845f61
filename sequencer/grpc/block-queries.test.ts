/** Ranges and proofs over unary calls: what the node answers is what verifies, and nothing else does. */
import { beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { decodeSignedHeader } from "../../proto/codec/block.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupDataEntries, txId } from "../../proto/codec/weft-tx.ts";
import type { EntryProof, TransactionProof } from "../../proto/grpc/block-queries.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { verifyEntryInclusion, verifyTransactionInclusion } from "../../proto/verify/inclusion.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import { decodeRollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { createChainBlocks } from "../../test/support/chain-blocks.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import {
  ALPHA,
  BETA,
  buildSealedChain,
  EXECUTED,
  SEALED_CHAIN_HEIGHT,
} from "../../test/support/sealed-chain.ts";
import type { TransactionStatus } from "../app/weft-application.ts";
import { createBlockQueries } from "./block-queries.ts";
import { statusOf } from "./grpc-error.ts";
import { createRollupBlockSource } from "./rollup-block-source.ts";

let chain: readonly BuiltBlock[] = [];
beforeAll(() => {
  chain = buildSealedChain();
});

/** `base`: the first block that the node has. */
function queriesOf({
  height = SEALED_CHAIN_HEIGHT,
  base = 1,
  known,
}: {
  readonly height?: number;
  readonly base?: number;
  readonly known?: TransactionStatus;
} = {}) {
  const node = createChainBlocks(chain, height);
  const blocks = { ...node.blocks, base: () => Height(base) };
  const source = createRollupBlockSource(blocks, node.application);
  return createBlockQueries({
    chainId: TEST_CHAIN_ID,
    blocks,
    application: { transactionStatus: () => known ?? { state: "unknown" } },
    source,
  });
}

function itemOf(
  height: number,
  index: number,
): { readonly id: Uint8Array; readonly bytes: Uint8Array } {
  const bytes = chain[height - 1]?.block.txs[index];
  if (bytes === undefined) throw new Error(`block ${height} has no item ${index}`);
  const item = decodeItem(bytes);
  if (item.kind !== "tx") throw new Error("expected a transaction");
  return { id: txId(TEST_CHAIN_ID, item.tx.bodyBytes), bytes };
}

const range = (level: Level, from: number, to: number, rollupId = ALPHA) => ({
  rollupId,
  fromHeight: Height(from),
  toHeight: Height(to),
  level,
});

async function failureOf(answer: Promise<unknown>) {
  const error = await answer.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const { code, details, metadata } = statusOf(error);
  return { code, details, trailers: metadata.getMap() };
}

describe("GetBlocks", () => {
  it("behavior: gives every block of a range once, verifiable as a stream is", async () => {
    const [first] = chain;
    if (first === undefined) throw new Error("no chain");
    const verifier = createBlockVerifier(
      RollupId(toHex(BETA)),
      {
        chainId: TEST_CHAIN_ID,
        height: Height(0),
        blockHash: undefined,
        time: undefined,
        nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
      },
      createEd25519Verifier(),
    );
    const answer = await queriesOf().getBlocks(
      range(Level.FILLED, 1, SEALED_CHAIN_HEIGHT + 5, BETA),
    );
    const { getBlocks } = ROLLUP_SERVICE;
    const { blocks, nextHeight } = getBlocks.responseDeserialize(
      getBlocks.responseSerialize(answer),
    );
    expect(nextHeight).toBe(SEALED_CHAIN_HEIGHT + 1);
    const executed: string[][] = [];
    for (const block of blocks) {
      const { payloads } = await verifier.verifyFilled(decodeRollupBlock(block));
      executed.push(payloads.map((payload) => Buffer.from(payload).toString()));
    }
    expect(executed).toEqual(EXECUTED.beta);
    const withSet = blocks.filter(({ validatorSet }: RollupBlock) => validatorSet.length > 0);
    expect(withSet.map(({ height }) => height)).toEqual([1, 4]);
  });

  it("behavior: stops before a block that is not filled, and says where to go on", async () => {
    const { blocks, nextHeight } = await queriesOf({ height: 4 }).getBlocks(
      range(Level.FILLED, 1, 4, BETA),
    );
    expect([blocks.length, nextHeight]).toEqual([1, 2]);
    expect(
      await failureOf(queriesOf({ height: 4 }).getBlocks(range(Level.FILLED, 2, 4, BETA))),
    ).toMatchObject({ code: 14, details: expect.stringContaining("block 2 are not opened") });
  });

  it("behavior: says what it has where a range is pruned, ahead or upside down", async () => {
    const pruned = await failureOf(queriesOf({ base: 4 }).getBlocks(range(Level.COMMITTED, 2, 9)));
    expect(pruned).toMatchObject({ code: 11, trailers: { "weft-earliest": "4" } });
    const ahead = await failureOf(queriesOf().getBlocks(range(Level.COMMITTED, 10, 12)));
    expect(ahead).toMatchObject({ code: 11, details: "expected a height from 1 to 9, got 10" });
    const reversed = await failureOf(queriesOf().getBlocks(range(Level.COMMITTED, 4, 3)));
    expect(reversed).toMatchObject({ code: 3 });
  });
});

describe("GetEntryProof", () => {
  const dataHashOf = (proof: { readonly signedHeader: Uint8Array }) =>
    decodeSignedHeader(proof.signedHeader).header.dataHash;
  const { getEntryProof } = ROLLUP_SERVICE;
  const ask = async (position: number): Promise<EntryProof> =>
    getEntryProof.responseDeserialize(
      getEntryProof.responseSerialize(
        await queriesOf().getEntryProof({ rollupId: ALPHA, height: Height(2), position }),
      ),
    );

  it("behavior: each entry is proven to its header, payload included", async () => {
    for (const [position, text] of [
      [0, "a2"],
      [3, "a2 again"],
    ] as const) {
      const proof = await ask(position);
      const place = verifyEntryInclusion(dataHashOf(proof), ALPHA, position, proof);
      if ("code" in place) throw new Error(place.reason);
      expect(place.position).toBe(position);
      const texts = rollupDataEntries(proof.payload).map((bytes) => Buffer.from(bytes).toString());
      expect(texts).toEqual([text]);
    }
    expect(
      await failureOf(
        queriesOf().getEntryProof({ rollupId: ALPHA, height: Height(2), position: 4 }),
      ),
    ).toMatchObject({ code: 5, details: expect.stringContaining("holds no entry 4") });
  });

  it("attack: another header, rollup, position, payload, leaf or entry is refused", async () => {
    const proof = await ask(0);
    const other = await ask(3);
    const dataHash = dataHashOf(proof);
    const refused = (
      change: Partial<EntryProof>,
      position = 0,
      rollupId = ALPHA,
      hash = dataHash,
    ) => {
      const place = verifyEntryInclusion(hash, rollupId, position, { ...proof, ...change });
      return "code" in place ? place.code : "accepted";
    };
    expect(refused({})).toBe("accepted");
    expect(refused({}, 0, ALPHA, new Uint8Array(32))).toBe("MANIFEST_ITEM_UNPROVEN");
    expect(refused({}, 0, BETA)).toBe("INCLUSION_OTHER_ROLLUP");
    expect(refused({}, 1)).toBe("INCLUSION_OTHER_ENTRY");
    expect(refused({ payload: other.payload })).toBe("INCLUSION_OTHER_ENTRY");
    const { proven } = proof;
    expect(refused({ proven: { ...proven, entry: other.proven.entry } })).toBe(
      "INCLUSION_ENTRY_UNPROVEN",
    );
    expect(refused({ proven: other.proven })).toBe("INCLUSION_OTHER_ENTRY");
    expect(refused({ proven: { ...proven, leaf: proven.leaf.map((byte) => byte ^ 1) } })).toBe(
      "INCLUSION_LEAF_UNPROVEN",
    );
    const total = { ...proven.entryProof, total: proven.entryProof.total + 1 };
    expect(refused({ proven: { ...proven, entryProof: total } })).toBe("INCLUSION_ENTRY_UNPROVEN");
  });
});

describe("GetTransactionProof", () => {
  const { getTransactionProof } = ROLLUP_SERVICE;
  const ask = async (id: Uint8Array, height: number, known?: TransactionStatus) => {
    const answer = await queriesOf(known === undefined ? {} : { known }).getTransactionProof({
      id,
      height: Height(height),
    });
    return getTransactionProof.responseDeserialize(getTransactionProof.responseSerialize(answer));
  };
  const verified = (
    id: Uint8Array,
    proof: TransactionProof,
    change: Partial<TransactionProof> = {},
  ) =>
    verifyTransactionInclusion(
      TEST_CHAIN_ID,
      decodeSignedHeader(proof.signedHeader).header.dataHash,
      id,
      { ...proof, ...change },
    );

  it("behavior: a sealed transaction for two rollups is proven with its place in each", async () => {
    const { id, bytes } = itemOf(2, 2);
    const proof = await ask(id, 2);
    const place = verified(id, proof);
    if ("code" in place) throw new Error(place.reason);
    expect(place.indexAsTold).toBe(2);
    expect(proof.item).toEqual(bytes);
    const places = place.entries.map(({ rollupId, position }) => [toHex(rollupId), position]);
    expect(Object.fromEntries(places)).toEqual({ [toHex(ALPHA)]: 1, [toHex(BETA)]: 0 });
  });

  it("limit: the index is the node's word, for the same way up may lead to another one", async () => {
    const { id } = itemOf(2, 5);
    const proof = await ask(id, 2);
    expect(proof.itemProof).toMatchObject({ index: 5, total: 6 });
    const told = { ...proof.itemProof, index: 3, total: 4 };
    expect(verified(id, proof, { itemProof: told })).toMatchObject({ indexAsTold: 3 });
  });

  it("behavior: the node's memory gives the height; without one it says that it needs it", async () => {
    const { id } = itemOf(1, 1);
    const known = {
      state: "committed",
      height: Height(1),
      index: 1,
      code: 0,
      reason: "",
      hash: id,
    } as const;
    expect((await ask(id, 0, known)).height).toBe(1);
    expect(await failureOf(ask(id, 0))).toMatchObject({
      code: 5,
      details: expect.stringContaining("name the height"),
    });
    expect(await failureOf(ask(id, 3))).toMatchObject({
      code: 5,
      details: expect.stringContaining("block 3 does not hold"),
    });
  });

  it("attack: another transaction, item, place, order of rollups or entry is refused", async () => {
    const { id } = itemOf(2, 2);
    const { id: otherId, bytes: otherItem } = itemOf(2, 1);
    const proof = await ask(id, 2);
    const other = await ask(otherId, 2);
    const refused = (change: Partial<TransactionProof>, asked = id) => {
      const place = verified(asked, proof, change);
      return "code" in place ? place.code : "accepted";
    };
    expect(refused({})).toBe("accepted");
    expect(refused({}, otherId)).toBe("INCLUSION_OTHER_TRANSACTION");
    expect(refused({ item: otherItem })).toBe("INCLUSION_ITEM_UNPROVEN");
    expect(refused({ item: other.item, itemProof: other.itemProof })).toBe(
      "INCLUSION_OTHER_TRANSACTION",
    );
    expect(refused({ entries: proof.entries.toReversed() })).toBe("INCLUSION_OTHER_ROLLUP");
    expect(refused({ entries: other.entries })).toBe("INCLUSION_OTHER_ENTRY");
    expect(refused({ itemProof: { ...proof.itemProof, index: 3 } })).toBe(
      "INCLUSION_ITEM_UNPROVEN",
    );
  });
});
