/** Commit and reveal through the whole application: lanes, places, fills, money, on several nodes. */
import { describe, expect, test } from "vitest";
import { commitHash } from "../../../../mev/seal/commit.ts";
import { encodeContent } from "../../../../mev/seal/content.ts";
import { Height } from "../../../../proto/brands.ts";
import { utf8ToBytes } from "../../../../proto/bytes.ts";
import { payloadHash, rollupData, rollupIdOfName } from "../../../../proto/codec/weft-tx.ts";
import { FillStatus } from "../../../../proto/verify/manifest.ts";
import { startSealedChain } from "../../../../test/support/sealed-app.ts";
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
    expect(chain.app.read.supply().sealed).toBe(BOND + 256n * MAX_FEE);

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
    expect(chain.app.read.supply().sealed).toBe(2n * BOND + 256n * MAX_FEE);
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
    expect(chain.app.read.supply().sealed).toBe(BOND + 256n * MAX_FEE);
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
});

const MAX_FEE = 10n;
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
