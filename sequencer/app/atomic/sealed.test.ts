import { describe, expect, test } from "vitest";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import type { Bundle } from "../../../proto/codec/mev-tx.ts";
import { atomicOptions, AtomicWorld, LOCK_BOND } from "../../../test/support/atomic-world.ts";
import { sealedBundleItem } from "../../../test/support/bundles.ts";
import {
  balanceOf,
  eventsOf,
  expectSupply,
  loseSecrets,
  sealText,
  startSealedChain,
} from "../../../test/support/sealed-app.ts";
import { idOf, START_BALANCE, unordered, wallet } from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { ATOMIC_COUNTS, ATOMIC_OPEN } from "../state/tables.ts";

const TERMS: NonNullable<Bundle["atomic"]> = { voteBlocks: 4, locks: [2, 3] };
const LEGS = [{ rollup: "alpha" }, { rollup: "beta" }];
const BOND = LOCK_BOND * 5n;

async function start(params: Readonly<Record<string, string>> = {}) {
  const sealed = await startSealedChain(atomicOptions({ params }));
  const world = new AtomicWorld(sealed.chain, ["alpha", "beta"]);
  await world.bondAll();
  const [key] = sealed.keys;
  const bundle = (plaintext?: Uint8Array) =>
    sealedBundleItem(wallet(0), unordered(90), key.state, LEGS, {
      atomic: TERMS,
      ...(plaintext === undefined ? {} : { plaintext }),
    }).item;
  return { world, chain: sealed.chain, key, bundle };
}

describe("sealed bundles of level 1", () => {
  test("behavior: executors vote once it is open, and have their blocks from then on", async () => {
    const { world, chain, bundle } = await start();
    const item = bundle();
    const id = idOf(item);
    await world.submit(item);
    await chain.step(0);
    const placed = chain.height;
    expect(world.state(id)).toMatchObject({ isSealed: true, filledHeight: 0, bond: BOND });
    const early = world.by(0, 0, world.yes(id, 0));
    expect(await chain.submit(early)).toBe(CODES.ATOMIC_STATE.number);
    while (world.state(id)?.isSealed === true) await chain.step(0);
    expect(world.state(id)).toMatchObject({ filledHeight: chain.height, isSealed: false });
    expect(chain.height).toBeGreaterThan(placed);
    for (const rollup of [0, 1]) await world.vote(rollup, [0, 1], world.yes(id, rollup));
    expect(eventsOf(await chain.step(0), "atomic_decided")).toMatchObject([
      { bundle: toHex(id), height: String(placed), outcome: "COMMIT" },
    ]);
    await expectSupply(chain);
  });

  test("behavior: its rent counts from its block, and is never more than its bond", async () => {
    const { world, chain, bundle } = await start({ atomic_lock_bond: "0", atomic_lock_rent: "10" });
    const item = bundle();
    const id = idOf(item);
    await world.submit(item);
    await chain.step(0);
    const bond = 10n * 5n * 4n;
    expect(chain.app.read.supply().atomicBonds).toBe(bond);
    let decided: readonly unknown[] = [];
    while (decided.length === 0) decided = eventsOf(await chain.step(0), "atomic_decided");
    const { placedHeight = 0, decidedHeight = 0 } = world.state(id) ?? {};
    expect(decidedHeight - placedHeight).toBeGreaterThan(4);
    expect(decided).toMatchObject([{ outcome: "ABORT", rent: String(bond), lost: "0" }]);
    expect(chain.app.read.supply().atomicBonds).toBe(0n);
    await expectSupply(chain);
  });

  test("behavior: one that is no content is dropped without a decision; its bond goes back", async () => {
    const { world, chain, bundle } = await start();
    const item = bundle(new Uint8Array(256).fill(7));
    await world.submit(item);
    await chain.step(0);
    expect(chain.app.read.supply().atomicBonds).toBe(BOND);
    let dropped: readonly unknown[] = [];
    while (dropped.length === 0) dropped = eventsOf(await chain.step(0), "atomic_dropped");
    expect(world.state(idOf(item))).toBeUndefined();
    const { records } = chain.app.read.staking();
    expect(records.keys(ATOMIC_OPEN)).toEqual([]);
    expect(records.get(ATOMIC_COUNTS, toHex(EMPTY_BYTES))).toBeUndefined();
    expect(chain.app.read.supply().atomicBonds).toBe(0n);
    // The fee of what cannot be read is kept, and nothing else.
    expect(balanceOf(chain, 0)).toBe(START_BALANCE - BigInt(item.length) * 2n);
    await expectSupply(chain);
  });

  test("behavior: one that nobody opens in time is dropped, and everything goes back", async () => {
    const { world, chain, bundle } = await start();
    loseSecrets(chain, [0]);
    await world.submit(bundle());
    let dropped: readonly unknown[] = [];
    for (let n = 0; n < 40 && dropped.length === 0; n++) {
      dropped = eventsOf(await chain.step(0), "atomic_dropped");
    }
    expect(dropped).toHaveLength(1);
    expect(balanceOf(chain, 0)).toBe(START_BALANCE);
    await expectSupply(chain);
  });
});

test("behavior: a bundle in the clear waits for what is sealed for its rollups up to its own block", async () => {
  const { world, chain, key } = await start();
  await world.submit(sealText(wallet(1), unordered(80), key, "hidden").item);
  const { item: plain, id } = world.bundle(2);
  await world.submit(plain);
  await chain.step(0);
  const placed = chain.height;
  expect(world.state(id)).toMatchObject({ placedHeight: placed, filledHeight: 0 });
  while (world.state(id)?.filledHeight === 0) await chain.step(0);
  expect(chain.height).toBeGreaterThan(placed);
  const { filledHeight = 0 } = world.state(id) ?? {};
  // Its deadline counts from there.
  while (world.state(id)?.decidedHeight === 0) await chain.step(0);
  expect(world.state(id)?.decidedHeight).toBe(filledHeight + 4);
});
