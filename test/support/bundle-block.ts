/** A signed block with a bundle in it, as a node sends it to one of its rollups. */
import { Lane } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Height } from "../../proto/brands.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import { readEntryTerms } from "../../sequencer/app/ordering/entry-terms.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { bundleOf } from "./bundles.ts";
import { buildChain, TEST_CHAIN_ID, testKeys } from "./chain-builder.ts";
import { dataFor, nonce, signedItem, unordered, wallet } from "./weft-app.ts";

/** The rollup that the message is for. */
export const ALPHA = rollupIdOfName("alpha");

export interface BundleBlock {
  readonly message: RollupBlock;
  readonly trust: TrustedState;
}

/** Block 1: a bundle for alpha ("one", "two"; FAIL) and beta, then data for alpha ("zero"). */
export async function buildBundleBlock(): Promise<BundleBlock> {
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
      manifestProof: merkleProofOfFirst(txs.map(sha256)),
      slice: slices.slice(ALPHA),
    },
    filling: undefined,
    omitted: [],
    more: [],
  };
  const trust: TrustedState = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(validators),
  };
  return { message, trust };
}

/** The same message, its leg without the others. */
export function withLegAlone(message: RollupBlock): RollupBlock {
  const { slice } = message.slice;
  assert(slice.kind === "presence", "alpha has entries");
  const entries = slice.entries.map(({ bundle, ...entry }) =>
    bundle === undefined ? entry : { ...entry, bundle: { ...bundle, siblings: [] } },
  );
  return { ...message, slice: { ...message.slice, slice: { ...slice, entries } } };
}
