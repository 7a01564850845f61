import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { idAt, listsOf, MemoryTally, powersOf, validatorAt } from "../../test/support/mev-tally.ts";
import { WITHDRAWN_TXS_MAX } from "../../proto/codec/weft-extension.ts";
import { chooseListed, chooseWithdrawn, type HeldTx } from "./lister.ts";

const ALL = [0, 1, 2, 3];

function fresh(): MemoryTally {
  return new MemoryTally(powersOf(new Map(ALL.map((one) => [toHex(validatorAt(one)), 1n]))));
}

function held(at: number, rollup?: string, size = 200): HeldTx {
  const rollupKeys = rollup === undefined ? [] : [rollup];
  return { id: idAt(at), size, agoMs: 1_000 - at, rollupKeys };
}

const limits = { validator: validatorAt(0), height: 12, roomBytes: 10_000, canKeep: () => true };
const idsOf = (listed: readonly { readonly id: Uint8Array }[]) =>
  listed.map(({ id }) => new DataView(id.buffer, id.byteOffset).getUint32(0) - 1);

const numbersOf = (ids: readonly Uint8Array[]) => idsOf(ids.map((id) => ({ id })));

describe("behavior: an honest validator lists", () => {
  test("the oldest first, at most 64, with how long it has waited", () => {
    const pool = Array.from({ length: 100 }, (_, at) => held(at, `rollup ${at}`));
    const listed = chooseListed(pool, fresh(), limits);
    expect(idsOf(listed)).toEqual(pool.slice(0, 64).map((_, at) => at));
    expect(listed[5]).toEqual({ id: idAt(5), size: 200, receivedAgoMs: 995 });
  });

  test("not what the state has it for already, but what it had withdrawn", () => {
    const tally = fresh();
    tally.fold(
      ALL.map((one) => listsOf(one, [held(1), held(2)])),
      10,
    );
    tally.fold([listsOf(3, [held(3)]), listsOf(0, [], [idAt(2)])], 11);
    expect(idsOf(chooseListed([held(1), held(2), held(3), held(4)], tally, limits))).toEqual([
      2, 3, 4,
    ]);
  });

  test("what the state has it for, when the block that it votes on forgets that", () => {
    const tally = fresh();
    tally.fold([listsOf(0, [held(1)]), listsOf(1, [held(1)])], 10);
    const at = (height: number) => chooseListed([held(1)], tally, { ...limits, height });
    expect(at(29)).toEqual([]);
    expect(tally.forget(29)).toEqual([]);
    expect(at(30)).toHaveLength(1);
    expect(tally.forget(30)).toHaveLength(1);
  });

  test("nothing that OBLIGATED has no room for, or that it cannot keep", () => {
    const pool = [held(0, undefined, 9_996), held(1, undefined, 9_998), held(2), held(3)];
    const canKeep = ({ id }: HeldTx): boolean => idsOf([{ id }])[0] !== 2;
    expect(idsOf(chooseListed(pool, fresh(), { ...limits, canKeep }))).toEqual([0, 3]);
  });

  test("of one rollup a quarter while others wait, otherwise all of it", () => {
    const loud = Array.from({ length: 100 }, (_, at) => held(at, "loud"));
    const quiet = Array.from({ length: 3 }, (_, at) => held(200 + at));
    const both = idsOf(chooseListed([...loud, ...quiet], fresh(), limits));
    const turns = Array.from({ length: 16 }, (_, at) => at);
    expect(both.slice(0, 19)).toEqual([...turns, 200, 201, 202]);
    expect(both).toHaveLength(64);
    expect(idsOf(chooseListed(loud, fresh(), limits))).toHaveLength(64);
  });
});

describe("behavior: an honest validator withdraws", () => {
  const tally = fresh();
  const ids = Array.from({ length: 20 }, (_, at) => held(19 - at));
  tally.fold(
    ALL.map((one) => listsOf(one, ids.toReversed())),
    10,
  );

  test("what is due soon and it cannot put into a block; once", () => {
    const without = (...gone: readonly number[]) =>
      chooseWithdrawn(
        tally,
        validatorAt(0),
        14,
        ({ id }) => !gone.includes(idsOf([{ id }])[0] ?? -1),
      );
    expect(numbersOf(without(7, 3))).toEqual([3, 7]);
    const said = fresh();
    said.fold(
      ALL.map((one) => listsOf(one, [held(3)])),
      10,
    );
    said.fold([listsOf(0, [], [idAt(3)])], 11);
    expect(chooseWithdrawn(said, validatorAt(0), 14, () => false)).toEqual([]);
    expect(chooseWithdrawn(said, validatorAt(1), 14, () => false)).toHaveLength(1);
  });

  test("at most as many as a list takes, and nothing before it is close to due", () => {
    expect(numbersOf(chooseWithdrawn(tally, validatorAt(0), 14, () => false))).toEqual(
      Array.from({ length: WITHDRAWN_TXS_MAX }, (_, at) => at),
    );
    expect(chooseWithdrawn(tally, validatorAt(0), 13, () => false)).toEqual([]);
  });
});
