import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { compareBytes, fromHex, toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { dueKey, listingKey } from "../../mev/inclusion/keys.ts";
import { StakeWorld } from "../../test/support/stake-world.ts";
import { bundleOf, keyOf, version } from "../../test/support/bundles.ts";
import { idOf, signedItem, TestChain, unordered, wallet } from "../../test/support/weft-app.ts";
import { CODES } from "./codes.ts";
import { auctionReport, dueReport, tallyReport } from "./mev-report.ts";
import { queryKey } from "./query.ts";
import { AUCTION_RESULTS, AUCTIONS, DUE, heightKey, LISTINGS } from "./state/tables.ts";

const ask = async (chain: TestChain, path: string, prove = false) => {
  const asked = { path, data: new Uint8Array(0), height: Height(0), prove };
  const { code, info, proofOps, value } = await chain.app.query(asked);
  return { code, json: code === 0 ? JSON.parse(info) : undefined, proofOps, value };
};

describe("queries of bundles and auctions", () => {
  test("behavior: escrow, key and revenue are told as the last block left them", async () => {
    const chain = await TestChain.start({ validators: 2 });
    const sender = wallet(0);
    const deposit = { kind: "depositEscrow" as const, amount: 700n };
    const withdraw = { kind: "withdrawEscrow" as const, amount: 200n };
    const bundle = bundleOf([{ rollup: "alpha", tip: 1_000n }], { replacement: version("a", 3) });
    for (const action of [deposit, bundle]) {
      expect(await chain.submit(signedItem(sender, unordered(500), action))).toBe(0);
    }
    const first = await chain.step(0);
    expect(await chain.submit(signedItem(sender, unordered(500), withdraw))).toBe(0);
    const { height } = await chain.step(0);

    const account = toHex(sender.address);
    const escrow = await ask(chain, `/mev/escrow/${account}`, true);
    expect(escrow.proofOps).toHaveLength(1);
    expect(escrow.value.length).toBeGreaterThan(0);
    expect(escrow.json).toEqual({
      balance: "700",
      withdrawals: [{ height: height + 64, amount: "200" }],
      deposits: [],
      free: "500",
    });
    const key = await ask(chain, `/mev/bundle_key/${account}/${toHex(keyOf("a"))}`, true);
    expect(key.proofOps).toHaveLength(1);
    expect(key.json).toEqual({
      key: { sequence: "3", isUsed: true, untilHeight: first.height + 100 },
      cancelNonce: "0",
    });
    const byName = await ask(chain, "/revenue/alpha");
    expect(byName.json).toMatchObject({ tips: "800", auction: "0", lastHeight: first.height });
    expect(byName.json.unclaimed).toBe(byName.json.accrued);
    const byId = await ask(chain, `/revenue/${toHex(rollupIdOfName("alpha"))}`);
    expect(byId.json).toEqual(byName.json);
    expect((await ask(chain, "/revenue/nobody")).code).toBe(CODES.QUERY_NOT_FOUND.number);
  });

  test("a light client asks for the proof of the record that a path is about", () => {
    const none = new Uint8Array(0);
    const account = "ab".repeat(20);
    const key = "cd".repeat(16);
    expect(queryKey(`/mev/escrow/${account.toUpperCase()}`, none)).toBe(`escrow/${account}`);
    expect(queryKey(`/escrow/${account}`, none)).toBe(`escrow/${account}`);
    const bundleKey = `bundle_key/${account}/${key}`;
    expect(queryKey(`/mev/${bundleKey}`, none)).toBe(bundleKey);
    expect(queryKey(`/${bundleKey}`, none)).toBe(bundleKey);
    const alpha = `revenue/${toHex(rollupIdOfName("alpha"))}`;
    expect(queryKey("/revenue/alpha", none)).toBe(alpha);
    expect(queryKey(`/${alpha}`, none)).toBe(alpha);
    expect(queryKey("/mev/due", none)).toBeUndefined();
  });

  test("behavior: parameters, and what is not there", async () => {
    const chain = await TestChain.start();
    await chain.step();
    expect((await ask(chain, "/mev/params")).json).toMatchObject({
      listDueBlocks: 4,
      bidEscrowMin: "100000000",
      bundleWindowMax: 25,
      groupRollupsMax: 12,
    });
    expect((await ask(chain, "/mev/due")).json).toEqual([]);
    const nobody = toHex(
      idOf(signedItem(wallet(0), unordered(9), bundleOf([{ rollup: "alpha" }]))),
    );
    expect((await ask(chain, `/mev/listing/${nobody}`)).json).toMatchObject({ listings: [] });
    expect((await ask(chain, "/mev/auction/0/alpha")).code).toBe(CODES.QUERY_NOT_FOUND.number);
    for (const path of [
      "/mev/auction/x/alpha",
      "/mev/auction/1",
      "/mev/listing/00",
      "/mev/listing/zz",
      "/mev/escrow/nobody",
      "/mev/bundle_key/00/00",
      "/mev/nothing",
      "/mev/due/1",
    ]) {
      expect((await ask(chain, path)).code, path).toBe(CODES.QUERY_PATH.number);
    }
  });
});

describe("reports", () => {
  const ID = new Uint8Array(32).fill(7);
  const OTHER = new Uint8Array(32).fill(8);

  test("a listing says whose power stands behind it, and what is due whether anybody is held to it", () => {
    const world = new StakeWorld();
    const [a, b] = ["a", "b"].map((name) => fromHex(world.addValidator(name, 6_000_000n).address));
    if (a === undefined || b === undefined) throw new Error("two validators");
    world.start();
    const { ctx } = world;
    const armed = { id: ID, size: 90, firstHeight: 5, dueHeight: 10 };
    const list = (withdrawn: readonly Uint8Array[]) => {
      const record = { opener: a, listers: [a, b].sort(compareBytes), withdrawn };
      ctx.records.set(LISTINGS, listingKey(armed), {
        ...record,
        firstHeight: Height(5),
        dueHeight: Height(10),
      });
      ctx.records.set(DUE, dueKey(armed), true);
    };
    list([]);
    const { listings, totalPower } = tallyReport(ctx, ID);
    expect(totalPower).toBeGreaterThan(0n);
    expect(listings).toMatchObject([{ size: 90, listedPower: totalPower, withdrawnPower: 0n }]);
    expect(dueReport(ctx, 10)).toEqual([{ ...armed, isReleased: false }]);
    list([b]);
    expect(tallyReport(ctx, ID).listings[0]?.withdrawnPower).toBe(totalPower / 2n);
    expect(dueReport(ctx, 10)).toEqual([{ ...armed, isReleased: true }]);
    expect(dueReport(ctx, 0)).toEqual([]);
    expect(tallyReport(ctx, OTHER).listings).toEqual([]);
  });

  test("an auction is open until it is settled, and the last one is found by its group", () => {
    const { ctx } = new StakeWorld();
    const settle = (height: number, group: Uint8Array, bids: number) =>
      ctx.records.set(AUCTION_RESULTS, heightKey(height, toHex(group)), {
        settledHeight: Height(height + 2),
        bids,
        winners: [],
      });
    expect(auctionReport(ctx, 0, ID)).toBeUndefined();
    settle(8, ID, 2);
    settle(12, OTHER, 1);
    expect(auctionReport(ctx, 0, ID)).toMatchObject({ height: 8, settledHeight: 10, bids: 2 });
    ctx.records.set(AUCTIONS, heightKey(9, toHex(ID)), {
      proposer: new Uint8Array(20),
      members: [{ rollupId: ID, reserve: 0n, shareBps: 0 }],
      secondPrice: false,
      openBids: 3,
      bids: [],
    });
    expect(auctionReport(ctx, 0, ID)).toMatchObject({ height: 9, settledHeight: 0, openBids: 3 });
    expect(auctionReport(ctx, 8, ID)).toMatchObject({ height: 8, bids: 2, openBids: 0 });
    expect(auctionReport(ctx, 7, ID)).toBeUndefined();
  });
});
