import { beforeEach, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex } from "../../../proto/bytes.ts";
import { type SealedItemState, SealedItemKind } from "../../../proto/codec/seal-state.ts";
import { sha256 } from "../../../proto/hash.ts";
import { testSealKey } from "../../../test/support/seal-key.ts";
import {
  createStakingContext,
  type TestStakingContext,
} from "../../../test/support/staking-context.ts";
import { METRIC_VALIDATORS_MAX } from "../limits.ts";
import { numberKey, SEAL, SEAL_ASK, SEAL_COMMITS, SEAL_KEYS, SEALED } from "../state/tables.ts";
import { revealedEvent, sharesMissingEvent, voidEvent } from "./events.ts";
import { emitDisputed, emitOrdered, type Resolution, resolveItem } from "./items/resolve.ts";
import { NULL_SEAL_METRICS, type SealMetrics } from "./metrics.ts";
import { SealGauges } from "./seal-gauges.ts";

const VALIDATOR = { address: fromHex("0a".repeat(20)) };

let ctx: TestStakingContext;
let shown: Map<string, number>;
let gauges: SealGauges;

beforeEach(() => {
  ctx = createStakingContext({ height: 12 });
  shown = new Map();
  const terms = {} as never;
  gauges = new SealGauges({ terms, staking: ctx }, recording(shown));
});

test("shows keys and what waits, as the state has it", () => {
  gauges.reset();
  expect(shown.get("sealKey")).toBe(0);
  expect(shown.get("sealOpen")).toBe(0);
  const key = testSealKey(3, [VALIDATOR], [2], 2);
  ctx.records.set(SEAL_KEYS, numberKey(3), { ...key.state, activeHeight: Height(9) });
  ctx.records.set(SEAL, "", {
    activeKey: 3,
    nextKey: 4,
    nextKeyHeight: Height(13),
    isOpen: true,
    lastGeneration: 4,
    generationEpoch: 1,
    generationAttempts: 1,
  });
  ctx.records.set(SEALED, numberKey(10), { key: 3, items: [item(0), item(1)] });
  const places = [{ rollupId: sha256(EMPTY_BYTES), position: 0 }];
  const commit = { id: sha256(EMPTY_BYTES), hash: sha256(EMPTY_BYTES), bucket: 256, places };
  ctx.records.set(SEAL_COMMITS, numberKey(11), {
    revealHeight: Height(20),
    items: [{ ...commit, sender: VALIDATOR.address, fee: 0n, bond: 0n }],
  });
  ctx.records.set(SEAL_ASK, numberKey(12), {
    batches: [{ height: Height(10), key: 3, points: key.points(2) }],
    disputes: [{ height: Height(8), index: 0, key: 3, point: key.points(1) }],
  });
  gauges.advance(11, []);
  expect(Object.fromEntries(shown)).toEqual({
    sealKey: 3,
    sealKeyHeight: 9,
    sealKeyMembers: 1,
    sealNextKeyHeight: 13,
    sealOpen: 1,
    sealGeneration: 0,
    sealPendingItems: 2,
    sealAskedItems: 3,
    sealPendingCommits: 1,
  });
});

test("counts what blocks settle, and how long it took", () => {
  const point = new Uint8Array(32);
  const pointOf = () => point;
  const outcomes: readonly Resolution[] = [
    {
      kind: "opened",
      payloads: [EMPTY_BYTES],
      contentHashes: [sha256(EMPTY_BYTES)],
      amount: 0n,
      opener: { kind: "point", point },
      by: "committee",
      pointOf,
    },
    { kind: "invalid", reason: "it is nothing", by: "committee", pointOf },
    { kind: "garbage", pointOf },
    { kind: "expired" },
  ];
  ctx.mintPool("sealed", 100n);
  for (const [index, outcome] of outcomes.entries()) {
    emitOrdered(ctx, 3, item(index), { idText: "id", senderText: "weft1sender" });
    resolveItem(ctx, 10, item(index), outcome);
  }
  emitDisputed(ctx, 10, item(0));
  ctx.emit(revealedEvent(sha256(EMPTY_BYTES), 3));
  ctx.emit(revealedEvent(sha256(EMPTY_BYTES), 3, "it is nothing"));
  const places = [{ rollupId: sha256(EMPTY_BYTES), position: 0 }];
  const commit = { id: sha256(EMPTY_BYTES), hash: sha256(EMPTY_BYTES), bucket: 256, places };
  ctx.emit(voidEvent({ ...commit, sender: VALIDATOR.address, fee: 0n, bond: 0n }, 3));
  gauges.advance(12, [ctx.events]);
  const counted = [...shown].filter(([name]) => /Resolved|Disputes|Reveal/.test(name));
  expect(Object.fromEntries(counted)).toEqual({
    "sealResolved sealed opened": 1,
    "sealResolved sealed invalid": 2,
    "sealResolved sealed expired": 1,
    "sealResolved commit opened": 1,
    "sealResolved commit invalid": 1,
    "sealResolved commit void": 1,
    sealDisputes: 1,
    sealRevealBlocks: 2,
  });
});

test("names only so many validators that owed shares", () => {
  const events = Array.from({ length: METRIC_VALIDATORS_MAX + 5 }, (_, i) =>
    sharesMissingEvent(i.toString(16).padStart(40, "0"), 11),
  );
  gauges.advance(12, [events, events]);
  const blamed = [...shown].filter(([name]) => name.startsWith("sealMissingShares"));
  expect(blamed).toHaveLength(METRIC_VALIDATORS_MAX);
  expect(new Set(blamed.map(([, count]) => count))).toEqual(new Set([2]));
});

/** Of one rollup, with a fee and a bond of 10 nweft. */
function item(index: number): SealedItemState {
  return {
    index,
    id: sha256(Uint8Array.of(index)),
    sender: VALIDATOR.address,
    kem: new Uint8Array(192),
    body: new Uint8Array(272),
    label: new Uint8Array(1),
    places: [{ rollupId: sha256(EMPTY_BYTES), position: index }],
    fee: 10n,
    bond: 10n,
    disputedHeight: Height(0),
    disputedBy: EMPTY_BYTES,
    kind: SealedItemKind.SEALED,
    tips: [],
    group: EMPTY_BYTES,
    proposer: EMPTY_BYTES,
  };
}

/** What is set last, counted or observed, by field and labels. */
function recording(to: Map<string, number>): SealMetrics {
  const instrument = (name: string) => {
    const key = (labels: Readonly<Record<string, string>> = {}) =>
      [name, ...Object.values(labels)].join(" ");
    return {
      set: (value: number, labels?: Readonly<Record<string, string>>) => to.set(key(labels), value),
      observe: (value: number, labels?: Readonly<Record<string, string>>) =>
        to.set(key(labels), value),
      inc: (labels?: Readonly<Record<string, string>>, by = 1) =>
        to.set(key(labels), (to.get(key(labels)) ?? 0) + by),
    };
  };
  const names = Object.keys(NULL_SEAL_METRICS);
  return Object.fromEntries(
    names.map((name) => [name, instrument(name)]),
  ) as unknown as SealMetrics;
}
