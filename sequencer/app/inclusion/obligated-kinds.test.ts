/** Bundles, sealed transactions and bids that are due: they keep their meaning in lane OBLIGATED. */
import { describe, expect, test } from "vitest";
import { Lane } from "../../../mev/lanes.ts";
import { toHex } from "../../../proto/bytes.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { type DeliveredEntry, EntryKind } from "../../../proto/verify/manifest.ts";
import { excuseOf, remade } from "../../../test/support/mev-blocks.ts";
import {
  bidItem,
  bundleItem,
  cancelNonceItem,
  depositItem,
  makeDue,
  startMevChain,
} from "../../../test/support/mev-chain.ts";
import { eventsOf, sealText } from "../../../test/support/sealed-app.ts";
import { shareBodies } from "../../../test/support/shared-bodies.ts";
import {
  CHAIN_ID,
  type DecidedBlock,
  idOf,
  nonce,
  signedItem,
  type TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { blockSlices } from "../block-slices.ts";

async function entriesOf(
  { txs, response }: DecidedBlock,
  rollup: string,
): Promise<readonly DeliveredEntry[]> {
  const slices = await blockSlices(CHAIN_ID, txs, response, yieldToLoop);
  const slice = slices.slice(rollupIdOfName(rollup));
  return "entries" in slice ? slice.entries : [];
}

function expectNoFallbacks(chain: TestChain): void {
  for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
}

describe("behavior: in lane OBLIGATED", () => {
  test("a bundle's legs stand for all its rollups, and a cancellation in the same block comes first", async () => {
    const { chain } = await startMevChain();
    const legs = [
      { rollup: "alpha", text: "a" },
      { rollup: "epsilon", text: "e" },
    ];
    const maxHeight = 20;
    const bundle = bundleItem(wallet(0), unordered(90, "kept"), legs, { maxHeight });
    const cancelled = bundleItem(wallet(1), unordered(90, "cancelled"), legs, { maxHeight });
    await makeDue(chain, [bundle, cancelled]);
    shareBodies(chain);
    const cancel = cancelNonceItem(wallet(1), unordered(90), 1n);
    expect(await chain.submit(cancel, 0)).toBe(0);
    const block = await chain.step(0);
    expect(block.txs).toContainEqual(cancel);
    expect(block.txs).toContainEqual(bundle);
    expect(block.txs).toContainEqual(excuseOf(cancelled));
    for (const rollup of ["alpha", "epsilon"]) {
      expect(await entriesOf(block, rollup), rollup).toMatchObject([
        { kind: EntryKind.BUNDLE_LEG, lane: Lane.OBLIGATED, itemId: idOf(bundle), legs: 2 },
      ]);
    }
    expectNoFallbacks(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("a sealed transaction has its place in the batch, and is opened there", async () => {
    const { chain, keys } = await startMevChain();
    const sealed = sealText(wallet(0), unordered(90), keys[0], "due", { rollups: ["epsilon"] });
    await makeDue(chain, [sealed.item]);
    shareBodies(chain);
    const block = await chain.step(0);
    expect(await entriesOf(block, "epsilon")).toMatchObject([
      { kind: EntryKind.SEALED, lane: Lane.OBLIGATED, itemId: idOf(sealed.item) },
    ]);
    await chain.step(1);
    const opening = await chain.step(2);
    expect(eventsOf(opening)).toMatchObject([
      { type: "seal_opened", id: toHex(idOf(sealed.item)) },
      { type: "seal_fills" },
    ]);
    expectNoFallbacks(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("a sealed transaction that would fail is excused: no proposer can make it pay for that", async () => {
    const { chain, keys } = await startMevChain();
    const sender = wallet(0);
    const { item } = sealText(sender, unordered(90), keys[0], "due");
    // In the block before, the sender spends what its bond would be.
    await makeDue(chain, [item], 0, async (blocksLeft) => {
      if (blocksLeft !== 1) return;
      const { balance } = chain.app.read.account(sender.address);
      const spent = balance - chain.app.read.staking().params.sealBond;
      const spends = signedItem(sender, unordered(90), transferTo(wallet(1).address, spent));
      expect(await chain.submit(spends, 0)).toBe(0);
    });
    shareBodies(chain);
    const txs = await chain.prepare(0);
    expect(txs.at(-1)).toEqual(excuseOf(item));
    const { app } = chain.node(1);
    const paying = await remade(app, chain.processRequest(txs.with(txs.length - 1, item)));
    expect(paying.refusal).toMatch(/^P7 OBLIGATION_NOT_EXCUSED/);
    expect((await remade(app, chain.processRequest(txs))).refusal).toBeUndefined();
  });

  test("a bid stands there like any other of its block's bids", async () => {
    const { chain, keys } = await startMevChain();
    const deposit = depositItem(wallet(0), nonce(0), 10_000_000_000n);
    for (let n = 0; n < 4; n++) expect(await chain.submit(deposit, n)).toBe(0);
    await chain.step(0);
    const bid = bidItem(wallet(0), unordered(90), keys[0], {
      group: "alpha",
      legs: [{ rollup: "alpha", text: "top" }],
      amount: 5_000_000n,
      maxHeight: 25,
    });
    await makeDue(chain, [bid]);
    shareBodies(chain);
    const block = await chain.step(0);
    for (const rollup of ["alpha", "beta"]) {
      expect(await entriesOf(block, rollup), rollup).toMatchObject([
        { kind: EntryKind.BID, lane: Lane.OBLIGATED, itemId: idOf(bid) },
      ]);
    }
    await chain.step(1);
    const settling = await chain.step(2);
    expect(eventsOf(settling, "auction_settled")).toMatchObject([{ bids: "1", winners: "1" }]);
    expectNoFallbacks(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });
});
