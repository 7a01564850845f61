import { describe, expect, test } from "vitest";
import { Lane } from "../../../mev/lanes.ts";
import { toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { excuseOf, inserted, moved, remade, without } from "../../../test/support/mev-blocks.ts";
import { makeDue } from "../../../test/support/mev-chain.ts";
import { shareBodies } from "../../../test/support/shared-bodies.ts";
import {
  CHAIN_ID,
  dataFor,
  type DecidedBlock,
  idOf,
  nonce,
  signedItem,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { blockSlices } from "../block-slices.ts";

const data = (sender: number, text: string, tipPerByte = 1n) =>
  signedItem(wallet(sender), nonce(0), dataFor("alpha", text), { tipPerByte });

function transactionsIn(txs: readonly Uint8Array[]): readonly Uint8Array[] {
  return txs.filter((item) => decodeItem(item).kind === "tx");
}

/** What everybody but the proposer answers under the manifest that the items make. */
async function refusal(chain: TestChain, txs: readonly Uint8Array[]): Promise<string | undefined> {
  const { app } = chain.node(1);
  return (await remade(app, chain.processRequest(txs))).refusal;
}

function eventsOf({ response }: DecidedBlock, type: string): readonly Record<string, string>[] {
  const all = [...response.events, ...response.txResults.flatMap(({ events }) => events)];
  return all
    .filter((event) => event.type === type)
    .map(({ attributes }) => Object.fromEntries(attributes.map(({ key, value }) => [key, value])));
}

async function lanesOf(block: DecidedBlock): Promise<readonly number[]> {
  const slices = await blockSlices(CHAIN_ID, block.txs, block.response, yieldToLoop);
  const slice = slices.slice(rollupIdOfName("alpha"));
  return "entries" in slice ? slice.entries.map(({ lane }) => lane) : [];
}

/** Steps until something is armed; when it will be due. */
async function untilArmed(chain: TestChain): Promise<number> {
  for (let steps = 0; steps < 8; steps++) {
    const [armed] = eventsOf(await chain.step(0), "obligation_armed");
    if (armed !== undefined) return Number(armed["due_height"]);
  }
  throw new Error("three of four validators list it, and it is not armed");
}

describe("behavior: what is due stands in OBLIGATED (P7)", () => {
  test("a proposer that does not hold it is refused; once it has it, its block is the one that all expect", async () => {
    const chain = await TestChain.start();
    const item = data(0, "listed by all others");
    await makeDue(chain, [item]);
    const lacking = await chain.prepare(0);
    expect(await refusal(chain, lacking)).toMatch(/^P7 OBLIGATION_MISSING/);
    expect(chain.node(0).watch.fallbacks).toBeGreaterThan(0);
    chain.node(0).watch.fallbacks = 0;
    shareBodies(chain);
    // Better paid, and behind it all the same.
    const other = data(1, "rich", 90n);
    await chain.submit(other, 0);
    const txs = await chain.prepare(0);
    expect(transactionsIn(txs)).toEqual([item, other]);
    const block = await chain.decide(txs);
    expect(chain.node(0).watch.fallbacks).toBe(0);
    expect(await lanesOf(block)).toEqual([Lane.OBLIGATED, Lane.DEFAULT]);
    expect(eventsOf(block, "obligation_met")).toMatchObject([{ id: toHex(idOf(item)) }]);
    expect(transactionsIn((await chain.step(0)).txs)).toEqual([]);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("attack: left out, moved, swapped, doubled or called invalid, it is refused by name", async () => {
    const chain = await TestChain.start();
    const items = [data(0, "first"), data(1, "second")];
    await makeDue(chain, items);
    shareBodies(chain);
    const ordinary = data(2, "ordinary", 50n);
    await chain.submit(ordinary, 0);
    const txs = await chain.prepare(0);
    const at = txs.length - 3;
    expect(transactionsIn(txs)).toHaveLength(3);
    expect(txs.at(-1)).toEqual(ordinary);
    const first = txs[at];
    assert(first !== undefined, "the first of them");
    const attacks: readonly (readonly [string, readonly Uint8Array[], RegExp])[] = [
      ["without the first", without(txs, at), /^P7 OBLIGATION_MISSING/],
      ["without both", without(without(txs, at), at), /^P7 OBLIGATION_MISSING/],
      ["swapped", moved(txs, at, at + 1), /^P7 OBLIGATION_ORDER/],
      ["behind what is not due", moved(txs, at, at + 2), /^P9 LANE_ORDER/],
      ["an excuse for a good one", txs.with(at, excuseOf(first)), /^P7 OBLIGATION_NOT_EXCUSED/],
      [
        "an excuse for one that is not due",
        inserted(txs, at + 2, excuseOf(ordinary)),
        /^P7 OBLIGATION_NOT_DUE/,
      ],
      ["twice", inserted(txs, at, first), /^P7 OBLIGATION_ORDER/],
    ];
    for (const [name, attack, expected] of attacks) {
      expect(await refusal(chain, attack), name).toMatch(expected);
    }
    expect(await refusal(chain, txs)).toBeUndefined();
  });

  test("what cannot stand there any more is excused, pays nothing, and is due no longer", async () => {
    const chain = await TestChain.start();
    const item = data(0, "too late");
    for (const n of [1, 2, 3]) expect(await chain.submit(item, n)).toBe(0);
    const dueHeight = await untilArmed(chain);
    while (chain.height < dueHeight - 2) await chain.step(0);
    // Node 0 knows another transaction of that nonce.
    const rival = signedItem(wallet(0), nonce(0), transferTo(wallet(1).address, 1n));
    expect(await chain.submit(rival, 0)).toBe(0);
    expect(transactionsIn((await chain.step(0)).txs)).toEqual([rival]);
    shareBodies(chain);
    const { balance } = chain.app.read.account(wallet(0).address);
    const txs = await chain.prepare(0);
    expect(txs.at(-1)).toEqual(excuseOf(item));
    expect(await refusal(chain, txs.with(txs.length - 1, item))).toMatch(/^P9 NONCE_USED/);
    const block = await chain.decide(txs);
    expect(eventsOf(block, "obligation_excused")).toEqual([
      { id: toHex(idOf(item)), code: "NONCE_USED", due_height: "0" },
    ]);
    expect(chain.app.read.account(wallet(0).address).balance).toBe(balance);
    expect(await lanesOf(block)).toEqual([]);
    expect((await chain.step(0)).txs.map((one) => decodeItem(one).kind)).not.toContain("excused");
    for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("what cannot stand there yet is excused, and due again later", async () => {
    const chain = await TestChain.start({ params: { unordered_per_block_max: 1 } });
    const items = ["one", "two"].map((text) =>
      signedItem(wallet(0), unordered(90, text), dataFor("alpha", text)),
    );
    await makeDue(chain, items);
    shareBodies(chain);
    const block = await chain.step(0);
    expect(transactionsIn(block.txs)).toHaveLength(1);
    const [event] = eventsOf(block, "obligation_excused");
    expect(event).toMatchObject({ code: "UNORDERED_FULL" });
    expect(Number(event?.["due_height"])).toBeGreaterThan(block.height);
  });

  test("what follows the nonce of something due stands in the same block", async () => {
    const chain = await TestChain.start();
    const due = data(0, "due");
    const next = signedItem(wallet(0), nonce(1), dataFor("alpha", "next"));
    const free = signedItem(wallet(2), unordered(90), dataFor("alpha", "other"), {
      tipPerByte: 0n,
    });
    await makeDue(chain, [due]);
    for (const item of [next, free]) expect(await chain.submit(item, 0)).toBe(0);
    shareBodies(chain);
    expect(transactionsIn(await chain.prepare(0))).toEqual([due, next, free]);
  });
});
