import { describe, expect, test } from "vitest";
import { Height } from "../proto/brands.ts";
import { toHex } from "../proto/bytes.ts";
import { RevertMode } from "../proto/codec/mev-tx.ts";
import type { Item } from "../proto/codec/weft-block.ts";
import { type Action, rollupData, type SignedTx } from "../proto/codec/weft-tx.ts";
import {
  type ControlKey,
  createLaneRules,
  itemBlockBytes,
  Lane,
  laneBytesMax,
  laneOf,
  type LaneParams,
  type LaneUse,
  laneUse,
  orderControl,
  rollupBytesMax,
} from "./lanes.ts";

const id = (value: number): Uint8Array => new Uint8Array(32).fill(value);

const params: LaneParams = {
  blockBytesMax: 100_000,
  controlShareBps: 500,
  forcedShareBps: 0,
  obligatedShareBps: 2_000,
  sealedShareBps: 3_000,
  atomicShareBps: 1_500,
  controlPerSignerMax: 2,
  rollupQuotaBps: 1_000,
  rollupQuotaBytesFloor: 5_000,
};

const manifest: LaneUse = {
  kind: "manifest",
  lane: Lane.SYS,
  itemBytes: 40,
  rollupKeys: [],
  control: undefined,
};
const injected: LaneUse = { ...manifest, kind: "injectedCommit" };

function use(lane: Lane, change: Partial<LaneUse> = {}): LaneUse {
  return { kind: "tx", lane, itemBytes: 100, rollupKeys: [], control: control(1, 0n), ...change };
}

function control(account: number, nonce: bigint | undefined, tx = 0): ControlKey {
  return { publicKey: id(account), nonce, id: id(tx) };
}

/** Code of the first refusal, or "accepted". */
function verdict(uses: readonly LaneUse[], isInitialHeight = false): string {
  const rules = createLaneRules(params, isInitialHeight);
  for (const one of uses) {
    const fault = rules.take(one);
    if (fault !== undefined) return fault.code;
  }
  return rules.finish()?.code ?? "accepted";
}

function tx(action: Action): Item {
  const signed: SignedTx = {
    bodyBytes: id(1),
    signature: new Uint8Array(64),
    body: {
      publicKey: id(1),
      replay: { kind: "unordered", expiryHeight: Height(5), salt: id(1).slice(0, 8) },
      fee: { maxFeePerByte: 1n, tipPerByte: 0n },
      action,
    },
  };
  return { kind: "tx", tx: signed };
}

describe("behavior: the lane of an item", () => {
  const data = tx(rollupData(id(9), [id(1)]));
  test("system items are SYS, transactions DEFAULT unless they are due", () => {
    const root = id(0);
    expect(laneOf({ kind: "manifest", manifest: { version: 1, leafCount: 0, root } }, true)).toBe(
      Lane.SYS,
    );
    expect(laneOf(data, false)).toBe(Lane.DEFAULT);
    expect(laneOf(data, true)).toBe(Lane.OBLIGATED);
    expect(laneOf(tx({ kind: "transfer", to: id(1).slice(0, 20), amount: 1n }), false)).toBe(
      Lane.DEFAULT,
    );
  });

  test("what the rules see of a transaction", () => {
    expect(laneUse(data, 321, id(4), false)).toEqual({
      kind: "tx",
      lane: Lane.DEFAULT,
      itemBytes: 321,
      rollupKeys: [toHex(id(9))],
      control: { publicKey: id(1), nonce: undefined, id: id(4) },
    });
  });
});

describe("behavior: what a bundle, a bid and something sealed take from quotas", () => {
  const leg = { revertMode: RevertMode.ALLOW, tip: 0n };
  const window = {
    minHeight: Height(0),
    maxHeight: Height(9),
    replacement: undefined,
    cancelNonce: 0n,
    atomic: undefined,
  };
  const hidden = { key: 1, kem: new Uint8Array(192), body: new Uint8Array(272) };

  test("of a bundle in the clear each leg its own bytes, in ATOMIC", () => {
    const payloads = [rollupData(id(1), [id(1)]), rollupData(id(2), [id(1), id(2)])].map(
      ({ payload }) => payload,
    );
    const legs = payloads.map((payload, n) => ({ ...leg, rollupId: id(n + 1), payload }));
    const bundle = laneUse(tx({ kind: "bundle", legs, ...window }), 500, id(4), false);
    expect(bundle).toMatchObject({
      lane: Lane.ATOMIC,
      rollupKeys: [toHex(id(1)), toHex(id(2))],
      rollupBytes: payloads.map(({ length }) => length),
    });
  });

  test("of a sealed bundle all of it for each rollup, of a bid all of it for its group, in SEALED", () => {
    const legs = [1, 2].map((n) => ({ ...leg, rollupId: id(n) }));
    const sealed = tx({ kind: "sealedBundle", legs, ...window, ...hidden });
    const bid = tx({
      kind: "bid",
      group: id(7),
      minHeight: Height(0),
      maxHeight: Height(9),
      ...hidden,
    });
    expect(laneUse(sealed, 900, id(4), false)).toMatchObject({
      lane: Lane.SEALED,
      rollupKeys: [toHex(id(1)), toHex(id(2))],
    });
    expect(laneUse(sealed, 900, id(4), false).rollupBytes).toBeUndefined();
    expect(laneUse(bid, 900, id(4), false)).toMatchObject({
      lane: Lane.SEALED,
      rollupKeys: [toHex(id(7))],
    });
  });
});

describe("behavior: lanes are contiguous and in order", () => {
  test("every lane may be left out or used", () => {
    expect(verdict([manifest, injected])).toBe("accepted");
    expect(verdict([manifest], true)).toBe("accepted");
    const all = [
      Lane.REVEAL,
      Lane.CONTROL,
      Lane.OBLIGATED,
      Lane.OBLIGATED,
      Lane.SEALED,
      Lane.ATOMIC,
      Lane.DEFAULT,
      Lane.DEFAULT,
    ];
    expect(verdict([manifest, injected, ...all.map((lane) => use(lane))])).toBe("accepted");
  });

  test.each<[string, readonly LaneUse[], string]>([
    ["an empty block", [], "LANE_SYSTEM_ITEMS"],
    ["no injected commit", [manifest], "LANE_SYSTEM_ITEMS"],
    ["a transaction as item 1", [manifest, use(Lane.DEFAULT)], "LANE_SYSTEM_ITEMS"],
    ["a transaction as item 0", [use(Lane.DEFAULT)], "LANE_SYSTEM_ITEMS"],
    ["swapped system items", [injected, manifest], "LANE_SYSTEM_ITEMS"],
    ["a second manifest", [manifest, injected, manifest], "LANE_SYSTEM_ITEMS"],
    [
      "a late injected commit",
      [manifest, injected, use(Lane.DEFAULT), injected],
      "LANE_SYSTEM_ITEMS",
    ],
    [
      "back to an earlier lane",
      [manifest, injected, use(Lane.DEFAULT), use(Lane.SEALED)],
      "LANE_ORDER",
    ],
    ["anything in FORCED", [manifest, injected, use(Lane.FORCED)], "LANE_FORCED"],
    [
      "FORCED between two lanes that may stand there",
      [manifest, injected, use(Lane.CONTROL), use(Lane.FORCED), use(Lane.OBLIGATED)],
      "LANE_FORCED",
    ],
    [
      "a lane twice",
      [manifest, injected, use(Lane.OBLIGATED), use(Lane.DEFAULT), use(Lane.OBLIGATED)],
      "LANE_ORDER",
    ],
  ])("%s", (_, uses, code) => {
    expect(verdict(uses)).toBe(code);
  });

  test("an injected commit at the initial height", () => {
    expect(verdict([manifest, injected], true)).toBe("LANE_SYSTEM_ITEMS");
  });
});

describe("behavior: CONTROL is canonical and nobody fills it alone", () => {
  const inControl = (...keys: readonly ControlKey[]) =>
    verdict([manifest, injected, ...keys.map((key) => use(Lane.CONTROL, { control: key }))]);

  test("accounts ascend, then nonces, then unordered ids", () => {
    expect(inControl(control(1, 4n), control(1, 5n), control(2, undefined, 1))).toBe("accepted");
    expect(inControl(control(1, undefined, 1), control(1, undefined, 2))).toBe("accepted");
  });

  test.each<[string, readonly ControlKey[]]>([
    ["accounts descend", [control(2, 0n), control(1, 0n)]],
    ["nonces descend", [control(1, 5n), control(1, 4n)]],
    ["a nonce after an unordered one", [control(1, undefined, 1), control(1, 4n)]],
    ["ids descend", [control(1, undefined, 2), control(1, undefined, 1)]],
    ["the same twice", [control(1, undefined, 2), control(1, undefined, 2)]],
  ])("%s", (_, keys) => {
    expect(inControl(...keys)).toBe("LANE_CONTROL_ORDER");
  });

  test("one account has at most its cap", () => {
    const three = [control(1, 4n), control(1, 5n), control(1, 6n)];
    expect(inControl(...three)).toBe("LANE_CONTROL_SIGNER_CAP");
    expect(inControl(control(1, 4n), control(1, 5n), control(2, 0n), control(2, 1n))).toBe(
      "accepted",
    );
  });

  test("a proposal orders its candidates and leaves the surplus out", () => {
    const candidates = [
      control(2, 1n),
      control(1, undefined, 3),
      control(1, 9n),
      control(1, 8n),
      control(2, 0n),
    ].map((key) => use(Lane.CONTROL, { control: key }));
    const chosen = orderControl(
      candidates.flatMap((one) =>
        one.control === undefined ? [] : [{ ...one, control: one.control }],
      ),
      params.controlPerSignerMax,
    );
    expect(chosen.map((one) => [one.control.publicKey[0], one.control.nonce])).toEqual([
      [1, 8n],
      [1, 9n],
      [2, 0n],
      [2, 1n],
    ]);
    expect(verdict([manifest, injected, ...chosen])).toBe("accepted");
  });
});

describe("behavior: shares and quotas", () => {
  const wide = (lane: Lane, blockBytes: number, rollups: readonly Uint8Array[] = []) =>
    use(lane, { itemBytes: itemBytesFor(blockBytes), rollupKeys: rollups.map(toHex) });

  test("a lane's bound adds up the shares before it; DEFAULT and SYS have none", () => {
    expect(
      [Lane.CONTROL, Lane.FORCED, Lane.OBLIGATED, Lane.SEALED, Lane.ATOMIC].map((lane) =>
        laneBytesMax(params, lane),
      ),
    ).toEqual([5_000, 5_000, 25_000, 55_000, 70_000]);
    expect([Lane.SYS, Lane.REVEAL, Lane.DEFAULT].map((lane) => laneBytesMax(params, lane))).toEqual(
      [undefined, undefined, undefined],
    );
  });

  test("a lane may use all that the lanes before it left, and not a byte more", () => {
    const head = [manifest, injected];
    expect(verdict([...head, wide(Lane.CONTROL, 5_000)])).toBe("accepted");
    expect(verdict([...head, wide(Lane.CONTROL, 5_001)])).toBe("LANE_SHARE");
    expect(verdict([...head, wide(Lane.OBLIGATED, 25_000)])).toBe("accepted");
    expect(verdict([...head, use(Lane.CONTROL), wide(Lane.OBLIGATED, 25_000)])).toBe("LANE_SHARE");
    expect(verdict([...head, wide(Lane.REVEAL, 90_000), wide(Lane.CONTROL, 5_000)])).toBe(
      "accepted",
    );
    expect(verdict([...head, wide(Lane.DEFAULT, 99_000)])).toBe("accepted");
  });

  test("one rollup takes at most its quota of a shared lane, in all its items", () => {
    expect(rollupBytesMax(params)).toBe(10_000);
    expect(rollupBytesMax({ ...params, rollupQuotaBytesFloor: 20_000 })).toBe(20_000);
    const head = [manifest, injected];
    const half = (lane: Lane, n: number) => wide(lane, 5_000, [id(n)]);
    expect(verdict([...head, half(7, 1), half(7, 2), half(7, 1), half(7, 2)])).toBe("accepted");
    const third = use(Lane.DEFAULT, { rollupKeys: [toHex(id(1))] });
    expect(verdict([...head, half(7, 1), half(7, 2), half(7, 1), third])).toBe("LANE_ROLLUP_QUOTA");
    // A new lane, a new quota; an item that names two rollups counts for both.
    expect(verdict([...head, half(5, 1), half(5, 1), half(7, 1), half(7, 1)])).toBe("accepted");
    const both = wide(Lane.ATOMIC, 6_000, [id(1), id(2)]);
    expect(verdict([...head, both, half(6, 2)])).toBe("LANE_ROLLUP_QUOTA");
  });

  test("legs of one item take each from their own rollup's quota", () => {
    const head = [manifest, injected];
    const legs = (own: number, other: number) =>
      use(Lane.ATOMIC, {
        itemBytes: itemBytesFor(own + other),
        rollupKeys: [toHex(id(1)), toHex(id(2))],
        rollupBytes: [own, other],
      });
    expect(verdict([...head, legs(9_000, 1_000), legs(1_000, 4_000)])).toBe("accepted");
    expect(verdict([...head, legs(9_000, 1_000), legs(1_001, 4_000)])).toBe("LANE_ROLLUP_QUOTA");
  });

  test("what the state obliges the block to hold is nobody's quota", () => {
    expect(verdict([manifest, injected, wide(Lane.OBLIGATED, 20_000, [id(1)])])).toBe("accepted");
  });

  test("a refused item changes nothing, so a proposer may go on", () => {
    const rules = createLaneRules(params, true);
    expect(rules.take(manifest)).toBeUndefined();
    expect(rules.take(wide(Lane.DEFAULT, 10_001, [id(1)]))?.code).toBe("LANE_ROLLUP_QUOTA");
    expect(rules.take(use(Lane.SEALED))).toBeUndefined();
    expect(rules.take(use(Lane.CONTROL))?.code).toBe("LANE_ORDER");
    expect(rules.take(wide(Lane.DEFAULT, 10_000, [id(1)]))).toBeUndefined();
    expect(rules.finish()).toBeUndefined();
  });

  test("shares beyond the block are a programmer's error", () => {
    expect(() => createLaneRules({ ...params, sealedShareBps: 9_000 }, false)).toThrow(/exceed/);
    expect(() => createLaneRules({ ...params, blockBytesMax: -1 }, false)).toThrow(/integers/);
  });
});

/** Length of an item that takes exactly `blockBytes` in a block. */
function itemBytesFor(blockBytes: number): number {
  for (let itemBytes = blockBytes - 6; itemBytes < blockBytes; itemBytes++) {
    if (itemBlockBytes(itemBytes) === blockBytes) return itemBytes;
  }
  throw new Error(`no item takes ${blockBytes} bytes`);
}
