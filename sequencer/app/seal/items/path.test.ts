import { describe, expect, test } from "vitest";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../../../proto/bytes.ts";
import { decodeItem, encodeItem, type Item } from "../../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../../proto/codec/weft-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import {
  balanceOf,
  eventsOf,
  expectSupply,
  loseSecrets,
  openingsIn,
  type SealedChain,
  type SealedChainOptions,
  type SealedText,
  sealText,
  startSealedChain,
  stepUntil,
  submitSealed,
  withOpenings,
  withPoints,
} from "../../../../test/support/sealed-app.ts";
import {
  dataFor,
  idOf,
  nonce,
  ROLLUPS,
  signedItem,
  START_BALANCE,
  type TestChain,
  unordered,
  wallet,
} from "../../../../test/support/weft-app.ts";
import { CODES } from "../../codes.ts";
import { DEFAULT_PARAMS } from "../../params.ts";

const BOND = DEFAULT_PARAMS.sealBond;
const kindsOf = (txs: readonly Uint8Array[]): readonly string[] =>
  txs.map((tx) => decodeItem(tx).kind);

describe("the path of a sealed item", () => {
  test("behavior: ordered in block b, shared in the votes on b + 1, opened in b + 2", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { item, id } = await submitSealed(sealed, 0, "hidden", { rollups: ROLLUPS });
    const ordered = await chain.step(0);
    const fee = BigInt(item.length) * 2n;
    expect(kindsOf(ordered.txs)).toEqual(["manifest", "tx"]);
    expect(eventsOf(ordered)).toMatchObject([{ type: "seal_ordered", id, key: "1" }]);
    expect(chain.app.read.supply().sealed).toBe(fee + BOND);
    expect(balanceOf(chain, 0)).toBe(START_BALANCE - fee - BOND);

    const between = await chain.step(1);
    expect(kindsOf(between.txs)).toEqual(["manifest", "injectedCommit"]);
    expect(eventsOf(between)).toEqual([]);

    const opened = await chain.step(2);
    expect(kindsOf(opened.txs)).toEqual(["manifest", "injectedCommit", "openings"]);
    expect(eventsOf(opened)).toMatchObject([
      { type: "seal_opened", id, height: String(ordered.height), by: "committee" },
      { type: "seal_fills" },
    ]);
    expect(chain.app.read.supply()).toMatchObject({ sealed: 0n, feePool: 0n });
    expect(balanceOf(chain, 0)).toBe(START_BALANCE - fee);
    await expectSupply(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("behavior: each rollup gets its content at the place that the item has among its entries", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    await submitSealed(sealed, 0, "first", { rollups: ["alpha"], tipPerByte: 9n });
    await submitSealed(sealed, 1, "second", { rollups: ROLLUPS, tipPerByte: 5n });
    await chain.submit(
      signedItem(wallet(2), nonce(0), dataFor("alpha", "open"), { tipPerByte: 99n }),
    );
    const ordered = await chain.step(0);
    const opened = await stepUntil(chain, ordered.height + 2);
    const slices = await chain.app.blockSlices(opened.txs, opened.response);
    const fillsOf = (name: string) => {
      const slice = slices.slice(rollupIdOfName(name));
      return slice.kind === "presence" ? slice.fills : [];
    };
    expect(fillsOf("alpha")).toMatchObject([
      { height: ordered.height, position: 0, status: 1 },
      { height: ordered.height, position: 1, status: 1 },
    ]);
    expect(fillsOf("beta")).toMatchObject([{ height: ordered.height, position: 0, status: 1 }]);
  });

  test("behavior: what the item paid is shared when it opens, with a part for the rollups' owners", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { item } = await submitSealed(sealed, 1, "x", { rollups: ROLLUPS });
    await stepUntil(chain, 2);
    expect(chain.app.read.supply().rollupRevenue).toBe(0n);
    await chain.step(0);
    const fee = BigInt(item.length) * 2n;
    const { rollupRevenue, rewards, community } = chain.app.read.supply();
    expect(rollupRevenue).toBe((fee * BigInt(DEFAULT_PARAMS.feeRollupBps)) / 10_000n);
    expect(rollupRevenue + rewards + community).toBe(fee);
  });

  test("behavior: batches of following blocks are opened one after the other", async () => {
    const sealed = await startSealedChain({ tickets: [3, 1, 1, 1] });
    const { chain } = sealed;
    const ids: string[] = [];
    const openedAt = new Map<string, number>();
    for (let height = 1; height <= 6; height++) {
      if (height <= 4) ids.push((await submitSealed(sealed, height, `text ${height}`)).id);
      const block = await chain.step(0);
      for (const { type, id = "" } of eventsOf(block)) {
        if (type === "seal_opened") openedAt.set(id, block.height);
      }
    }
    expect(ids.map((id) => openedAt.get(id))).toEqual([3, 4, 5, 6]);
  });

  test("behavior: a node opens each item once, whether it proposes, checks or finalizes", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    for (let n = 0; n < 3; n++) await submitSealed(sealed, n, `text ${n}`);
    await stepUntil(chain, 3);
    expect(chain.nodes.map(({ watch }) => watch.openedItems)).toEqual([3, 3, 3, 3]);
  });

  test("behavior: a node that restarts between share and opening goes on", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { id } = await submitSealed(sealed, 0, "x");
    await stepUntil(chain, 2);
    for (let n = 0; n < 4; n++) await chain.restart(n);
    expect(eventsOf(await chain.step(1))).toMatchObject([{ type: "seal_opened", id }, {}]);
  });
});

describe("openings of a proposer", () => {
  async function readyToOpen(options: SealedChainOptions = {}): Promise<SealedChain> {
    const sealed = await startSealedChain(options);
    await submitSealed(sealed, 0, "one", { tipPerByte: 5n });
    await submitSealed(sealed, 1, "two");
    await stepUntil(sealed.chain, 2);
    return sealed;
  }

  test("attack: to leave them out is refused when t tickets have given their shares", async () => {
    const { chain } = await readyToOpen();
    const txs = await chain.prepare(0);
    const without = withOpenings(txs, () => undefined);
    expect(await chain.refusal(without, 1)).toMatch(
      /batch 1 has to be opened, its shares were given/,
    );
    await chain.decide(txs);
  });

  test("attack: points that are swapped, wrong, of a group's identity for all, or too few are refused", async () => {
    const { chain } = await readyToOpen();
    const txs = await chain.prepare(0);
    const swapped = withPoints(
      txs,
      (points) => new Uint8Array([...points.subarray(32), ...points.subarray(0, 32)]),
    );
    expect(await chain.refusal(swapped, 1)).toMatch(/point of item 0 of batch 1 does not open it/);
    const wrong = withPoints(txs, (points) => points.with(40, (points[40] ?? 0) ^ 1));
    expect(await chain.refusal(wrong, 1)).toMatch(/point of item 1 of batch 1 does not open it/);
    const noPoint = withPoints(txs, (points) => points.map(() => 0xff));
    expect(await chain.refusal(noPoint, 1)).toMatch(/does not open it/);
    const short = withPoints(txs, (points) => points.slice(0, 32));
    expect(await chain.refusal(short, 1)).toMatch(/has 2 open items, got 32 bytes/);
    // What is disputed has no fill: the manifest has to say so too.
    const disputed = withPoints(txs, (points) => points.map(() => 0));
    expect(await chain.refusal(disputed, 1)).toMatch(/the manifest is not the one/);
    await chain.decide(txs);
  });

  test("attack: openings that nobody was asked for are refused", async () => {
    const { chain } = await readyToOpen();
    const txs = await chain.prepare(0);
    const openings = openingsIn(txs);
    assert(openings !== undefined, "there is something to open");
    await chain.decide(txs);
    const next = await chain.prepare(0);
    const again: Item = { kind: "openings", openings };
    expect(await chain.refusal([...next, encodeItem(again)], 1)).toMatch(
      /batch 1 was not asked for, or is resolved/,
    );
    const dispute: Item = {
      kind: "openings",
      openings: {
        batches: [],
        disputes: [
          {
            height: Height(1),
            index: 0,
            shares: [{ ticket: 1, point: new Uint8Array(32), proof: new Uint8Array(64) }],
          },
        ],
      },
    };
    expect(await chain.refusal([...next, encodeItem(dispute)], 1)).toMatch(/was not asked for/);
  });

  test("attack: two items of openings, or one behind a transaction, are refused", async () => {
    const { chain } = await readyToOpen();
    const txs = await chain.prepare(0);
    const openings = txs[2] ?? EMPTY_BYTES;
    expect(await chain.refusal([...txs, openings], 1)).toMatch(/TX_KIND|LANE_REVEAL_ITEMS/);
    const data = signedItem(wallet(3), nonce(0), dataFor("alpha", "x"));
    const late = [...txs.slice(0, 2), data, openings];
    expect(await chain.refusal(late, 1)).toMatch(/TX_KIND/);
  });
});

test("behavior: the minimal block opens what has to be opened, and gives back what is due", async () => {
  const sealed = await startSealedChain();
  const { chain } = sealed;
  const expiring = await submitSealed(sealed, 0, "expires");
  const giveBack = loseSecrets(chain, [0, 1]);
  const { height } = await chain.step(0);
  const last = height + 1 + 16;
  await stepUntil(chain, last - 3);
  giveBack();
  // Of the other parity than the first one; the votes on the block before the last show it.
  const opened = await submitSealed(sealed, 1, "opens");
  await chain.step(0);
  await chain.step(0);
  await chain.submit(signedItem(wallet(2), nonce(0), dataFor("alpha", "x")));
  chain.node(0).watch.failAfter = 1;
  const txs = await chain.prepare(0);
  expect(chain.node(0).watch.fallbacks).toBe(1);
  expect(kindsOf(txs)).toEqual(["manifest", "injectedCommit", "openings"]);
  const block = await chain.decide(txs);
  expect(block.height).toBe(last);
  expect(eventsOf(block)).toMatchObject([
    { type: "seal_opened", id: opened.id },
    { type: "seal_expired", id: expiring.id },
    { type: "seal_fills" },
  ]);
});

describe("shares that are missing", () => {
  test("behavior: one that abstains changes nothing; with two of four the batch waits for the next answer", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const first = await submitSealed(sealed, 0, "first");
    loseSecrets(chain, [3]);
    const one = await stepUntil(chain, 3);
    expect(eventsOf(one)).toMatchObject([{ type: "seal_opened", id: first.id }, {}]);
    const giveBack = loseSecrets(chain, [2]);
    const { id } = await submitSealed(sealed, 1, "second");
    const ordered = await chain.step(0);
    await chain.step(0);
    giveBack();
    const waiting = await chain.step(0);
    expect(waiting.height).toBe(ordered.height + 2);
    expect(eventsOf(waiting)).toEqual([]);
    const opened = await stepUntil(chain, ordered.height + 4);
    expect(eventsOf(opened)).toMatchObject([{ type: "seal_opened", id }, {}]);
  });

  test("behavior: while a third and more abstain, blocks go on; what is not opened expires with everything back", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const lost = await submitSealed(sealed, 0, "lost", { rollups: ROLLUPS });
    loseSecrets(chain, [0, 1]);
    const ordered = await chain.step(0);
    const last = ordered.height + 1 + 16;
    await stepUntil(chain, last - 1);
    expect(chain.app.read.supply().sealed).toBeGreaterThan(0n);
    expect(balanceOf(chain, 0)).toBeLessThan(START_BALANCE);
    const expired = await chain.step(0);
    expect(expired.height).toBe(last);
    expect(eventsOf(expired)).toMatchObject([
      { type: "seal_expired", id: lost.id, reason: "too few shares came in time" },
      { type: "seal_fills" },
    ]);
    expect(balanceOf(chain, 0)).toBe(START_BALANCE);
    expect(chain.app.read.supply().sealed).toBe(0n);
    await expectSupply(chain);
    const slices = await chain.app.blockSlices(expired.txs, expired.response);
    const slice = slices.slice(rollupIdOfName("beta"));
    expect(slice.kind === "presence" && slice.fills).toMatchObject([
      { height: ordered.height, position: 0, status: 3 },
    ]);
    for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
  });
});

describe("keys", () => {
  const codeOf = (chain: TestChain, { item }: SealedText) => chain.submit(item);

  test("behavior: items for a key that was replaced, is not in force yet, or that nobody knows are refused and stay private", async () => {
    const { chain, keys } = await startSealedChain({
      moreKeys: 2,
      seal: { activeKey: 2, nextKey: 3, nextKeyHeight: Height(50), lastGeneration: 3 },
    });
    const [first, second, third] = keys;
    assert(second !== undefined && third !== undefined, "three keys");
    const of = (key: typeof first, text: string) => sealText(wallet(0), nonce(0), key, text);
    expect(await codeOf(chain, of(first, "old"))).toBe(CODES.SEAL_KEY_OLD.number);
    const early = await chain.app.checkTx({ tx: of(third, "early").item, type: "new" });
    expect(early).toMatchObject({ code: CODES.SEAL_KEY_NOT_YET.number });
    expect(early.log).toMatch(/key 3 is from block 50 on; until then, it is key 2/);
    // What the pool refuses, a proposer may still propose: it pays, and nobody is asked to open it.
    const old = of(first, "old");
    const block = await chain.decide([...(await chain.prepare(0)), old.item]);
    expect(block.response.txResults.at(-1)?.code).toBe(CODES.SEAL_KEY_OLD.number);
    expect(chain.app.read.supply().sealed).toBe(0n);
    const after = await stepUntil(chain, 3);
    expect(openingsIn(after.txs)).toBeUndefined();
    expect(await chain.submit(sealText(wallet(0), nonce(1), second, "good").item)).toBe(0);
  });

  test("behavior: at the change of keys, each block takes one of them, and both batches open", async () => {
    const { chain, keys } = await startSealedChain({
      moreKeys: 1,
      seal: { nextKey: 2, nextKeyHeight: Height(3), lastGeneration: 2 },
    });
    const [first, second] = keys;
    assert(second !== undefined, "two keys");
    await chain.step(0);
    const last = sealText(wallet(0), nonce(0), first, "last of the first");
    expect(await codeOf(chain, last)).toBe(0);
    const late = sealText(wallet(1), unordered(30), first, "too late", {
      maxFeePerByte: 1n,
      tipPerByte: 0n,
    });
    await chain.step(0);
    expect(await codeOf(chain, late)).toBe(CODES.SEAL_KEY_OLD.number);
    const next = sealText(wallet(2), nonce(0), second, "first of the second");
    expect(await codeOf(chain, next)).toBe(0);
    await chain.step(0);
    const both = [await chain.step(0), await chain.step(0)];
    expect(both.map((block) => eventsOf(block)[0])).toMatchObject([
      { type: "seal_opened", id: toHex(idOf(last.item)) },
      { type: "seal_opened", id: toHex(idOf(next.item)) },
    ]);
  });

  test("behavior: a pending item leaves the pool when its key is replaced, or its last block has passed", async () => {
    const { chain, keys } = await startSealedChain({
      moreKeys: 1,
      seal: { nextKey: 2, nextKeyHeight: Height(3), lastGeneration: 2 },
    });
    const [first] = keys;
    const old = sealText(wallet(0), nonce(0), first, "old");
    const brief = sealText(wallet(1), nonce(0), first, "brief", { maxHeight: 1 });
    // They are pending at node 3 alone, and node 0 proposes.
    for (const { item } of [old, brief]) expect(await chain.submit(item, 3)).toBe(0);
    const stateOf = ({ item }: SealedText) => chain.node(3).app.transactionStatus(idOf(item));
    await chain.step(0);
    expect(stateOf(brief)).toMatchObject({ state: "evicted", code: CODES.SEAL_TOO_LATE.number });
    expect(stateOf(old)).toMatchObject({ state: "pending" });
    await chain.step(0);
    expect(stateOf(old)).toMatchObject({ state: "evicted", code: CODES.SEAL_KEY_OLD.number });
  });

  test("behavior: nothing is taken while the lane is closed, or the bond cannot be paid", async () => {
    const closed = await startSealedChain({ seal: { isOpen: false } });
    const item = (chain: SealedChain, sender = 0) =>
      sealText(wallet(sender), nonce(0), chain.keys[0], "x").item;
    expect(await closed.chain.submit(item(closed))).toBe(CODES.SEAL_LANE_OFF.number);
    const none = await startSealedChain({ seal: { activeKey: 0 } });
    expect(await none.chain.submit(item(none))).toBe(CODES.SEAL_LANE_OFF.number);
    const dear = await startSealedChain({ params: { seal_bond: START_BALANCE.toString() } });
    expect(await dear.chain.submit(item(dear))).toBe(CODES.SEAL_BOND.number);
  });
});

describe("room", () => {
  // 60,392 bytes of an answer for 300 tickets: 3 points each, with their proof.
  const options = { validators: 1, tickets: [300], threshold: 2 };
  const countTxs = (txs: readonly Uint8Array[]): number =>
    kindsOf(txs).filter((kind) => kind === "tx").length;

  test("behavior: a block takes what validators can show shares of in time, the rest goes into the next", async () => {
    const sealed = await startSealedChain(options);
    const { chain } = sealed;
    for (let n = 0; n < 5; n++) await submitSealed(sealed, n, `text ${n}`);
    const txs = await chain.prepare(0);
    expect(countTxs(txs)).toBe(3);
    const more = sealText(wallet(7), nonce(0), sealed.keys[0], "one more");
    expect(await chain.refusal([...txs, more.item])).toMatch(/SEAL_FULL/);
    await chain.decide(txs);
    expect(countTxs(await chain.prepare(0))).toBe(2);
    expect(chain.node(0).watch.fallbacks).toBe(0);
  });

  test("behavior: what waits takes room from blocks of its parity alone", async () => {
    const sealed = await startSealedChain(options);
    const { chain } = sealed;
    loseSecrets(chain, [0]);
    for (let n = 0; n < 2; n++) await submitSealed(sealed, n, `text ${n}`);
    await chain.step(0);
    for (let n = 2; n < 8; n++) await submitSealed(sealed, n, `text ${n}`);
    const counts: number[] = [];
    for (let n = 0; n < 3; n++) counts.push(countTxs((await chain.step(0)).txs));
    expect(counts).toEqual([3, 1, 0]);
  });
});
