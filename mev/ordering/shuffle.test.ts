import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import type { ShuffleState } from "../../proto/codec/mev-state.ts";
import { referenceShuffle } from "../../test/support/label-reference.ts";
import { shuffleOrder } from "./shuffle.ts";

type Slot = ShuffleState["slots"][number];

const ROLLUP = new Uint8Array(32).fill(0xab);
const HEIGHT = Height(77);

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const sender = fc.nat(4).map((n) => new Uint8Array(20).fill(n + 1));
const slots: fc.Arbitrary<readonly Slot[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), sender, fc.option(bytes(32))), {
    minLength: 2,
    maxLength: 20,
  })
  .map((drafts) => {
    let position = -1;
    return drafts.map(([step, from, point]) => {
      position += step;
      return { position, sender: from, isResolved: true, point: point ?? EMPTY_BYTES };
    });
  });

function reference(chainId: string, all: readonly Slot[]) {
  const rollupId = toHex(ROLLUP);
  const ofSlots = all.map(({ position, sender: from, point }) => ({
    position,
    sender: toHex(from),
    point: toHex(point),
  }));
  const { seed, positions } = referenceShuffle({
    chainId,
    height: HEIGHT,
    rollupId,
    slots: ofSlots,
  });
  return { seed: fromHex(seed), positions };
}

describe("shuffled order", () => {
  test("property: it is the one of the formulas, for any places, senders and points", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" }),
        slots,
        (chainId, all) => {
          expect(shuffleOrder(chainId, HEIGHT, ROLLUP, all)).toEqual(reference(chainId, all));
        },
      ),
    );
  });

  test("property: it is a permutation in which entries of one sender stay together, in their order", () => {
    fc.assert(
      fc.property(slots, (all) => {
        const { positions } = shuffleOrder("weft-test-1", HEIGHT, ROLLUP, all);
        expect([...positions].sort((a, b) => a - b)).toEqual(all.map(({ position }) => position));
        const senderAt = new Map(all.map((slot) => [slot.position, slot.sender[0]]));
        const runs = positions
          .map((position) => senderAt.get(position))
          .filter((from, index, list) => from !== list[index - 1]);
        expect(new Set(runs).size).toBe(runs.length);
        for (const from of new Set(runs)) {
          const own = positions.filter((position) => senderAt.get(position) === from);
          expect(own).toEqual([...own].sort((a, b) => a - b));
        }
      }),
    );
  });

  test("behavior: one other point, chain, height or rollup makes another seed", () => {
    const all: readonly Slot[] = [1, 4, 6].map((position) => ({
      position,
      sender: new Uint8Array(20).fill(position),
      isResolved: true,
      point: new Uint8Array(32).fill(position),
    }));
    const seeds = [
      shuffleOrder("weft-test-1", HEIGHT, ROLLUP, all),
      shuffleOrder("weft-test-2", HEIGHT, ROLLUP, all),
      shuffleOrder("weft-test-1", Height(78), ROLLUP, all),
      shuffleOrder("weft-test-1", HEIGHT, new Uint8Array(32), all),
      shuffleOrder("weft-test-1", HEIGHT, ROLLUP, [
        ...all.slice(0, 2),
        ...all.slice(2).map((slot) => ({ ...slot, point: EMPTY_BYTES })),
      ]),
    ].map(({ seed }) => Buffer.from(seed).toString("hex"));
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  test("behavior: an order whose entries are not all resolved is a bug", () => {
    const waiting = {
      position: 0,
      sender: new Uint8Array(20),
      isResolved: false,
      point: EMPTY_BYTES,
    };
    expect(() => shuffleOrder("weft-test-1", HEIGHT, ROLLUP, [waiting])).toThrow(/waits/);
  });
});
