/** Commit and reveal through the whole application: lanes, places, fills, money, on several nodes. */
import { describe, expect, test } from "vitest";
import { commitHash } from "../../../../mev/seal/commit.ts";
import { encodeContent } from "../../../../mev/seal/content.ts";
import { Height } from "../../../../proto/brands.ts";
import { utf8ToBytes } from "../../../../proto/bytes.ts";
import {
  type Action,
  payloadHash,
  rollupData,
  rollupIdOfName,
} from "../../../../proto/codec/weft-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { FillStatus } from "../../../../proto/verify/manifest.ts";
import { expectSupply, startSealedChain } from "../../../../test/support/sealed-app.ts";
import {
  CHAIN_ID,
  dataFor,
  type DecidedBlock,
  idOf,
  nonce,
  ROLLUPS,
  signedItem,
  START_BALANCE,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../../test/support/weft-app.ts";
import { CODES } from "../../codes.ts";
import { readFillsEvents } from "../fills.ts";
import { oldestUnresolved } from "../reader.ts";

const ALPHA = rollupIdOfName(ROLLUPS[0]);
const SALT = new Uint8Array(32).fill(3);
const CONTENT = encodeContent([{ rollupId: ALPHA, data: [utf8ToBytes("hidden order")] }]);
const BOND = 1_000_000n;
/** Default of sealRevealBlocks, which four validators need no longer than. */
const WINDOW = 16;

describe("commit and reveal on a chain", () => {
  test("behavior: the place is the commit's, the content comes later, and only fees are paid", async () => {
    const chain = await startChain();
    const commit = commitItem();
    expect(await chain.submit(commit)).toBe(0);
    const plain = signedItem(wallet(1), nonce(0), dataFor(ROLLUPS[0], "plain"));
    expect(await chain.submit(plain)).toBe(0);
    const ordered = await chain.step(0);
    expect(ordered.txs.slice(-2)[0], "sealed entries stand before plain ones").toEqual(commit);
    const id = idOf(commit);
    expect(chain.app.read.supply().sealed).toBe(BOND + REVEAL_BYTES * MAX_FEE);

    const reveal = revealItem(ordered.height, id);
    expect(await chain.submit(reveal)).toBe(0);
    const revealed = await chain.step(0);
    expect(fillsOf(revealed)).toEqual([
      {
        rollupId: ALPHA,
        fill: {
          height: ordered.height,
          position: 0,
          status: FillStatus.OPENED,
          contentHash: payloadHash(rollupData(ALPHA, [utf8ToBytes("hidden order")]).payload),
        },
        opener: { kind: "reveal" },
      },
    ]);
    const fees = BigInt(commit.length + reveal.length) * 2n;
    expect(chain.app.read.account(wallet(0).address).balance).toBe(START_BALANCE - fees);
    expect(chain.app.read.supply().sealed).toBe(0n);
    await chain.replay();
  });

  test("behavior: a commit that nobody reveals is void after its window, and the next one costs twice", async () => {
    const chain = await startChain();
    const commit = commitItem();
    expect(await chain.submit(commit)).toBe(0);
    const ordered = await chain.step(0);
    for (let i = 1; i < WINDOW; i++) expect(fillsOf(await chain.step(i % 4))).toEqual([]);
    const last = await chain.step(0);
    expect(last.height).toBe(ordered.height + WINDOW);
    expect(fillsOf(last).map(({ fill }) => [fill.height, fill.status])).toEqual([
      [ordered.height, FillStatus.VOID],
    ]);
    const { sealed, burned } = chain.app.read.supply();
    expect({ sealed, burned }).toEqual({ sealed: 0n, burned: BOND });
    expect(await chain.submit(revealItem(ordered.height, idOf(commit)))).toBe(
      CODES.SEAL_COMMIT_UNKNOWN.number,
    );
    expect(await chain.submit(commitItem(1))).toBe(0);
    await chain.step(0);
    expect(chain.app.read.supply().sealed).toBe(2n * BOND + REVEAL_BYTES * MAX_FEE);
    await chain.replay();
  });

  test("behavior: a reveal in a block whose commit is another's fails, and pays", async () => {
    const chain = await startChain();
    const commit = commitItem();
    expect(await chain.submit(commit)).toBe(0);
    const ordered = await chain.step(0);
    const action = revealAction(ordered.height, idOf(commit));
    const stolen = signedItem(wallet(1), nonce(0), action, TERMS);
    expect(await chain.submit(stolen)).toBe(CODES.SEAL_REVEAL_SENDER.number);
    const [manifest, injected] = await chain.prepare(0);
    const txs = [manifest, injected, stolen].filter((item) => item !== undefined);
    const block = await chain.decide(txs);
    expect(block.response.txResults[2]?.code).toBe(CODES.SEAL_REVEAL_SENDER.number);
    expect(fillsOf(block)).toEqual([]);
    expect(chain.app.read.supply().sealed).toBe(BOND + REVEAL_BYTES * MAX_FEE);
  });

  test("attack: while a key is in force nobody holds up a rollup with commits", async () => {
    const { chain } = await startSealedChain();
    await chain.step(0);
    const commit = commitItem();
    expect(await chain.submit(commit)).toBe(CODES.SEAL_LANE_OPEN.number);
    // A proposer that takes one all the same: it pays, has no place, and hides nothing.
    const [manifest, injected] = await chain.prepare(0);
    const txs = [manifest, injected, commit].filter((item) => item !== undefined);
    const block = await chain.decide(txs);
    expect(block.response.txResults[2]?.code).toBe(CODES.SEAL_LANE_OPEN.number);
    expect(block.response.txResults[2]?.events.map(({ type }) => type)).not.toContain(
      "seal_committed",
    );
    expect(chain.app.read.supply().sealed).toBe(0n);
    expect(oldestUnresolved(chain.app.read.staking())).toBeUndefined();
  });

  test("behavior: a commit from before the key is revealed under it, and no other is taken then", async () => {
    const first = Height(3);
    const { chain } = await startSealedChain({
      params: { seal_commit_bond: BOND.toString() },
      seal: { activeKey: 0, nextKey: 1, nextKeyHeight: first, lastGeneration: 1 },
    });
    const commit = commitItem();
    expect(await chain.submit(commit)).toBe(0);
    const ordered = await chain.step(0);
    await chain.stepTo(first, 0);
    expect(await chain.submit(commitItem(1))).toBe(CODES.SEAL_LANE_OPEN.number);
    expect(await chain.submit(revealItem(ordered.height, idOf(commit)))).toBe(0);
    expect(fillsOf(await chain.step(0)).map(({ fill }) => fill.status)).toEqual([
      FillStatus.OPENED,
    ]);
  });

  describe("a sender that has nothing beside what its commit holds", () => {
    test("behavior: reveals content that fills the bucket, and has its bond back", async () => {
      const { chain, commit, height } = await startBroke();
      const reveal = brokeItem(0, revealOfBroke(height, commit));
      const cost = BigInt(reveal.length) * BARE.maxFeePerByte;
      expect(await chain.submit(reveal)).toBe(0);
      const revealed = await chain.step(0);
      expect(fillsOf(revealed).map(({ fill }) => fill.status)).toEqual([FillStatus.OPENED]);
      const held = BOND + REVEAL_BYTES * BARE.maxFeePerByte;
      expect(chain.app.read.account(BROKE.address).balance).toBe(held - cost);
      expect(chain.app.read.supply()).toMatchObject({ sealed: 0n, burned: 0n });
      await expectSupply(chain);
      await chain.replay();
    });

    test("behavior: pays with it for a reveal that fails too, once, and for no other transaction", async () => {
      const { chain, commit, height } = await startBroke();
      const wrong = { ...revealOfBroke(height, commit), salt: new Uint8Array(32) };
      const failing = brokeItem(0, wrong);
      const [manifest, injected] = await chain.prepare(0);
      const block = await chain.decide(
        [manifest, injected, failing].filter((item) => item !== undefined),
      );
      expect(block.response.txResults[2]?.code).toBe(CODES.SEAL_REVEAL_HASH.number);
      const held = REVEAL_BYTES * BARE.maxFeePerByte;
      const left = held - BigInt(failing.length) * BARE.maxFeePerByte;
      expect(chain.app.read.supply().sealed).toBe(BOND + left);
      expect(chain.app.read.account(BROKE.address).balance).toBe(0n);
      await expectSupply(chain);
      const funds = CODES.INSUFFICIENT_FUNDS.number;
      const right = brokeItem(1, revealOfBroke(height, commit));
      expect(await chain.submit(right), "too little is left").toBe(funds);
      const other = brokeItem(1, dataFor(ROLLUPS[0], "x"));
      expect(await chain.submit(other)).toBe(funds);
      // As little as an account needs to make up for it.
      const more = transferTo(BROKE.address, BigInt(right.length) * BARE.maxFeePerByte - left);
      expect(await chain.submit(signedItem(wallet(1), nonce(2), more))).toBe(0);
      await chain.step(0);
      expect(await chain.submit(right)).toBe(0);
      expect(fillsOf(await chain.step(0))).toHaveLength(1);
      expect(chain.app.read.account(BROKE.address).balance).toBe(BOND);
      await expectSupply(chain);
    });

    test("behavior: has one reveal pending on what is held, until something else has taken that", async () => {
      const { chain, commit, height } = await startBroke();
      const action = revealOfBroke(height, commit);
      const [first, second] = ["first", "second"].map((salt) =>
        signedItem(BROKE, unordered(100, salt), action, BARE),
      );
      assert(first !== undefined && second !== undefined, "two reveals");
      expect(await chain.submit(first, 3)).toBe(0);
      expect(await chain.submit(second, 3)).toBe(CODES.INSUFFICIENT_FUNDS.number);
      const stateOf = () => chain.node(3).app.transactionStatus(idOf(first));
      await chain.step(0);
      expect(stateOf()).toMatchObject({ state: "pending" });
      const failing = brokeItem(0, { ...action, salt: new Uint8Array(32) });
      const [manifest, injected] = await chain.prepare(0);
      await chain.decide([manifest, injected, failing].filter((item) => item !== undefined));
      expect(stateOf()).toMatchObject({
        state: "evicted",
        code: CODES.INSUFFICIENT_FUNDS.number,
      });
    });
  });
});

const MAX_FEE = 10n;
/** Of a commit with a bucket of 256. */
const REVEAL_BYTES = 512n;
const TERMS = { maxFeePerByte: MAX_FEE, tipPerByte: 1n };

function startChain(): Promise<TestChain> {
  return TestChain.start({ params: { seal_commit_bond: BOND.toString() } });
}

function commitItem(at = 0): Uint8Array {
  const hash = commitHash(CHAIN_ID, wallet(0).address, SALT, CONTENT);
  const action = {
    kind: "sealCommit",
    hash,
    rollupIds: [ALPHA],
    maxHeight: Height(1_000),
    bucket: 256,
  } as const;
  return signedItem(wallet(0), nonce(at), action, TERMS);
}

function revealAction(height: Height, id: Uint8Array) {
  return { kind: "reveal", height, id, salt: SALT, content: CONTENT } as const;
}

function revealItem(height: Height, id: Uint8Array): Uint8Array {
  return signedItem(wallet(0), nonce(1), revealAction(height, id), TERMS);
}

function fillsOf({ response }: DecidedBlock) {
  return readFillsEvents(response.events);
}

/** An account that has what it commits with, to the last nweft. */
const BROKE = wallet(100);
/** Twice the base fee, as all pay here: nothing is left over of a max fee. */
const BARE = { maxFeePerByte: 2n, tipPerByte: 1n };
const FULL = encodeContent([{ rollupId: ALPHA, data: [new Uint8Array(216).fill(1)] }]);

async function startBroke() {
  const chain = await startChain();
  const hash = commitHash(CHAIN_ID, BROKE.address, SALT, FULL);
  const commit = signedItem(
    BROKE,
    unordered(100),
    { kind: "sealCommit", hash, rollupIds: [ALPHA], maxHeight: Height(1_000), bucket: 256 },
    BARE,
  );
  const held = BOND + REVEAL_BYTES * BARE.maxFeePerByte;
  const all = BigInt(commit.length) * BARE.maxFeePerByte + held;
  await chain.submit(signedItem(wallet(1), nonce(0), transferTo(BROKE.address, all - 1n)));
  await chain.step(0);
  expect(await chain.submit(commit), "one nweft too little").not.toBe(0);
  await chain.submit(signedItem(wallet(1), nonce(1), transferTo(BROKE.address, 1n)));
  await chain.step(0);
  expect(await chain.submit(commit)).toBe(0);
  const { height } = await chain.step(0);
  expect(chain.app.read.account(BROKE.address).balance).toBe(0n);
  expect(chain.app.read.supply().sealed).toBe(held);
  return { chain, commit, height };
}

function revealOfBroke(height: Height, commit: Uint8Array) {
  expect(FULL.length).toBe(256);
  return { kind: "reveal", height, id: idOf(commit), salt: SALT, content: FULL } as const;
}

function brokeItem(value: number, action: Action): Uint8Array {
  return signedItem(BROKE, nonce(value), action, BARE);
}
