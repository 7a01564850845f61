import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { BundleState, bundleStateName } from "../../proto/grpc/mev-service.ts";
import type { RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { bundleOf, type BundleTerms } from "../../test/support/bundles.ts";
import {
  type DecidedBlock,
  idOf,
  signedItem,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../test/support/weft-app.ts";
import { CODES } from "../app/codes.ts";
import { LISTINGS } from "../app/state/tables.ts";
import type { TransactionStatus } from "../app/weft-application.ts";
import { bundleStatus } from "./bundle-status.ts";

const BOTH = [{ rollup: "alpha" }, { rollup: "beta" }];

/** A chain, and what a node that has all its blocks says of a transaction. */
async function setUp() {
  const chain = await TestChain.start({ validators: 2 });
  const decided = new Map<number, DecidedBlock>();
  const step = async () => {
    const block = await chain.step(0);
    decided.set(block.height, block);
    return block;
  };
  const deps = {
    application: chain.app,
    blocks: {
      base: () => Height(1),
      height: () => Height(decided.size),
    },
    source: {
      item: (height: number, index: number) => Promise.resolve(blockAt(height).txs[index]),
      async build(height: number, rollupId: Uint8Array) {
        const { txs, response } = blockAt(height);
        const slices = await chain.app.blockSlices(txs, response);
        const message = { slice: slices.slice(rollupId) } as unknown as RollupBlock;
        return { message, validatorsHash: new Uint8Array(0) };
      },
    },
  };
  function blockAt(height: number): DecidedBlock & { readonly header: never } {
    const block = decided.get(height);
    if (block === undefined) throw new Error(`no block ${height}`);
    return block as DecidedBlock & { readonly header: never };
  }
  const status = (item: Uint8Array) => bundleStatus(idOf(item), deps);
  return { chain, step, status, deps };
}

const bundle = (terms: BundleTerms = {}, salt = "") =>
  signedItem(wallet(0), unordered(60, salt), bundleOf(BOTH, terms));

describe("the status of a bundle", () => {
  test("behavior: received, then included, with its places among each rollup's entries", async () => {
    const { chain, step, status } = await setUp();
    const [first, second] = [bundle({}, "1"), bundle({}, "2")];
    for (const item of [first, second]) expect(await chain.submit(item)).toBe(0);
    expect(await status(first)).toMatchObject({
      state: BundleState.RECEIVED,
      reason: "in this node's pool; it may be in the next block",
      height: 0,
    });
    await step();
    const both = [await status(first), await status(second)];
    const places = both.map(({ legs }) =>
      legs.map(({ rollupId, position }) => [toHex(rollupId), position]),
    );
    const ids = ["alpha", "beta"].map((name) => toHex(rollupIdOfName(name))).sort();
    const byPlace = places.toSorted((a, b) => Number(a[0]?.[1]) - Number(b[0]?.[1]));
    expect(byPlace).toEqual([0, 1].map((place) => ids.map((id) => [id, place])));
    for (const one of both) {
      expect(one).toMatchObject({ state: BundleState.INCLUDED, height: 1, atHeight: 1, code: 0 });
      expect(one.reason).toBe("at its place in block 1");
    }
  });

  test("behavior: validators list it: it says from when on it has to be included", async () => {
    const { chain, status } = await setUp();
    const item = bundle();
    expect(await chain.submit(item)).toBe(0);
    const key = `${toHex(idOf(item))}/${item.length.toString().padStart(16, "0")}`;
    const listing = {
      firstHeight: Height(1),
      opener: new Uint8Array(20),
      listers: [],
      withdrawn: [],
      dueHeight: Height(6),
    };
    chain.app.read.staking().records.set(LISTINGS, key, listing);
    expect(await status(item)).toMatchObject({ state: BundleState.LISTED, dueHeight: 6 });
  });

  test("behavior: what was never heard of is not found", async () => {
    const { status } = await setUp();
    await expect(status(bundle())).rejects.toMatchObject({ code: "GRPC_NOT_FOUND" });
  });

  test.each([
    ["expired", "UNORDERED_EXPIRED", "EXPIRED"],
    ["evicted", "BUNDLE_LATE", "EXPIRED"],
    ["evicted", "POOL_TIMED_OUT", "EXPIRED"],
    ["evicted", "BUNDLE_SUPERSEDED", "REPLACED"],
    ["rejected", "BUNDLE_SUPERSEDED", "REPLACED"],
    ["evicted", "POOL_REPLACED", "REPLACED"],
    ["evicted", "BUNDLE_CANCELLED", "CANCELLED"],
    ["evicted", "POOL_EVICTED", "INVALID"],
    ["rejected", "BUNDLE_FUNDS", "INVALID"],
  ] as const)("behavior: %s for %s is %s", async (state, code, name) => {
    const { deps } = await setUp();
    const { number, message } = CODES[code];
    const id = new Uint8Array(32);
    const known: TransactionStatus = { state, code: number, reason: message, hash: id };
    const application = { ...deps.application, transactionStatus: () => known };
    const status = await bundleStatus(id, { ...deps, application });
    expect([bundleStateName(status.state), status.code, status.reason]).toEqual([
      name,
      number,
      message,
    ]);
  });

  test("behavior: any other transaction has a status as well", async () => {
    const { chain, step, status } = await setUp();
    const item = signedItem(wallet(0), unordered(60), transferTo(wallet(1).address, 1n));
    await chain.submit(item);
    await step();
    expect(await status(item)).toMatchObject({ state: BundleState.INCLUDED, legs: [] });
  });
});

describe("what becomes of sealed bundles and bids", () => {
  const id = new Uint8Array(32).fill(1);
  const sealing = (state: "sealed" | "opened" | "won" | "lost" | "expired" | "invalid") => ({
    state,
    height: Height(5),
    reason: state === "won" || state === "opened" ? "" : `why ${state}`,
    ...(state === "won" ? { price: 7n } : {}),
  });

  test.each([
    ["sealed", "SEALED", 0, 0n],
    ["opened", "INCLUDED", 5, 0n],
    ["won", "INCLUDED", 5, 7n],
    ["lost", "LOST_AUCTION", 5, 0n],
    ["invalid", "INVALID", 5, 0n],
    ["expired", "EXPIRED", 5, 0n],
  ] as const)("behavior: %s is %s", async (state, name, resolvedHeight, price) => {
    const { deps } = await setUp();
    const known: TransactionStatus = {
      state: "committed",
      height: Height(3),
      index: 4,
      code: 0,
      reason: "",
      hash: id,
      sealing: sealing(state),
    };
    // Pruned: what the block held is not known any more, what became of it is.
    const blocks = { ...deps.blocks, base: () => Height(4) };
    const application = { ...deps.application, transactionStatus: () => known };
    const status = await bundleStatus(id, { ...deps, blocks, application });
    expect([bundleStateName(status.state), status.resolvedHeight, status.price]).toEqual([
      name,
      resolvedHeight,
      price,
    ]);
    expect(status.reason).not.toBe("");
    expect(status).toMatchObject({ height: 3, index: 4, legs: [] });
  });
});
