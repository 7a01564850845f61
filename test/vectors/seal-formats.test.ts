/** Bytes of sealed transactions that are frozen (docs/formats.md), and what the formats do not allow. */
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { OPENINGS_CODEC, SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import {
  ASKED_CODEC,
  SEAL_ASK_CODEC,
  SEAL_CODEC,
  SEAL_GENERATION_CODEC,
  UNREVEALED_CODEC,
} from "../../proto/codec/seal-state.ts";
import { DEAL_CODEC, SEAL_ACTION_CODEC, type SealAction } from "../../proto/codec/seal-tx.ts";
import { encodeItem } from "../../proto/codec/weft-block.ts";
import { faultOf } from "../../proto/errors.ts";

const of = (length: number, value: number) => new Uint8Array(length).fill(value);
const hex = (length: number, value: number) => toHex(of(length, value));
const A = of(32, 0xa1);
const B = of(32, 0xb2);
const ADDRESS = of(20, 0xcd);
const SEALED: SealAction = {
  kind: "sealed",
  key: 300,
  rollupIds: [A, B],
  maxHeight: Height(1_000),
  kem: of(192, 0x77),
  body: of(272, 0x55),
};

describe("frozen bytes", () => {
  test.each<[string, SealAction, string]>([
    [
      "sealed",
      SEALED,
      `62a00408ac021220${hex(32, 0xa1)}1220${hex(32, 0xb2)}18e80722c001${hex(192, 0x77)}2a9002${hex(272, 0x55)}`,
    ],
    [
      "sealCommit",
      { kind: "sealCommit", hash: B, rollupIds: [A], maxHeight: Height(7), bucket: 65_536 },
      `8a014a0a20${hex(32, 0xb2)}1220${hex(32, 0xa1)}180720808004`,
    ],
    [
      "registerSealKey",
      { kind: "registerSealKey", validator: ADDRESS, encryptionKey: A, possession: of(64, 3) },
      `c2027a0a14${hex(20, 0xcd)}1220${hex(32, 0xa1)}1a40${hex(64, 3)}`,
    ],
    [
      "complain",
      {
        kind: "complain",
        key: 1,
        member: ADDRESS,
        dealer: of(20, 2),
        ticket: 600,
        sharedKey: A,
        proof: of(64, 4),
      },
      `d202950108011214${hex(20, 0xcd)}1a14${hex(20, 2)}20d8042a20${hex(32, 0xa1)}3240${hex(64, 4)}`,
    ],
    [
      "selfReveal",
      { kind: "selfReveal", height: Height(9), id: A, seed: B },
      `b2044608091220${hex(32, 0xa1)}1a20${hex(32, 0xb2)}`,
    ],
    [
      "reveal",
      { kind: "reveal", height: Height(9), id: A, salt: B, content: of(2, 1) },
      `ba044a08091220${hex(32, 0xa1)}1a20${hex(32, 0xb2)}22020101`,
    ],
  ])("%s", (_, action, bytes) => {
    expect(toHex(SEAL_ACTION_CODEC.encode(action))).toBe(bytes);
    expect(SEAL_ACTION_CODEC.decode(fromHex(bytes))).toEqual(action);
  });

  test("openings, as an item of kind 3", () => {
    const openings = {
      batches: [{ height: Height(5), points: of(64, 6) }],
      disputes: [
        { height: Height(4), index: 2, shares: [{ ticket: 3, point: A, proof: of(64, 8) }] },
      ],
    };
    const share = `08031220${hex(32, 0xa1)}1a40${hex(64, 8)}`;
    const bytes = `0a4408051240${hex(64, 6)}126c080410021a66${share}`;
    expect(toHex(encodeItem({ kind: "openings", openings }))).toBe(`1ab401${bytes}`);
    expect(OPENINGS_CODEC.decode(fromHex(bytes))).toEqual(openings);
  });

  test("records of the state", () => {
    const state = {
      activeKey: 2,
      nextKey: 3,
      nextKeyHeight: Height(300),
      isOpen: true,
      lastGeneration: 3,
      generationEpoch: 4,
      generationAttempts: 1,
    };
    expect(toHex(SEAL_CODEC.encode(state))).toBe("0802100318ac022001280330043801");
    const ask = {
      batches: [{ height: Height(5), key: 1, points: A }],
      disputes: [{ height: Height(3), index: 0, key: 1, point: B }],
    };
    expect(toHex(SEAL_ASK_CODEC.encode(ask))).toBe(
      `0a26080510011a20${hex(32, 0xa1)}1226080318012220${hex(32, 0xb2)}`,
    );
    expect(toHex(ASKED_CODEC.encode({ hash: A }))).toBe(`0a20${hex(32, 0xa1)}`);
    expect(toHex(UNREVEALED_CODEC.encode({ count: 3 }))).toBe("0803");
    const generation = {
      key: 1,
      startHeight: Height(2),
      dealHeight: Height(12),
      complainHeight: Height(22),
      threshold: 3,
      members: [{ validator: ADDRESS, encryptionKey: A, tickets: 4 }],
      totalPower: 10n,
      powers: [10n],
      disqualified: [ADDRESS],
    };
    expect(toHex(SEAL_GENERATION_CODEC.encode(generation))).toBe(
      `08011002180c20162803323a0a14${hex(20, 0xcd)}1220${hex(32, 0xa1)}1804380a42010a4a14${hex(20, 0xcd)}`,
    );
  });
});

describe("what the formats do not allow", () => {
  const refusal = (run: () => unknown): string => faultOf(() => void run()) ?? "accepted";
  const write = (change: object): string =>
    refusal(() => SEAL_ACTION_CODEC.encode({ ...SEALED, ...change }));

  test.each<[string, object, RegExp]>([
    ["key 0", { key: 0 }, /key: expected at least 1/],
    ["no rollup", { rollupIds: [] }, /rollup_ids: expected 1 to 8/],
    ["nine rollups", { rollupIds: Array.from({ length: 9 }, (_, i) => of(32, i + 1)) }, /1 to 8/],
    ["rollups out of order", { rollupIds: [B, A] }, /ascend/],
    ["a rollup twice", { rollupIds: [A, A] }, /ascend/],
    ["a short rollup id", { rollupIds: [of(31, 1)] }, /rollup_ids: expected 32/],
    ["a short key encapsulation", { kem: of(191, 1) }, /kem: expected 192/],
    ["a body that is no bucket", { body: of(256, 1) }, /body/],
    ["a body above all buckets", { body: of(131_088, 1) }, /body/],
  ])("sealed with %s", (_, change, message) => {
    expect(write(change)).toMatch(message);
  });

  test("read, it is refused likewise", () => {
    const bytes = toHex(SEAL_ACTION_CODEC.encode(SEALED));
    const swapped = bytes
      .replace(hex(32, 0xa1), "x")
      .replace(hex(32, 0xb2), hex(32, 0xa1))
      .replace("x", hex(32, 0xb2));
    expect(refusal(() => SEAL_ACTION_CODEC.decode(fromHex(swapped)))).toMatch(/ascend/);
    expect(refusal(() => SEAL_ACTION_CODEC.decode(fromHex(`${bytes}6a00`)))).toMatch(/second/);
  });

  test("dealings, openings and shares that are not in order or of no size", () => {
    const deal = {
      key: 1,
      dealer: ADDRESS,
      commitments: of(64, 1),
      ephemeral: A,
      shares: of(32, 1),
      possession: of(64, 1),
    };
    expect(refusal(() => DEAL_CODEC.encode(deal))).toMatch(/more commitments than shares/);
    const odd = { ...deal, commitments: of(33, 1) };
    expect(refusal(() => DEAL_CODEC.encode(odd))).toMatch(/commitments: .*whole 32s, got 33/);
    const none = { batches: [], disputes: [] };
    expect(refusal(() => OPENINGS_CODEC.encode(none))).toMatch(/neither/);
    expect(refusal(() => SHARES_CODEC.encode(none))).toBe("accepted");
    const batch = { height: Height(2), points: A };
    const twice = { ...none, batches: [batch, batch] };
    expect(refusal(() => OPENINGS_CODEC.encode(twice))).toMatch(/batches must ascend/);
    const share = { ticket: 1, point: A, proof: of(64, 1) };
    const dispute = { height: Height(2), index: 1, shares: [share, share] };
    const disputed = { ...none, disputes: [dispute] };
    expect(refusal(() => OPENINGS_CODEC.encode(disputed))).toMatch(/tickets must ascend/);
    const earlier = { ...dispute, index: 0, shares: [share] };
    const unordered = { ...none, disputes: [{ ...dispute, shares: [share] }, earlier] };
    expect(refusal(() => SHARES_CODEC.encode(unordered))).toMatch(/disputes must ascend/);
    const high = { ...earlier, shares: [{ ...share, ticket: 601 }] };
    expect(refusal(() => OPENINGS_CODEC.encode({ ...none, disputes: [high] }))).toMatch(/600/);
  });
});
