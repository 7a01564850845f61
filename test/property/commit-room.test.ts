/** What blocks take of commits, they have room to reveal, whatever the buckets are, whoever pays more or waits. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Lane, laneBytesMax } from "../../mev/lanes.ts";
import { SEAL_BUCKETS } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { DEFAULT_PARAMS, laneParams } from "../../sequencer/app/params.ts";
import { revealBytes, revealRoomBytes } from "../../sequencer/app/seal/commits/room.ts";

interface Wanted {
  readonly bucket: number;
  /** Blocks for which its sender waits to reveal. */
  readonly delay: number;
}

const wantedArbitrary: fc.Arbitrary<Wanted> = fc.record({
  bucket: fc.constantFrom(...SEAL_BUCKETS),
  delay: fc.constantFrom(0, 0, 1, 3, 10, 15),
});

/** What wants a place in each block: more than it has room for, in an order of its own. */
const blocksArbitrary = fc
  .array(fc.array(wantedArbitrary, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 16 })
  .map((patterns) =>
    Array.from({ length: 60 }, (_, height) => {
      const pattern = patterns[height % patterns.length] ?? [];
      return Array.from({ length: 200 }, (__, at) => pattern[at % pattern.length] ?? NOTHING);
    }),
  );
const NOTHING: Wanted = { bucket: 256, delay: 0 };
const blockBytesArbitrary = fc.constantFrom(65_536, 1 << 20, 2_000_000, 4 << 20, 16 << 20);
const windowArbitrary = fc.constantFrom(4, 16, 40);
/** Of which one block's are less than one apart. */
const pricesArbitrary = fc.array(fc.double({ min: 0, max: 0.5, noNaN: true }), { minLength: 1 });

interface Waiting {
  readonly bytes: number;
  readonly placed: number;
  readonly delay: number;
  /** More is served first. */
  readonly price: number;
}

interface Terms {
  /** Larger ones may be left over. */
  readonly bytesMax: number;
  readonly room: number;
  readonly control: number;
  readonly window: number;
}

function termsOf(blockBytesMax: number, window: number): Terms {
  const reader = { params: DEFAULT_PARAMS, blockBytesMax };
  const control = laneBytesMax(laneParams(DEFAULT_PARAMS, blockBytesMax), Lane.CONTROL);
  assert(control !== undefined, "CONTROL has a share");
  return { bytesMax: control, room: revealRoomBytes(reader), control, window };
}

/**
 * Every block takes commits while its room lasts, and reveals in order of price what fits of what is shown.
 * Returns how many are revealed, and what is left over although it was shown from the next block on.
 */
function run(
  blocks: readonly (readonly Wanted[])[],
  { bytesMax, room, control, window }: Terms,
  priceOf: (placed: number, bytes: number) => number,
): { readonly revealed: number; readonly leftOver: readonly Waiting[] } {
  const leftOver: Waiting[] = [];
  let waiting: Waiting[] = [];
  let revealed = 0;
  for (let height = 0; height < blocks.length + window + 1; height++) {
    let left = control;
    const byPrice = waiting.toSorted((a, b) => b.price - a.price);
    waiting = byPrice.filter(({ bytes, placed, delay }) => {
      if (height <= placed + delay || bytes > left) return true;
      left -= bytes;
      revealed++;
      return false;
    });
    const late = waiting.filter(({ placed }) => height - placed >= window);
    leftOver.push(...late.filter(({ bytes, delay }) => delay === 0 && bytes <= bytesMax));
    waiting = waiting.filter(({ placed }) => height - placed < window);
    let open = room;
    for (const { bucket, delay } of blocks[height] ?? []) {
      const bytes = revealBytes({ bucket });
      if (bytes > open) continue;
      open -= bytes;
      waiting.push({ bytes, placed: height, delay, price: priceOf(height, bytes) });
    }
  }
  return { revealed, leftOver };
}

test("behavior: a reveal that pays more than those placed after it is never left over", () => {
  fc.assert(
    fc.property(
      blocksArbitrary,
      blockBytesArbitrary,
      windowArbitrary,
      pricesArbitrary,
      (blocks, blockBytesMax, window, prices) => {
        let next = 0;
        const { leftOver } = run(
          blocks,
          termsOf(blockBytesMax, window),
          (placed) => (prices[next++ % prices.length] ?? 0) - placed,
        );
        expect(leftOver).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

test("attack: a reveal is not left over where all that were placed before it wait and pay more", () => {
  fc.assert(
    fc.property(
      blocksArbitrary,
      blockBytesArbitrary,
      windowArbitrary,
      pricesArbitrary,
      (blocks, blockBytesMax, window, prices) => {
        // Of a window of blocks all are shown with those of the last one, which pay least, but more than later ones.
        const left = (height: number) => window - 1 - (height % window);
        const held = blocks.map((wanted, height) =>
          wanted.map(({ bucket }) => ({ bucket, delay: left(height) })),
        );
        let next = 0;
        const { leftOver } = run(held, termsOf(blockBytesMax, window), (placed) => {
          const price = left(placed) === 0 ? -0.2 : (prices[next++ % prices.length] ?? 0);
          return price - Math.floor(placed / window);
        });
        expect(leftOver).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

test("behavior: a small one is never left over, whatever it pays", () => {
  fc.assert(
    fc.property(blocksArbitrary, blockBytesArbitrary, windowArbitrary, (blocks, bytes, window) => {
      const terms = termsOf(bytes, window);
      const bytesMax = terms.control / (2 * window);
      // Larger ones pay more, and those that come later more than all before.
      const priceOf = (placed: number, size: number) => placed * 100_000 + size;
      expect(run(blocks, { ...terms, bytesMax }, priceOf).leftOver).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test("commits of one size that fill every block are revealed as they come, however many they are", () => {
  for (const bucket of SEAL_BUCKETS) {
    const blocks = Array.from({ length: 60 }, () =>
      Array.from({ length: 300 }, () => ({ bucket, delay: 0 })),
    );
    const terms = termsOf(4 << 20, 16);
    const { revealed, leftOver } = run(blocks, terms, (placed) => placed);
    expect(leftOver).toEqual([]);
    expect(revealed).toBe(60 * Math.floor(terms.room / revealBytes({ bucket })));
    expect(revealed).toBeGreaterThan(0);
  }
});
