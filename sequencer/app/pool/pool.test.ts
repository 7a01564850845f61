import { describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import {
  dataFor,
  idOf,
  nonce,
  signedItem,
  START_BALANCE,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { POOL_PARKED_PER_ACCOUNT_MAX } from "../limits.ts";

const codeOf = (name: keyof typeof CODES): number => CODES[name].number;

/** A small rollup item; `tip` decides its price. */
function item(sender: number, value: number, tip: bigint, text = "x"): Uint8Array {
  return signedItem(wallet(sender), nonce(value), dataFor("alpha", text), { tipPerByte: tip });
}

async function included(chain: TestChain): Promise<readonly string[]> {
  const { txs } = await chain.step(0);
  return txs.filter((tx) => decodeItem(tx).kind === "tx").map(toHex);
}

describe("pool", () => {
  test("behavior: pays best first, nonces in order, unordered ones by themselves", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const cheapFirst = item(0, 0, 1n);
    const richSecond = item(0, 1, 90n);
    const middle = item(1, 0, 5n);
    const free = signedItem(wallet(2), unordered(9), dataFor("beta", "y"), { tipPerByte: 50n });
    for (const tx of [richSecond, cheapFirst, middle, free]) expect(await chain.submit(tx)).toBe(0);
    expect(await included(chain)).toEqual([free, middle, cheapFirst, richSecond].map(toHex));
  });

  test("behavior: takes what fits and keeps the rest for the next block", async () => {
    const chain = await TestChain.start({ validators: 1, maxTxBytes: 3_000 });
    for (let n = 0; n < 4; n++) {
      expect(await chain.submit(item(n, 0, BigInt(n), "x".repeat(1_000)))).toBe(0);
    }
    expect(await included(chain)).toHaveLength(2);
    expect(chain.app.poolSize().count).toBe(2);
    expect(await included(chain)).toHaveLength(2);
  });

  test("behavior: when full, drops what pays least and says so; refuses what pays no more", async () => {
    const chain = await TestChain.start({ validators: 1, pool: { countMax: 3 } });
    const cheap = item(0, 0, 2n);
    const fine = item(1, 0, 20n);
    const behindFine = item(1, 1, 500n);
    for (const tx of [cheap, fine, behindFine]) expect(await chain.submit(tx)).toBe(0);
    expect(await chain.submit(item(2, 0, 2n))).toBe(codeOf("POOL_FULL"));
    expect(await chain.submit(item(2, 0, 10n))).toBe(0);
    expect(chain.app.transactionStatus(idOf(cheap))).toMatchObject({
      state: "evicted",
      code: codeOf("POOL_EVICTED"),
    });
    // A nonce behind a cheap one is worth no more than that one, whatever it offers, and goes first.
    expect(await chain.submit(item(3, 0, 30n))).toBe(0);
    expect(await chain.submit(item(4, 0, 30n))).toBe(0);
    expect(chain.app.transactionStatus(idOf(behindFine)).state).toBe("evicted");
    expect(chain.app.transactionStatus(idOf(fine)).state).toBe("pending");
    expect(chain.app.poolSize().count).toBe(3);
  });

  test("behavior: a dry run says what CheckTx would, and leaves no trace", async () => {
    const chain = await TestChain.start({ validators: 1, pool: { countMax: 2 } });
    const good = item(0, 0, 20n);
    const forged = good.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const dryRun = async (tx: Uint8Array) => (await chain.app.dryRun(tx)).code;
    expect(await dryRun(forged)).toBe(codeOf("TX_SIGNATURE"));
    expect(await dryRun(good)).toBe(0);
    expect(await dryRun(new Uint8Array(3))).not.toBe(0);
    expect(chain.app.poolSize().count).toBe(0);
    expect(chain.app.transactionStatus(idOf(good)).state).toBe("unknown");
    expect(await chain.submit(good)).toBe(0);
    expect(await dryRun(good)).toBe(codeOf("TX_KNOWN"));
    expect(await dryRun(item(0, 5_000, 20n))).toBe(codeOf("NONCE_GAP"));
    expect(await chain.submit(item(1, 0, 20n))).toBe(0);
    expect(await dryRun(item(2, 0, 20n))).toBe(codeOf("POOL_FULL"));
    expect(await dryRun(item(2, 0, 90n))).toBe(0);
    expect(chain.app.poolSize().count).toBe(2);
  });

  test("behavior: flushed, it is empty, says so of each, and takes transactions again", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const first = item(0, 0, 2n);
    const all = [first, item(0, 1, 2n), item(1, 0, 2n)];
    const told: string[] = [];
    chain.app.onPoolDropped((tx) => told.push(toHex(tx)));
    for (const tx of all) expect(await chain.submit(tx)).toBe(0);
    expect(chain.app.flushPool()).toBe(3);
    expect(told).toEqual(all.map(toHex));
    expect(chain.app.poolSize()).toEqual({ count: 0, bytes: 0 });
    expect(chain.app.transactionStatus(idOf(first))).toMatchObject({ state: "evicted" });
    expect(await chain.submit(first)).toBe(0);
    expect(await included(chain)).toEqual([toHex(first)]);
  });

  test("behavior: stays within its bytes", async () => {
    const chain = await TestChain.start({ validators: 1, pool: { bytesMax: 5_000 } });
    for (let n = 0; n < 8; n++) await chain.submit(item(n, 0, BigInt(n), "x".repeat(1_500)));
    expect(chain.app.poolSize().bytes).toBeLessThanOrEqual(5_000);
    expect(chain.app.poolSize().count).toBe(3);
    // Evicting many small ones for a large one that pays more.
    expect(await chain.submit(item(0, 0, 100n, "x".repeat(4_500)))).toBe(0);
    expect(chain.app.poolSize().count).toBe(1);
  });

  test("behavior: replaces a nonce for 10% more in both fees only", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const terms = (max: bigint, tip: bigint) => ({ maxFeePerByte: max, tipPerByte: tip });
    const send = (max: bigint, tip: bigint, text: string) =>
      signedItem(wallet(0), nonce(0), dataFor("alpha", text), terms(max, tip));
    const first = send(1_000n, 10n, "a");
    expect(await chain.submit(first)).toBe(0);
    expect(await chain.submit(send(1_099n, 11n, "b"))).toBe(codeOf("POOL_UNDERPRICED"));
    expect(await chain.submit(send(1_100n, 10n, "c"))).toBe(codeOf("POOL_UNDERPRICED"));
    const better = send(1_100n, 11n, "d");
    expect(await chain.submit(better)).toBe(0);
    expect(chain.app.transactionStatus(idOf(first))).toMatchObject({
      state: "evicted",
      code: codeOf("POOL_REPLACED"),
    });
    expect(await included(chain)).toEqual([toHex(better)]);
  });

  test("behavior: parks nonces behind a gap, says what they wait for, and takes them when it closes", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const late = item(0, 2, 9n);
    expect(await chain.submit(late)).toBe(0);
    expect(chain.app.transactionStatus(idOf(late))).toMatchObject({
      state: "pending",
      reason: "waiting for the account's nonce 0",
    });
    expect(await included(chain)).toEqual([]);
    await chain.submit(item(0, 0, 1n));
    expect(chain.app.read.pendingAccount(wallet(0).address).nonce).toBe(1n);
    await chain.submit(item(0, 1, 1n));
    expect(chain.app.read.pendingAccount(wallet(0).address).nonce).toBe(3n);
    expect(chain.app.transactionStatus(idOf(late))).toMatchObject({ reason: undefined });
    expect(await included(chain)).toHaveLength(3);
    // Only so many may wait.
    for (let n = 0; n < POOL_PARKED_PER_ACCOUNT_MAX; n++) {
      expect(await chain.submit(item(1, 10 + n, 1n))).toBe(0);
    }
    expect(await chain.submit(item(1, 5, 1n))).toBe(codeOf("NONCE_GAP"));
    expect(await chain.submit(item(1, 0, 1n))).toBe(0);
  });

  test("behavior: a burst of one account's nonces gets in whatever order its signatures finish", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const burst = Array.from({ length: 300 }, (_, n) => item(0, n, 1n));
    const codes = await Promise.all(burst.toReversed().map((tx) => chain.submit(tx)));
    expect(new Set(codes)).toEqual(new Set([0]));
    expect(await included(chain)).toEqual(burst.map(toHex));
  });

  test("behavior: a well-paid burst gets into a full pool, however its signatures finish", async () => {
    const chain = await TestChain.start({ validators: 1, pool: { countMax: 200 } });
    const cheap = Array.from({ length: 200 }, (_, n) => item(0, n, 1n));
    for (const tx of cheap) expect(await chain.submit(tx)).toBe(0);
    // The first signature takes longest, so that all others are ahead of it for a while.
    chain.node(0).watch.delayNext = true;
    const burst = Array.from({ length: 100 }, (_, n) => item(1, n, 9n));
    const codes = await Promise.all(burst.map((tx) => chain.submit(tx)));
    expect(new Set(codes)).toEqual(new Set([0]));
    expect(chain.app.poolSize().count).toBe(200);
    expect(chain.app.read.pendingAccount(wallet(0).address).nonce).toBe(100n);
  });

  test("behavior: an account funded for one transaction has one pending, not a thousand", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const poor = wallet(100);
    await chain.submit(signedItem(wallet(0), nonce(0), transferTo(poor.address, 300_000n)));
    await chain.step(0);
    const codes: number[] = [];
    for (let n = 0; n < 20; n++) {
      codes.push(
        await chain.submit(signedItem(poor, unordered(20, `${n}`), dataFor("alpha", "x"))),
      );
    }
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect(new Set(codes.slice(1))).toEqual(new Set([codeOf("INSUFFICIENT_FUNDS")]));
    expect(chain.app.read.pendingAccount(poor.address).balance).toBeLessThan(200_000n);
  });

  test("behavior: refuses at the door what could only cost its sender a fee", async () => {
    const chain = await TestChain.start({ validators: 1, params: { base_fee_min: "5" } });
    expect(await chain.submit(signedItem(wallet(0), nonce(0), dataFor("nobody", "x")))).toBe(
      codeOf("ROLLUP_UNKNOWN"),
    );
    const all = transferTo(wallet(1).address, START_BALANCE);
    expect(await chain.submit(signedItem(wallet(0), nonce(0), all))).toBe(codeOf("TRANSFER_FUNDS"));
    const stingy = { maxFeePerByte: 4n, tipPerByte: 4n };
    expect(await chain.submit(signedItem(wallet(0), nonce(3), dataFor("alpha", "x"), stingy))).toBe(
      codeOf("FEE_TOO_LOW"),
    );
    expect(await chain.submit(signedItem(wallet(0), unordered(1), dataFor("alpha", "x")))).toBe(
      codeOf("UNORDERED_EXPIRED"),
    );
    expect(await chain.submit(signedItem(wallet(0), unordered(602), dataFor("alpha", "x")))).toBe(
      codeOf("UNORDERED_TOO_FAR"),
    );
    expect(await chain.submit(signedItem(wallet(0), unordered(601), dataFor("alpha", "x")))).toBe(
      0,
    );
    const stranger = wallet(200);
    expect(await chain.submit(signedItem(stranger, nonce(0), dataFor("alpha", "x")))).toBe(
      codeOf("INSUFFICIENT_FUNDS"),
    );
  });

  test("behavior: a bad signature says nothing about the transaction it copies", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const good = item(0, 0, 1n);
    const forged = good.with(good.length - 1, (good.at(-1) ?? 0) ^ 1);
    expect(idOf(forged)).toEqual(idOf(good));
    expect(await chain.submit(forged)).toBe(codeOf("TX_SIGNATURE"));
    expect(chain.app.transactionStatus(idOf(good)).state).toBe("unknown");
    const [a, b] = await Promise.all([chain.submit(forged), chain.submit(good)]);
    expect([a, b]).toEqual([codeOf("TX_SIGNATURE"), 0]);
    expect(chain.app.transactionStatus(idOf(good)).state).toBe("pending");
  });

  test("behavior: after a block, lets go of what it overtook, made unaffordable or ran out of time", async () => {
    const chain = await TestChain.start({ validators: 2 });
    const overtaken = item(0, 0, 1n, "mine");
    const broke = signedItem(wallet(1), nonce(1), dataFor("alpha", "x".repeat(20_000)), {
      maxFeePerByte: 30_000_000n,
    });
    const brief = signedItem(wallet(2), unordered(2), dataFor("alpha", "brief"), {
      maxFeePerByte: 1n,
      tipPerByte: 0n,
    });
    for (const tx of [overtaken, broke, brief]) expect(await chain.submit(tx, 0)).toBe(0);
    // Node 1 knows other transactions of the same accounts, and proposes.
    expect(await chain.submit(item(0, 0, 1n, "theirs"), 1)).toBe(0);
    const spend = transferTo(wallet(3).address, (START_BALANCE * 9n) / 10n);
    expect(await chain.submit(signedItem(wallet(1), nonce(0), spend), 1)).toBe(0);
    await chain.step(1);
    const { app } = chain;
    expect(app.transactionStatus(idOf(overtaken))).toMatchObject({
      state: "evicted",
      code: codeOf("NONCE_USED"),
    });
    expect(app.transactionStatus(idOf(broke))).toMatchObject({
      state: "evicted",
      code: codeOf("INSUFFICIENT_FUNDS"),
    });
    expect(app.transactionStatus(idOf(brief))).toMatchObject({
      state: "expired",
      code: codeOf("UNORDERED_EXPIRED"),
    });
    expect(app.poolSize()).toEqual({ count: 0, bytes: 0 });
    const recheck = async (tx: Uint8Array) => (await app.checkTx({ tx, type: "recheck" })).code;
    expect(await recheck(overtaken)).toBe(codeOf("NONCE_USED"));
    expect(await recheck(broke)).toBe(codeOf("INSUFFICIENT_FUNDS"));
    expect(await recheck(brief)).toBe(codeOf("UNORDERED_EXPIRED"));
    const fresh = item(4, 0, 1n);
    expect(await recheck(fresh), "unknown after a restart: a new chance").toBe(0);
    expect(await recheck(fresh)).toBe(0);
  });

  test("behavior: says that a transaction waits for a lower base fee, and takes it then", async () => {
    const chain = await TestChain.start({
      validators: 1,
      params: { block_bytes_target: 1_024, base_fee_min: "100" },
    });
    const patient = signedItem(wallet(0), nonce(0), dataFor("alpha", "patient"), {
      maxFeePerByte: 100n,
      tipPerByte: 0n,
    });
    const rich = item(1, 0, 5n, "x".repeat(2_500));
    await chain.submit(rich);
    // Room for one of the two.
    const [manifest] = await chain.prepare(0);
    await chain.submit(patient);
    await chain.decide([manifest, rich].filter((tx) => tx !== undefined));
    expect(chain.app.transactionStatus(idOf(patient))).toMatchObject({
      state: "pending",
      reason: "waiting for a base fee of at most 100, it is 112",
    });
    expect(await included(chain)).toEqual([]);
    expect(await included(chain)).toEqual([toHex(patient)]);
  });
});
