/** What a searcher does over the JSON-RPC of a rollup's node, with a real gateway and a real node behind it. */
import { afterEach, describe, expect, it } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import {
  GATEWAY_WALLET,
  OTHER_ROLLUP,
  OWN_ROLLUP,
  SEARCHERS,
  type SearcherNode,
  type SearcherNodeOptions,
  startSearcherNode,
} from "../../../test/support/searcher-node.ts";
import { fundBidders } from "../../../test/support/bidding.ts";
import { loseSecrets } from "../../../test/support/sealed-app.ts";
import { signedItem, unordered, wallet } from "../../../test/support/weft-app.ts";
import { cancelBelow } from "../../../test/support/bundles.ts";
import { BUNDLE_ERRORS, type BundleErrorName } from "../../gateway/bundles/errors.ts";

const { ALICE, BOB } = SEARCHERS;
const UUID = "2a1d6d5e-7d2b-4c5e-9a59-0f2e5a3c1b7d";
const ids = [OWN_ROLLUP, OTHER_ROLLUP].map((name) => `0x${toHex(rollupIdOfName(name))}`).sort();

const opened: SearcherNode[] = [];
afterEach(async () => {
  for (const node of opened.splice(0)) await node.close();
});

async function start(options?: SearcherNodeOptions): Promise<SearcherNode> {
  const node = await startSearcherNode(options);
  opened.push(node);
  return node;
}

async function steps(node: SearcherNode, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await node.step();
}

const status = async (node: SearcherNode, { bundleHash }: Record<string, unknown>) =>
  await node.result("weft_getBundleStatus", [bundleHash]);

/** A refusal by its name; its number is the table's, and there is a reason. */
async function refusal(node: SearcherNode, method: string, params: unknown) {
  const { error, result } = await node.call(method, params);
  if (error === undefined) throw new Error(`accepted: ${JSON.stringify(result)}`);
  const { code = "", reason = "" } = error.data ?? {};
  expect(error.code).toBe(BUNDLE_ERRORS[code as BundleErrorName]);
  expect(reason).not.toBe("");
  return code;
}

describe("a bundle over JSON-RPC", () => {
  it("behavior: is sealed, has its place, is opened, and says so at each step", async () => {
    const node = await start();
    await node.step();
    const sent = await node.result("eth_sendBundle", { txs: [await node.transfer(0)] });
    expect(await status(node, sent)).toMatchObject({ state: "RECEIVED", atHeight: "0x1" });
    await node.step();
    expect(await status(node, sent)).toMatchObject({ state: "SEALED", height: "0x2" });
    await steps(node, 2);
    expect(await status(node, sent)).toMatchObject({
      state: "INCLUDED",
      height: "0x2",
      resolvedHeight: "0x4",
      legs: [{ position: 0 }],
    });
  });

  it("behavior: of several rollups has a place in each, in one block, in the clear where that is asked for", async () => {
    const node = await start();
    await node.step();
    const legs = [
      { rollupId: OWN_ROLLUP, tx: await node.transfer(0), revertMode: "fail" },
      { rollupId: OTHER_ROLLUP, tx: "0xc0ffee" },
      { rollupId: OWN_ROLLUP, tx: await node.transfer(1), revertMode: "fail" },
    ];
    for (const encrypted of [true, false]) {
      const privacy = { encrypted };
      const sent = await node.result("weft_sendBundle", { version: "v1", legs, privacy });
      await steps(node, 3);
      const found = await status(node, sent);
      expect(found).toMatchObject({ state: "INCLUDED" });
      const places = found["legs"] as { readonly rollupId: string }[];
      expect(places.map(({ rollupId }) => rollupId)).toEqual(ids);
      expect(sent["bundleId"] === sent["bundleHash"]).toBe(encrypted);
    }
  });

  it("behavior: is cancelled by its uuid alone, also with the highest sequence there is", async () => {
    const node = await start();
    await node.step();
    const sent = await node.result("eth_sendBundle", {
      txs: [await node.transfer(0)],
      minHeight: 4,
      maxHeight: 20,
      replacementUuid: UUID,
      sequence: `0x${(2n ** 63n - 1n).toString(16)}`,
    });
    await node.result("eth_cancelBundle", { replacementUuid: UUID });
    expect(await status(node, sent)).toMatchObject({ state: "CANCELLED" });
  });

  it("behavior: is sealed where nothing says whether it is to be", async () => {
    const node = await start();
    await node.step();
    for (const [nonce, privacy] of [null, {}, { encrypted: null }].entries()) {
      const txs = [await node.transfer(nonce)];
      const sent = await node.result("eth_sendBundle", { txs, privacy });
      await node.step();
      expect(await status(node, sent)).toMatchObject({ state: "SEALED" });
    }
  });

  it("behavior: with the shares withheld nothing of it is executed anywhere, and it says so", async () => {
    const node = await start();
    await node.step();
    loseSecrets(node.chain, [1, 2, 3]);
    const legs = [OWN_ROLLUP, OTHER_ROLLUP].map((rollupId) => ({ rollupId, tx: "0xc0ffee" }));
    legs[0] = { rollupId: OWN_ROLLUP, tx: await node.transfer(0) };
    const sent = await node.result("weft_sendBundle", { legs });
    await steps(node, 3);
    expect(await status(node, sent)).toMatchObject({ state: "SEALED" });
    await steps(node, 40);
    expect(await status(node, sent)).toMatchObject({ state: "EXPIRED" });
  });

  it("behavior: a later version takes the place of an earlier one, whatever the gateway has forgotten", async () => {
    const node = await start();
    await node.step();
    const send = async (nonce: number, more: Record<string, unknown> = {}) =>
      await node.result("eth_sendBundle", {
        txs: [await node.transfer(nonce)],
        minHeight: 4,
        maxHeight: 20,
        replacementUuid: UUID,
        ...more,
      });
    const first = await send(0);
    await node.restartGateway();
    const second = await send(1);
    expect([first["sequence"], second["sequence"]]).toEqual(["0x1", "0x2"]);
    await node.step();
    expect(await status(node, first)).toMatchObject({ state: "REPLACED" });
    expect(
      await refusal(node, "eth_sendBundle", {
        txs: [await node.transfer(2)],
        replacementUuid: UUID,
        sequence: 2,
      }),
    ).toBe("STALE_SEQ");
    await steps(node, 4);
    expect(await status(node, second)).toMatchObject({ state: "INCLUDED", height: "0x4" });
  });

  it("behavior: a cancellation voids what waits, at once; what comes later counts again", async () => {
    const node = await start();
    await node.step();
    const bundle = async (nonce: number) => ({
      txs: [await node.transfer(nonce)],
      minHeight: 8,
      maxHeight: 30,
      replacementUuid: UUID,
    });
    expect(await refusal(node, "eth_cancelBundle", { replacementUuid: UUID })).toBe("UNKNOWN_HASH");
    const first = await node.result("eth_sendBundle", await bundle(0));
    await node.result("eth_cancelBundle", { replacementUuid: UUID });
    await node.step();
    expect(await status(node, first)).toMatchObject({ state: "CANCELLED" });
    const second = await node.result("eth_sendBundle", await bundle(1));
    await steps(node, 10);
    expect(await status(node, second)).toMatchObject({ state: "INCLUDED" });
  });

  it("attack: one searcher's uuid does not replace or cancel another's bundle", async () => {
    const node = await start();
    await node.step();
    const bundle = {
      txs: [await node.transfer(0)],
      minHeight: 4,
      maxHeight: 20,
      replacementUuid: UUID,
    };
    const mine = await node.result("eth_sendBundle", bundle, ALICE);
    const theirs = await node.result("eth_sendBundle", bundle, BOB);
    await node.result("eth_cancelBundle", { replacementUuid: UUID }, BOB);
    await node.step();
    expect(await status(node, theirs)).toMatchObject({ state: "CANCELLED" });
    expect(await status(node, mine)).toMatchObject({ state: "RECEIVED" });
  });

  it("behavior: the account's cancel nonce voids all that was sent with a smaller one", async () => {
    const node = await start();
    await node.step();
    const sent = await node.result("eth_sendBundle", {
      txs: [await node.transfer(0)],
      minHeight: 9,
      maxHeight: 30,
    });
    const item = signedItem(wallet(GATEWAY_WALLET), unordered(60), cancelBelow(1n));
    await node.result("weft_cancelBundle", { item: `0x${toHex(item)}` });
    await node.step();
    expect(await status(node, sent)).toMatchObject({ state: "CANCELLED" });
  });

  it("behavior: the rollup's own block number becomes heights of the sequencer", async () => {
    const node = await start();
    await node.step();
    const txs = [await node.transfer(0)];
    const sent = await node.result("eth_sendBundle", { txs, blockNumber: "0x3" });
    await steps(node, 2);
    expect(await status(node, sent)).toMatchObject({ state: "RECEIVED" });
    await node.step();
    expect(await status(node, sent)).toMatchObject({ state: "SEALED", height: "0x4" });
    expect(await refusal(node, "eth_sendBundle", { txs, blockNumber: 0 })).toBe("RANGE_INVALID");
  });

  it("behavior: one that never finds its block has expired", async () => {
    const node = await start();
    await node.step();
    // Nobody proposes it: the pool of the node that has it is no proposer's.
    const sent = await node.result("eth_sendBundle", {
      txs: [await node.transfer(0)],
      minHeight: 3,
      maxHeight: 4,
    });
    for (let height = 2; height <= 5; height++) await node.chain.step(1);
    expect(await status(node, sent)).toMatchObject({ state: "EXPIRED", chainCode: 261 });
  });

  it("behavior: a single transaction is sealed as well", async () => {
    const node = await start();
    await node.step();
    const sent = await node.result("eth_sendEncryptedTransaction", [await node.transfer(0)]);
    await steps(node, 3);
    expect(await status(node, sent)).toMatchObject({ state: "INCLUDED", legs: [{ position: 0 }] });
  });
});

describe("a bid over JSON-RPC", () => {
  it("behavior: wins or loses, with price and reason; the auction and the revenue say the same", async () => {
    const node = await start({ spendMax: 10n ** 9n });
    await node.step();
    await fundBidders(node, [GATEWAY_WALLET], 500_000_000n);
    await steps(node, 1);
    const bid = async (nonce: number, amount: number) =>
      await node.result("weft_submitBid", {
        legs: [{ rollupId: OWN_ROLLUP, tx: await node.transfer(nonce) }],
        amount: amount.toString(),
      });
    const low = await bid(0, 100_000_000);
    const high = await bid(1, 200_000_000);
    const { height } = await node.step();
    await steps(node, 3);
    const [lost, won] = [await status(node, low), await status(node, high)];
    expect(lost).toMatchObject({ state: "LOST_AUCTION" });
    expect(lost["reason"]).toMatch(/^OUTBID/);
    expect(won).toMatchObject({ state: "INCLUDED", price: "0xbebc200" });
    const auction = await node.result("weft_getAuction");
    expect(auction).toMatchObject({
      height: `0x${height.toString(16)}`,
      isSettled: true,
      bids: 2,
      openBids: 0,
      winners: [{ bundleHash: high["bundleHash"], price: "0xbebc200" }],
    });
    const revenue = await node.result("weft_getRevenue");
    expect(revenue).toMatchObject({ auction: "0x9896800", shareBps: 8_000 });
  });

  it("behavior: in the gateway's name only as far as its operator pays", async () => {
    const node = await start();
    const legs = [{ rollupId: OWN_ROLLUP, tx: await node.transfer(0) }];
    expect(await refusal(node, "weft_submitBid", { legs, amount: "1" })).toBe("POLICY_DISABLED");
    const tips = [{ rollupId: OWN_ROLLUP, tx: await node.transfer(0), tip: "1" }];
    expect(await refusal(node, "weft_sendBundle", { legs: tips })).toBe("POLICY_DISABLED");
    const paying = await start({
      spendMax: 10n,
      rollups: { [OWN_ROLLUP]: { auction: true, reserve: "5" }, [OTHER_ROLLUP]: {} },
    });
    await paying.step();
    const other = [{ rollupId: OTHER_ROLLUP, tx: "0xaa" }];
    for (const [params, code] of [
      [{ legs, amount: "11" }, "NOT_FUNDED"],
      [{ legs, amount: "4" }, "RESERVE_NOT_MET"],
      [{ legs: other, amount: "6" }, "POLICY_DISABLED"],
      // Its escrow is empty.
      [{ legs, amount: "6" }, "NOT_FUNDED"],
    ] as const) {
      expect(await refusal(paying, "weft_submitBid", params)).toBe(code);
    }
  });
});

describe("a rollup that another process executes", () => {
  it("behavior: its gateway takes bundles, cancellations and bids, and says what became of them", async () => {
    const node = await start({ isElsewhere: true, spendMax: 10n ** 9n });
    await node.step();
    const sent = await node.result("eth_sendBundle", {
      txs: [await node.transfer(0)],
      blockNumber: "0x3",
    });
    const cancelled = await node.result("eth_sendBundle", {
      txs: [await node.transfer(0)],
      replacementUuid: UUID,
    });
    await node.result("eth_cancelBundle", { replacementUuid: UUID });
    await steps(node, 2);
    expect(await status(node, cancelled)).toMatchObject({ state: "CANCELLED" });
    expect(await status(node, sent)).toMatchObject({ state: "RECEIVED" });
    await node.step();
    expect(await status(node, sent)).toMatchObject({ state: "SEALED", height: "0x4" });
    await fundBidders(node, [GATEWAY_WALLET], 500_000_000n);
    await steps(node, 1);
    const legs = [{ rollupId: OWN_ROLLUP, tx: await node.transfer(0) }];
    const bid = await node.result("weft_submitBid", { legs, amount: "200000000" });
    await steps(node, 4);
    expect(await status(node, bid)).toMatchObject({ state: "INCLUDED" });
    expect(await node.result("weft_getAuction")).toMatchObject({ isSettled: true, bids: 1 });
    // Checked with the state of the executor, wherever that is.
    const poor = await node.transfer(0, SEARCHERS.PAUPER);
    expect(await refusal(node, "eth_sendBundle", { txs: [poor] })).toBe("REFUSED");
    const txs = [await node.transfer(1)];
    expect(await refusal(node, "eth_sendBundle", { txs, blockNumber: 0 })).toBe("RANGE_INVALID");
  });
});

describe("who asks", () => {
  it("attack: what nobody could pay for on the rollup is not ordered at the gateway's cost", async () => {
    const node = await start();
    await node.step();
    const poor = await node.transfer(0, SEARCHERS.PAUPER);
    const requests = {
      eth_sendBundle: { txs: [poor] },
      eth_sendEncryptedTransaction: [poor],
      weft_sendBundle: { legs: [{ rollupId: OWN_ROLLUP, tx: poor }] },
    };
    for (const [method, params] of Object.entries(requests)) {
      const { error } = await node.call(method, params);
      expect(error).toMatchObject({ code: -32_003, data: { code: "REFUSED" } });
      expect(error?.message).toMatch(/insufficient funds/);
    }
    const elsewhere = { legs: [{ rollupId: OTHER_ROLLUP, tx: "0xaa" }] };
    expect(await refusal(node, "weft_sendBundle", elsewhere)).toBe("POLICY_DISABLED");
    // What the first pays for may be the second's matter.
    const both = { txs: [await node.transfer(0), poor] };
    expect(await node.call("eth_sendBundle", both)).toHaveProperty("result");
    expect(node.chain.app.poolSize().count).toBe(1);
  });

  it("behavior: a signature that is not over the body, or by somebody else, is refused", async () => {
    const node = await start();
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "weft_getMevParams", params: [] });
    for (const header of ["nonsense", `${ALICE.address}:0x${"11".repeat(65)}`]) {
      const response = await fetch(node.url, {
        method: "POST",
        headers: { "content-type": "application/json", "X-Flashbots-Signature": header },
        body,
      });
      expect(await response.json()).toMatchObject({
        error: { code: -32_020, data: { code: "BAD_SIGNATURE" } },
      });
    }
  });

  it("behavior: too many requests of one address are refused, and say so", async () => {
    const node = await start({ rate: { perSecond: 1, burst: 2 } });
    const codes: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      codes.push((await node.call("weft_getMevParams")).error?.data?.code);
    }
    expect(codes).toEqual([undefined, undefined, "RATE_LIMITED", "RATE_LIMITED"]);
  });

  it("behavior: addresses of one IPv6 network are limited as one", async () => {
    const node = await start({ rate: { perSecond: 0.001, burst: 1 }, proxyHops: 1 });
    const answers: unknown[] = [];
    for (const address of ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]) {
      const response = await fetch(node.url, {
        method: "POST",
        headers: { "x-forwarded-for": address },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "weft_getMevParams", params: [] }),
      });
      answers.push(await response.json());
    }
    const refused = { error: expect.objectContaining({ message: expect.stringMatching(/slow/) }) };
    const taken = { result: expect.anything() };
    expect(answers).toMatchObject([taken, refused, taken]);
  });

  it("behavior: without a key nothing is sent, least of all in the clear", async () => {
    const node = await start({ seal: { isOpen: false } });
    await node.step();
    const txs = [await node.transfer(0)];
    expect(await refusal(node, "eth_sendBundle", { txs })).toBe("KEYSET_EXPIRED");
    expect(node.chain.app.poolSize().count).toBe(0);
    expect(await node.result("weft_getEncryptionKey")).toMatchObject({ isOpen: false });
    const plain = { txs, privacy: { encrypted: false } };
    expect(await node.call("eth_sendBundle", plain)).toHaveProperty("result");
  });
});
