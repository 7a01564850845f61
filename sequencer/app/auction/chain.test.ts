import { describe, expect, test } from "vitest";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { EntryKind, FillStatus } from "../../../proto/verify/manifest.ts";
import { type BidOffer, fundBidders, makeBid, submitBid } from "../../../test/support/bidding.ts";
import {
  balanceOf,
  eventsOf,
  expectSupply,
  loseSecrets,
  type SealedChain,
  startSealedChain,
  stepUntil,
  submitSealed,
} from "../../../test/support/sealed-app.ts";
import {
  type ChainOptions,
  type DecidedBlock,
  nonce,
  signedItem,
  START_BALANCE,
  type TestChain,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { escrowOf } from "./escrow.ts";

const ESCROW = 500_000_000n;
const ROLLUPS: NonNullable<ChainOptions["rollups"]> = {
  alpha: { auction: true, auction_members: ["beta"], reserve: "1000" },
  beta: { auction: true, auction_leader: "alpha", reserve: "1000" },
  gamma: { auction: true, second_price: true },
  plain: {},
};

async function start(): Promise<SealedChain> {
  const sealed = await startSealedChain({ rollups: ROLLUPS });
  await fundBidders(sealed, [0, 1, 2], ESCROW);
  return sealed;
}

const escrow = ({ chain }: SealedChain, n: number): bigint =>
  escrowOf(chain.app.read.staking(), toHex(wallet(n).address)).balance;

/** Codes of the block's transactions. */
const codesOf = ({ txs, response }: DecidedBlock): readonly number[] =>
  response.txResults.flatMap(({ code }, at) =>
    decodeItem(txs[at] ?? EMPTY_BYTES).kind === "tx" ? [code] : [],
  );

async function submitDeposit(chain: TestChain, sender: number, amount: bigint): Promise<void> {
  const { nonce: next } = chain.app.read.pendingAccount(wallet(sender).address);
  const item = signedItem(wallet(sender), nonce(next), { kind: "depositEscrow", amount });
  expect(await chain.submit(item)).toBe(0);
}

const both = (text: string): BidOffer["tops"] => ({ alpha: text, beta: text });

describe("the path of a bid", () => {
  test("behavior: ordered in block b in the lists of the whole group, settled in b + 2, paid from escrow", async () => {
    const sealed = await start();
    const { chain } = sealed;
    const winner = await submitBid(sealed, 0, { amount: 90_000n, tops: both("top") });
    const loser = await submitBid(sealed, 1, { amount: 50_000n, tops: { alpha: "mine" } });
    const ordered = await chain.step(0);
    expect(codesOf(ordered)).toEqual([0, 0]);
    expect(eventsOf(ordered, "auction_")).toMatchObject([{ bids: "2" }]);
    const { height } = ordered;
    await chain.step(1);
    const settled = await chain.step(2);
    expect(settled.height).toBe(height + 2);
    const slices = await chain.app.blockSlices(settled.txs, settled.response);
    const fillsOf = (name: string) => {
      const slice = slices.slice(rollupIdOfName(name));
      return slice.kind === "presence" ? slice.fills.map(({ status }) => status) : [];
    };
    const { OPENED, LOST } = FillStatus;
    expect(fillsOf("alpha")).toHaveLength(2);
    expect(fillsOf("alpha")).toEqual(expect.arrayContaining([OPENED, LOST]));
    expect(fillsOf("beta")).toEqual(expect.arrayContaining([OPENED, LOST]));
    expect(eventsOf(settled, "bid_")).toMatchObject([
      { type: "bid_won", id: winner.id, price: "90000" },
      { type: "bid_lost", id: loser.id, reason: "OUTBID" },
    ]);
    expect([0, 1].map((n) => escrow(sealed, n))).toEqual([ESCROW - 90_000n, ESCROW]);
    // alpha: 50,000 and half of 39,000 more; 80% of each for the owners, beside fees.
    const revenue = eventsOf(settled, "revenue").map(({ gross, source }) => [source, gross]);
    expect(revenue).toEqual([
      ["auction", "69500"],
      ["auction", "20500"],
    ]);
    expect(chain.app.read.supply()).toMatchObject({ sealed: 0n, escrow: ESCROW * 3n - 90_000n });
    await expectSupply(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("behavior: entries are of kind BID, one in the list of each member, none elsewhere", async () => {
    const sealed = await start();
    const { chain } = sealed;
    await submitBid(sealed, 0, { amount: 90_000n, tops: { beta: "x" }, group: "alpha" });
    const ordered = await chain.step(0);
    const slices = await chain.app.blockSlices(ordered.txs, ordered.response);
    const kinds = ["alpha", "beta", "gamma", "plain"].map((name) => {
      const slice = slices.slice(rollupIdOfName(name));
      return slice.kind === "presence" ? slice.entries.map(({ kind }) => kind) : [];
    });
    expect(kinds).toEqual([[EntryKind.BID], [EntryKind.BID], [], []]);
  });

  test("behavior: bids and other sealed items share their batch, and each gets its own", async () => {
    const sealed = await start();
    const { chain } = sealed;
    const text = await submitSealed(sealed, 3, "text", { rollups: ["alpha"] });
    const bid = await submitBid(sealed, 0, { amount: 9_000n, tops: { gamma: "top" } });
    await chain.step(0);
    await chain.step(0);
    const settled = await chain.step(0);
    const opened = eventsOf(settled, "seal_opened").map(({ id }) => id);
    expect(opened).toEqual(expect.arrayContaining([text.id, bid.id]));
    // Second price without another bid: the reserve, which is 0.
    expect(eventsOf(settled, "bid_won")).toMatchObject([{ id: bid.id, price: "0" }]);
    expect(escrow(sealed, 0)).toBe(ESCROW);
  });

  test("behavior: an auction waits for a bid that nobody opens, and everything of that bid goes back", async () => {
    const sealed = await start();
    const { chain } = sealed;
    const giveBack = loseSecrets(chain, [0, 1]);
    const bid = await submitBid(sealed, 0, { amount: 9_000n, tops: { gamma: "top" } });
    const { height } = await chain.step(0);
    const before = balanceOf(chain, 0);
    const last = await stepUntil(chain, height + 1 + 16);
    expect(eventsOf(last, "seal_expired")).toMatchObject([{ id: bid.id }]);
    expect(eventsOf(last, "auction_settled")).toMatchObject([{ winners: "0" }]);
    expect(balanceOf(chain, 0)).toBeGreaterThan(before);
    expect(balanceOf(chain, 0) + escrow(sealed, 0)).toBeGreaterThan(START_BALANCE - 1_000_000n);
    giveBack();
    await expectSupply(chain);
  });

  test("attack: who sees all bids of the block cannot choose by a deposit which of its own count", async () => {
    const sealed = await start();
    const { chain } = sealed;
    await fundBidders(sealed, [3], ESCROW);
    const honest = await submitBid(sealed, 0, { amount: 450_000_000n, tops: { alpha: "honest" } });
    const level = (sender: number) =>
      submitBid(sealed, sender, { amount: ESCROW + BigInt(sender), tops: { alpha: `${sender}` } });
    const [low, high, backed] = [await level(1), await level(2), await level(3)];
    // In the block of the bids itself nobody can read them yet.
    await submitDeposit(chain, 3, 3n);
    await chain.step(0);
    await submitDeposit(chain, 1, 1n);
    await chain.step(0);
    await submitDeposit(chain, 2, 1_000n);
    const settled = await chain.step(0);
    expect(eventsOf(settled, "deposit_escrow")).toHaveLength(1);
    const bids = eventsOf(settled, "bid_").map(({ id, type, reason }) => [id, reason ?? type]);
    expect(Object.fromEntries(bids)).toEqual({
      [low.id]: "UNBACKED",
      [high.id]: "UNBACKED",
      [backed.id]: "bid_won",
      [honest.id]: "OUTBID",
    });
    await expectSupply(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
    // From the next block on it backs bids, whatever waited when it came.
    const bid = await submitBid(sealed, 2, { amount: ESCROW + 2n, tops: { alpha: "again" } });
    await chain.step(0);
    await chain.step(0);
    expect(eventsOf(await chain.step(0), "bid_won")).toMatchObject([{ id: bid.id }]);
  });

  test("behavior: its sender may open it by itself, and the auction is settled with that block", async () => {
    const sealed = await start();
    const { chain } = sealed;
    loseSecrets(chain, [0, 1]);
    const bid = await submitBid(sealed, 0, { amount: 9_000n, tops: { alpha: "top" } });
    const { height } = await chain.step(0);
    await chain.step(0);
    const id = Uint8Array.from(Buffer.from(bid.id, "hex"));
    const reveal = { kind: "selfReveal", height, id, seed: bid.seed } as const;
    const { nonce: next } = chain.app.read.pendingAccount(wallet(0).address);
    expect(await chain.submit(signedItem(wallet(0), nonce(next), reveal))).toBe(0);
    const settled = await chain.step(0);
    expect(eventsOf(settled, "bid_won")).toMatchObject([{ id: bid.id, amount: "9000" }]);
    expect(escrow(sealed, 0)).toBe(ESCROW - 9_000n);
    await expectSupply(chain);
  });
});

describe("bids that may not stand in a block", () => {
  test("behavior: the pool says why", async () => {
    const sealed = await start();
    const { chain, keys } = sealed;
    const codeOf = async (sender: number, offer: BidOffer): Promise<string | undefined> => {
      const { nonce: next } = chain.app.read.pendingAccount(wallet(sender).address);
      const bid = makeBid(wallet(sender), nonce(next), keys[0], chain.height + 1, offer);
      const code = await chain.submit(bid.item);
      return Object.entries(CODES).find(([, { number }]) => number === code)?.[0];
    };
    const offer: BidOffer = { amount: 5_000n, tops: { alpha: "x" } };
    expect(await codeOf(5, offer)).toBe("BID_NOT_FUNDED");
    expect(await codeOf(0, { ...offer, group: "beta" })).toBe("BID_GROUP");
    expect(await codeOf(0, { ...offer, group: "plain" })).toBe("BID_GROUP");
    expect(await codeOf(0, { ...offer, group: "nobody" })).toBe("BID_GROUP");
    const next = chain.height + 1;
    expect(await codeOf(0, { ...offer, maxHeight: next - 1 })).toBe("BID_LATE");
    expect(await codeOf(0, { ...offer, maxHeight: next + 101 })).toBe("BID_HEIGHT");
    expect(await codeOf(0, { ...offer, minHeight: next, maxHeight: next + 26 })).toBe("BID_HEIGHT");
    expect(await codeOf(0, offer)).toBe("OK");
  });

  test("attack: a proposer that puts one into a block all the same has it refused (P11)", async () => {
    const sealed = await start();
    const { chain, keys } = sealed;
    const height = chain.height + 1;
    const txs = await chain.prepare(0);
    const unfunded = makeBid(wallet(5), nonce(0), keys[0], height, {
      amount: 5_000n,
      tops: { alpha: "x" },
    });
    expect(await chain.refusal([...txs, unfunded.item], 1)).toMatch(/P11 BID_NOT_FUNDED/);
    const early = makeBid(wallet(0), nonce(1), keys[0], height, {
      amount: 5_000n,
      tops: { alpha: "x" },
      minHeight: height + 1,
    });
    expect(await chain.refusal([...txs, early.item], 1)).toMatch(/P11 BID_EARLY/);
    const six = Array.from({ length: 6 }, (_, n) =>
      makeBid(wallet(0), nonce(n + 1), keys[0], height, {
        amount: 5_000n + BigInt(n),
        tops: { alpha: "x" },
      }),
    );
    const items = six.map(({ item }) => item);
    expect(await chain.refusal([...txs, ...items], 1)).toMatch(/P11 BID_TOO_MANY/);
    // Five are fine, but the manifest has to say so.
    expect(await chain.refusal([...txs, ...items.slice(0, 5)], 1)).toMatch(/P5 MANIFEST/);
  });

  test("behavior: one whose first block is ahead waits in the pool for it", async () => {
    const sealed = await start();
    const { chain } = sealed;
    const minHeight = chain.height + 3;
    const offer = { amount: 5_000n, tops: { alpha: "x" }, minHeight, maxHeight: minHeight };
    const bid = await submitBid(sealed, 0, offer);
    expect(codesOf(await chain.step(0))).toEqual([]);
    expect(codesOf(await chain.step(0))).toEqual([]);
    const ordered = await chain.step(0);
    expect(eventsOf(ordered, "seal_ordered")).toMatchObject([{ id: bid.id }]);
  });

  test("behavior: a sixth bid of an account waits for the next block", async () => {
    const sealed = await start();
    const { chain } = sealed;
    for (let n = 0; n < 6; n++) {
      await submitBid(sealed, 0, { amount: 5_000n + BigInt(n), tops: { alpha: "x" } });
    }
    expect(codesOf(await chain.step(0))).toEqual([0, 0, 0, 0, 0]);
    expect(codesOf(await chain.step(0))).toEqual([0]);
  });
});
