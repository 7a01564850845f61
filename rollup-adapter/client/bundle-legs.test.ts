import { describe, expect, test } from "vitest";
import { Lane } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProof } from "../../proto/merkle.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import { readEntryTerms } from "../../sequencer/app/ordering/entry-terms.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { bundleOf } from "../../test/support/bundles.ts";
import { buildChain, TEST_CHAIN_ID, testKeys } from "../../test/support/chain-builder.ts";
import { dataFor, nonce, signedItem, unordered, wallet } from "../../test/support/weft-app.ts";
import { createBlockVerifier } from "./block-verifier.ts";
import type { RollupBlock } from "./rollup-block.ts";

const ALPHA = rollupIdOfName("alpha");

/** One signed block: data for alpha, a bundle for alpha and beta, data for alpha again. */
async function blockWithBundle() {
  const legs = [
    { rollup: "alpha", entries: ["one", "two"], revertMode: RevertMode.FAIL },
    { rollup: "beta", entries: ["three"] },
  ];
  const items = [
    signedItem(wallet(0), unordered(9), bundleOf(legs)),
    signedItem(wallet(1), nonce(0), dataFor("alpha", "zero")),
  ];
  const builder = createManifestBuilder();
  const terms = readEntryTerms(TEST_CHAIN_ID, []);
  for (const [at, item] of items.entries()) {
    const decoded = decodeItem(item);
    assert(decoded.kind === "tx", "a transaction");
    const id = txId(TEST_CHAIN_ID, decoded.tx.bodyBytes);
    const lane = at === 0 ? Lane.ATOMIC : Lane.DEFAULT;
    for (const { rollupId, entry } of rollupEntriesOf(decoded.tx, id, lane, terms)) {
      builder.add(rollupId, entry);
    }
  }
  const txs = [builder.build().item, ...items];
  const [built] = buildChain(testKeys(4), 1, undefined, () => txs);
  assert(built !== undefined, "a chain has blocks");
  const outcome = { txResults: txs.map(() => EMPTY_TX_RESULT), events: [] };
  const slices = await blockSlices(TEST_CHAIN_ID, txs, outcome, yieldToLoop);
  const { validators } = built.stateBefore;
  const message: RollupBlock = {
    height: Height(1),
    signedHeader: { header: built.block.header, commit: built.seenCommit },
    validatorSet: validators,
    slice: {
      manifest: txs[0] ?? new Uint8Array(),
      manifestProof: merkleProof(txs.map(sha256), 0),
      slice: slices.slice(ALPHA),
    },
    filling: undefined,
  };
  const verifier = createBlockVerifier(
    RollupId(toHex(ALPHA)),
    {
      chainId: TEST_CHAIN_ID,
      height: Height(0),
      blockHash: undefined,
      time: undefined,
      nextValidatorsHash: validatorSetHash(validators),
    },
    createEd25519Verifier(),
  );
  return { message, verifier };
}

describe("bundles as the adapter takes them", () => {
  test("behavior: executors are told which payloads are a leg, and what its sender wants", async () => {
    const { message, verifier } = await blockWithBundle();
    const { payloads, legs, entries } = await verifier.verifyFilled(message);
    expect(payloads).toEqual(["one", "two", "zero"].map(utf8ToBytes));
    const bundleId = entries[0]?.bundleId;
    expect(legs).toMatchObject([
      { legs: 2, revertMode: RevertMode.FAIL, first: 0, count: 2, bundleId },
    ]);
  });

  test("behavior: refuses a block whose leg comes alone, and executes nothing of it", async () => {
    const { message, verifier } = await blockWithBundle();
    const { slice } = message.slice;
    assert(slice.kind === "presence", "alpha has entries");
    const alone = slice.entries.map(({ bundle, ...entry }) =>
      bundle === undefined ? entry : { ...entry, bundle: { ...bundle, siblings: [] } },
    );
    const lying = { ...message, slice: { ...message.slice, slice: { ...slice, entries: alone } } };
    await expect(verifier.verifyFilled(lying)).rejects.toMatchObject({
      info: { code: "VERIFY_BUNDLE", refusal: "BUNDLE_SIBLING_COUNT" },
    });
    expect(verifier.trusted().height).toBe(0);
  });
});
