import { expect, test } from "vitest";
import { dueKey } from "../../../mev/inclusion/keys.ts";
import { Height, Round } from "../../../proto/brands.ts";
import { dataFor, decodedTx, nonce, signedItem, wallet } from "../../../test/support/weft-app.ts";
import { NULL_INCLUSION_METRICS } from "./metrics.ts";
import { OrderWatch } from "./order-watch.ts";

const CHAIN = "order-watch";

function txOf(at: number, rollup: string) {
  return decodedTx(signedItem(wallet(at), nonce(0), dataFor(rollup, `${at}`)), CHAIN);
}

function watched() {
  const distances: number[] = [];
  const scores: [string | undefined, number][] = [];
  const armed = new Set<string>();
  const blockBytesMax = { value: 1 << 20 };
  const watch = new OrderWatch(
    () => [...armed],
    () => blockBytesMax.value,
    {
      ...NULL_INCLUSION_METRICS,
      reorderDistance: { observe: (value) => distances.push(value) },
      censorshipScore: {
        ...NULL_INCLUSION_METRICS.censorshipScore,
        set: (value, labels) => scores.push([labels?.validator, value]),
      },
    },
    (validator) => validator.slice(0, 2),
  );
  return { watch, distances, scores, armed, blockBytesMax };
}

const input = (seconds: bigint) => ({
  height: Height(9),
  time: { seconds, nanos: 0 },
  proposerAddress: new Uint8Array(20).fill(0xab),
  nextValidatorsHash: new Uint8Array(32),
  misbehavior: [],
  round: Round(0),
  votes: [],
  txs: [],
});

/** Validators say how long ago they received each. */
function listsOf(...said: readonly (readonly (readonly [ReturnType<typeof txOf>, number])[])[]) {
  return said.map((listed, validatorIndex) => ({
    validatorIndex,
    address: new Uint8Array(20).fill(validatorIndex),
    power: 1n,
    lists: {
      listed: listed.map(([{ id, item }, receivedAgoMs]) => ({
        id,
        size: item.length,
        receivedAgoMs,
      })),
      withdrawn: [],
      shares: { kind: "abstain" } as const,
    },
  }));
}

test("behavior: order is compared with the median of what validators say, rollup by rollup", () => {
  const { watch, distances } = watched();
  const [a, b, c, other] = [txOf(0, "alpha"), txOf(1, "alpha"), txOf(2, "alpha"), txOf(3, "beta")];
  const lists = listsOf(
    [
      [a, 3_000],
      [b, 2_000],
      [c, 1_000],
      [other, 9_000],
    ],
    [
      [a, 3_000],
      [b, 2_000],
      [c, 1_000],
    ],
    // One that lies decides nothing.
    [
      [a, 1],
      [b, 90_000],
      [c, 1],
    ],
  );
  watch.advance({ input: input(100n), lists, txs: [] });
  watch.advance({ input: input(101n), lists: [], txs: [undefined, c, other, b, a] });
  // A single one of beta has no order; all three of alpha stand the other way round.
  expect(distances).toEqual([1]);
  watch.advance({ input: input(102n), lists, txs: [] });
  watch.advance({ input: input(103n), lists: [], txs: [a, c, b] });
  expect(distances[1]).toBeCloseTo(1 / 3);
});

test("behavior: a proposer is shown that leaves out what more than 2/3 list", () => {
  const { watch, scores, armed, blockBytesMax } = watched();
  const [a, b] = [txOf(0, "alpha"), txOf(1, "alpha")];
  for (const { id, item } of [a, b]) {
    armed.add(dueKey({ id, size: item.length, firstHeight: 5, dueHeight: 12 }));
  }
  watch.advance({ input: input(1n), lists: [], txs: [a, b] });
  expect(scores).toEqual([]);
  watch.advance({ input: input(2n), lists: [], txs: [] });
  watch.advance({ input: input(3n), lists: [], txs: [a, undefined] });
  // A full block leaves out what pays less.
  blockBytesMax.value = 1;
  watch.advance({ input: input(3n), lists: [], txs: [a] });
  blockBytesMax.value = 1 << 20;
  armed.clear();
  watch.advance({ input: input(4n), lists: [], txs: [a, b] });
  watch.advance({ input: input(5n), lists: [], txs: [] });
  expect(scores.map(([validator]) => validator)).toEqual(["ab", "ab", "ab"]);
  // All left out, then half, then nothing: a tenth of what is new counts.
  expect(scores.map(([, score]) => score.toFixed(4))).toEqual(["0.1000", "0.1400", "0.1260"]);
});
