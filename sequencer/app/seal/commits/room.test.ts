/** Room for commits through the whole application: what is taken can be shown in time. */
import { describe, expect, test } from "vitest";
import { commitHash } from "../../../../mev/seal/commit.ts";
import { encodeContent } from "../../../../mev/seal/content.ts";
import { Height } from "../../../../proto/brands.ts";
import { toHex } from "../../../../proto/bytes.ts";
import { rollupIdOfName } from "../../../../proto/codec/weft-tx.ts";
import { excuseOf } from "../../../../test/support/mev-blocks.ts";
import { makeDue } from "../../../../test/support/mev-chain.ts";
import { eventsOf, expectSupply } from "../../../../test/support/sealed-app.ts";
import { shareBodies } from "../../../../test/support/shared-bodies.ts";
import {
  CHAIN_ID,
  idOf,
  ROLLUPS,
  signedItem,
  TestChain,
  unordered,
  wallet,
} from "../../../../test/support/weft-app.ts";
import { CODES } from "../../codes.ts";

const ALPHA = rollupIdOfName(ROLLUPS[0]);
const SALT = new Uint8Array(32).fill(3);
const EXPIRY = 500;
/** A commit and what it hides, 136 bytes less than the bucket. */
interface Hidden {
  readonly sender: number;
  readonly content: Uint8Array;
  readonly item: Uint8Array;
}

function hide(sender: number, name: string, bucket: number): Hidden {
  const content = encodeContent([
    { rollupId: ALPHA, data: [new Uint8Array(bucket - 136).fill(7)] },
  ]);
  const hash = commitHash(CHAIN_ID, wallet(sender).address, SALT, content);
  const action = {
    kind: "sealCommit",
    hash,
    rollupIds: [ALPHA],
    maxHeight: Height(EXPIRY),
    bucket,
  } as const;
  return { sender, content, item: signedItem(wallet(sender), unordered(EXPIRY, name), action) };
}

function revealOf({ sender, content, item }: Hidden, height: Height): Uint8Array {
  const action = { kind: "reveal", height, id: idOf(item), salt: SALT, content } as const;
  return signedItem(wallet(sender), unordered(EXPIRY), action);
}

describe("room for commits", () => {
  test("behavior: who reveals at once loses no bond, however much all commit to", async () => {
    const WALLETS = 12;
    const chain = await TestChain.start({
      wallets: WALLETS,
      validators: 1,
      maxTxBytes: 4_100_000,
    });
    // In 16 blocks CONTROL has room for the reveals of 48 of them.
    const waiting = new Map<string, Hidden>();
    for (let n = 0; n < 60; n++) {
      const hidden = hide(n % WALLETS, `${n}`, 65_536);
      waiting.set(toHex(idOf(hidden.item)), hidden);
      expect(await chain.submit(hidden.item)).toBe(0);
    }
    let revealed = 0;
    while (revealed < 60) {
      const block = await chain.step(0);
      const placed = eventsOf(block, "seal_committed");
      expect(placed.length, `in block ${block.height}`).toBeLessThanOrEqual(1);
      for (const { id = "" } of placed) {
        const hidden = waiting.get(id);
        if (hidden === undefined) throw new Error(`nobody committed to ${id}`);
        expect(await chain.submit(revealOf(hidden, block.height))).toBe(0);
      }
      expect(eventsOf(block, "seal_void")).toEqual([]);
      revealed += eventsOf(block, "seal_revealed").length;
      expect(chain.height, `${revealed} are revealed`).toBeLessThan(70);
    }
    expect(chain.app.read.supply()).toMatchObject({ sealed: 0n, burned: 0n });
    await expectSupply(chain);
  });

  test("error: a bucket whose reveal fits no block is refused at the door", async () => {
    const blockBytesMax = 1_200_000;
    const chain = await TestChain.start({ validators: 1, blockBytesMax });
    for (const bucket of [32_768, 65_536]) {
      const { item } = hide(0, `${bucket}`, bucket);
      expect(await chain.submit(item)).toBe(CODES.SEAL_COMMIT_SIZE.number);
    }
    const hidden = hide(0, "fits", 16_384);
    expect(await chain.submit(hidden.item)).toBe(0);
    const { height } = await chain.step(0);
    expect(await chain.submit(revealOf(hidden, height))).toBe(0);
    expect(eventsOf(await chain.step(0), "seal_revealed")).toHaveLength(1);
  });

  test("behavior: a commit that is due when there is no room is excused, and due again", async () => {
    const chain = await TestChain.start();
    const two = [hide(0, "one", 65_536), hide(1, "two", 65_536)].map(({ item }) => item);
    await makeDue(chain, two);
    shareBodies(chain);
    const block = await chain.step(0);
    const placed = two.filter((item) => block.txs.some((tx) => toHex(tx) === toHex(item)));
    expect(placed).toHaveLength(1);
    const [excused] = two.filter((item) => !placed.includes(item));
    if (excused === undefined) throw new Error("one of two");
    expect(block.txs).toContainEqual(excuseOf(excused));
    const [event] = eventsOf(block, "obligation_excused");
    expect(event).toMatchObject({ id: toHex(idOf(excused)), code: "SEAL_COMMITS_FULL" });
    const dueHeight = Number(event?.["due_height"]);
    expect(dueHeight).toBeGreaterThan(block.height);
    const txs: string[] = [];
    while (chain.height < dueHeight) txs.push(...(await chain.step(0)).txs.map(toHex));
    expect(txs).toContain(toHex(excused));
    for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
    await chain.replay();
  });
});
