import { describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import {
  decodeLists,
  decodeVoteExtension,
  type Lists,
} from "../../../proto/codec/weft-extension.ts";
import { armedOf, dueIdsOf } from "../../../test/support/mev-due.ts";
import { shareBodies } from "../../../test/support/shared-bodies.ts";
import {
  dataFor,
  type DecidedBlock,
  idOf,
  nonce,
  signedItem,
  TestChain,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";

const data = (sender: number, text: string) =>
  signedItem(wallet(sender), unordered(300, text), dataFor("alpha", text));

/** What a node said in its last extension. */
function listsBy(chain: TestChain, node: number): Lists {
  const { consensusAddress } = chain.node(node);
  const vote = chain.lastVotes.find(
    ({ validator }) => toHex(validator.address) === toHex(consensusAddress),
  );
  const [part] = decodeVoteExtension(vote?.voteExtension ?? new Uint8Array()).parts;
  return decodeLists(part?.content ?? new Uint8Array());
}

const listedBy = (chain: TestChain, node: number): readonly string[] =>
  listsBy(chain, node).listed.map(({ id }) => toHex(id));
const withdrawnBy = (chain: TestChain, node: number): readonly string[] =>
  listsBy(chain, node).withdrawn.map(toHex);
const idText = (item: Uint8Array): string => toHex(idOf(item));

/** Bodies in a node's database, by transaction id. */
async function bodiesOf(chain: TestChain, node: number): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of chain.node(node).level.keys({ gte: "b", lt: "c" })) keys.push(key);
  return keys.map((key) => key.slice(1));
}

async function loseBodies(chain: TestChain, node: number): Promise<void> {
  await chain.node(node).level.clear({ gte: "b", lt: "c" });
  await chain.restart(node);
}

function has(block: DecidedBlock, item: Uint8Array): boolean {
  return block.txs.some((tx) => toHex(tx) === toHex(item));
}

/** A transaction that nodes 1 to 3 hold and that is armed; node 0 proposes, and does not have it. */
async function armed(item: Uint8Array): Promise<TestChain> {
  const chain = await TestChain.start();
  for (const node of [1, 2, 3]) expect(await chain.submit(item, node)).toBe(0);
  for (let steps = 0; armedOf(chain.app).length === 0; steps++) {
    expect(steps, "three of four list it").toBeLessThan(5);
    await chain.step(0);
  }
  return chain;
}

describe("behavior: a validator lists what waits", () => {
  test("for longer than a block, until the state has it, and not what the block that it votes for holds", async () => {
    const chain = await TestChain.start();
    await chain.step(0);
    const [one, two] = [data(0, "one"), data(1, "two")];
    expect(await chain.submit(one, 1)).toBe(0);
    await chain.step(0);
    expect(listedBy(chain, 1)).toEqual([]);
    await chain.step(0);
    expect(listedBy(chain, 1)).toEqual([idText(one)]);
    expect(listedBy(chain, 2)).toEqual([]);
    await chain.step(0);
    expect(listedBy(chain, 1)).toEqual([idText(one)]);
    await chain.step(0);
    expect(listedBy(chain, 1)).toEqual([]);

    expect(await chain.submit(two, 2)).toBe(0);
    await chain.step(0);
    const block = await chain.step(2);
    expect(has(block, two)).toBe(true);
    expect(listedBy(chain, 2)).toEqual([]);
  });

  test("only what could stand in the next block as its account's first", async () => {
    const chain = await TestChain.start();
    await chain.step(0);
    const first = signedItem(wallet(0), nonce(0), dataFor("alpha", "first"));
    const second = signedItem(wallet(0), nonce(1), dataFor("alpha", "second"));
    const gap = signedItem(wallet(1), nonce(1), dataFor("alpha", "gap"));
    for (const item of [second, first, gap]) expect(await chain.submit(item, 1)).toBe(0);
    await chain.step(0);
    await chain.step(0);
    expect(listedBy(chain, 1)).toEqual([idText(first)]);
  });

  test("and has it on disk before it says so, until a block holds it", async () => {
    const chain = await TestChain.start();
    await chain.step(0);
    const item = data(0, "kept");
    expect(await chain.submit(item, 1)).toBe(0);
    await chain.step(0);
    expect(await bodiesOf(chain, 1)).toEqual([]);
    await chain.step(0);
    expect(await bodiesOf(chain, 1)).toEqual([idText(item)]);
    await chain.restart(1);
    expect(chain.node(1).app.poolSize().count).toBe(0);
    expect(chain.node(1).app.listed.held.item(idOf(item))).toEqual(item);
    expect(await chain.submit(item, 1)).toBe(0);
    expect(has(await chain.step(1), item)).toBe(true);
    expect(await bodiesOf(chain, 1)).toEqual([]);
  });

  test("what nobody lists any more is let go of", async () => {
    const chain = await TestChain.start();
    await chain.step(0);
    const item = data(0, "forgotten");
    expect(await chain.submit(item, 1)).toBe(0);
    for (let steps = 0; steps < 3; steps++) await chain.step(0);
    await chain.restart(1);
    for (let steps = 0; steps < 45; steps++) await chain.step(0);
    expect(await bodiesOf(chain, 1)).toEqual([]);
  });
});

describe("behavior: what is due never stops the chain", () => {
  test("all nodes crash and lose their pools: it is on their disks", async () => {
    const item = data(0, "all crash");
    const chain = await armed(item);
    while (dueIdsOf(chain.app).size === 0) await chain.step(0);
    for (const node of [0, 1, 2, 3]) await chain.restart(node);
    expect(chain.node(1).app.poolSize().count).toBe(0);
    const block = await chain.step(1);
    expect(has(block, item)).toBe(true);
    expect(armedOf(chain.app)).toEqual([]);
  });

  test("a third or less lose all that they have: they get it, or others propose", async () => {
    const item = data(0, "one loses it");
    const chain = await armed(item);
    while (dueIdsOf(chain.app).size === 0) await chain.step(0);
    await loseBodies(chain, 1);
    expect(await chain.refusal(await chain.prepare(1), 2)).toMatch(/^P7 OBLIGATION_MISSING/);
    shareBodies(chain);
    expect(has(await chain.step(1), item)).toBe(true);
  });

  test("more than a third do not have it: they say so, and nobody is held to it", async () => {
    const item = data(0, "too many lose it");
    const chain = await armed(item);
    const [due] = armedOf(chain.app);
    // Node 0 never had it.
    await loseBodies(chain, 1);
    const dueHeight = due?.dueHeight ?? 0;
    const said: number[] = [];
    while (chain.height < dueHeight + 25) {
      await chain.step(0);
      if (withdrawnBy(chain, 0).length > 0) said.push(chain.height);
    }
    // In time for the block that it is due in, and until the state has it.
    expect(said).toEqual([dueHeight - 2, dueHeight - 1]);
    expect(armedOf(chain.app)).toEqual([]);
    expect(chain.node(0).watch.fallbacks).toBe(0);
  });

  test("nobody has it any more: the same", async () => {
    const chain = await armed(data(0, "all lose it"));
    const [due] = armedOf(chain.app);
    for (const node of [0, 1, 2, 3]) await loseBodies(chain, node);
    while (chain.height < (due?.dueHeight ?? 0) + 25) await chain.step();
    expect(armedOf(chain.app)).toEqual([]);
  });

  test("who has it again lists it again, and all are held to it", async () => {
    const item = data(0, "found again");
    const chain = await armed(item);
    const [due] = armedOf(chain.app);
    await loseBodies(chain, 1);
    while (chain.height < (due?.dueHeight ?? 0)) await chain.step(0);
    expect(dueIdsOf(chain.app).size).toBe(1);
    shareBodies(chain);
    await chain.step(0);
    for (let steps = 0; steps < 8; steps++) {
      if (has(await chain.step(0), item)) return;
    }
    expect.unreachable("two thirds can have it again");
  });
});

describe("behavior: a node gets what others list", () => {
  test("in the background, into its pool", async () => {
    const chain = await TestChain.start();
    shareBodies(chain);
    await chain.step(0);
    const item = data(0, "listed by one");
    expect(await chain.submit(item, 1)).toBe(0);
    for (let steps = 0; steps < 4; steps++) await chain.step(2);
    for (const node of [0, 2, 3]) {
      await expect
        .poll(() => chain.node(node).app.transactionStatus(idOf(item)).state)
        .toMatch(/pending|committed/);
    }
  });
});
