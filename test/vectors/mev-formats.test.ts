/**
 * Golden vectors of bundles, bids and orders (docs/formats.md). The file is what a second implementation,
 * `test/support/label-reference.ts`, makes of the inputs that stand in it; WEFT_WRITE_VECTORS=1 writes it anew. It
 * changes only with an architecture decision.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { shuffleOrder } from "../../mev/ordering/shuffle.ts";
import { bidLabel, bundleLabel, sealLabel } from "../../mev/seal/labels.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { payloadHash, type Replay } from "../../proto/codec/weft-tx.ts";
import { bundleId } from "../../proto/verify/bundle.ts";
import { DecisionOutcome, encodeDecisionEntry, orderHash } from "../../proto/verify/manifest.ts";
import {
  referenceBundleId,
  type ReferenceLabel,
  referenceLabel,
  referenceOrder,
  referenceShuffle,
} from "../support/label-reference.ts";

const FILE = new URL("mev-formats.json", import.meta.url);
const hex = z.string().regex(/^([0-9a-f]{2})*$/);
const number = z.string().regex(/^[0-9]+$/);
const common = {
  chainId: z.string(),
  key: z.int(),
  sender: hex,
  replay: z.union([
    z.strictObject({ nonce: number }),
    z.strictObject({ expiryHeight: z.int(), salt: hex }),
  ]),
  maxHeight: z.int(),
  maxFeePerByte: number,
  tipPerByte: number,
  bucket: z.int(),
};
const termsSchema = z.strictObject({ voteBlocks: z.int(), locks: z.array(z.int()) });
const labelSchema = z.discriminatedUnion("kind", [
  z.strictObject({ ...common, kind: z.literal("sealed"), rollupIds: z.array(hex) }),
  z.strictObject({
    ...common,
    kind: z.literal("bundle"),
    legs: z.array(z.strictObject({ rollupId: hex, revertMode: z.int(), tip: number })),
    minHeight: z.int(),
    replacement: z.strictObject({ key: hex, sequence: number }).nullable(),
    cancelNonce: number,
    atomic: termsSchema.nullable(),
  }),
  z.strictObject({ ...common, kind: z.literal("bid"), group: hex, minHeight: z.int() }),
]);
const vectorsSchema = z.strictObject({
  labels: z.array(z.strictObject({ input: labelSchema, output: hex })),
  bundles: z.array(
    z.strictObject({
      chainId: z.string(),
      legs: z.array(z.strictObject({ rollupId: hex, payload: hex, revertMode: z.int() })),
      atomic: termsSchema.nullable(),
      itemId: hex,
      id: hex,
    }),
  ),
  orders: z.array(
    z.strictObject({ seed: hex, height: z.int(), positions: z.array(z.int()), entry: hex }),
  ),
  shuffles: z.array(
    z.strictObject({
      chainId: z.string(),
      height: z.int(),
      rollupId: hex,
      slots: z.array(z.strictObject({ position: z.int(), sender: hex, point: hex })),
      seed: hex,
      positions: z.array(z.int()),
    }),
  ),
});

if (process.env["WEFT_WRITE_VECTORS"] === "1") {
  writeFileSync(FILE, `${JSON.stringify(newVectors(), null, 2)}\n`);
}
const vectors = vectorsSchema.parse(JSON.parse(readFileSync(FILE, "utf8")));

describe("vectors of bundles and bids", () => {
  test("are what the second implementation makes", () => {
    expect(newVectors()).toEqual(vectors);
    expect(vectors.labels.map(({ input }) => input.kind)).toEqual(
      expect.arrayContaining(["sealed", "bundle", "bid"]),
    );
  });

  test.each(vectors.labels)("label: $input.kind, bucket $input.bucket", ({ input, output }) => {
    expect(toHex(labelOf(input))).toBe(output);
  });

  test.each(vectors.bundles)("bundle id: $id", ({ chainId, legs, atomic, itemId, id }) => {
    const ours = legs.map((leg) => ({
      rollupId: fromHex(leg.rollupId),
      payloadHash: payloadHash(fromHex(leg.payload)),
      revertMode: modeOf(leg.revertMode),
    }));
    const terms = atomic === null ? undefined : { terms: atomic, itemId: fromHex(itemId) };
    expect(toHex(bundleId(chainId, ours, terms))).toBe(id);
  });

  test.each(vectors.orders)("order of $positions", ({ seed, height, positions, entry }) => {
    const decision = {
      subject: fromHex(seed),
      outcome: DecisionOutcome.ORDER,
      height: Height(height),
      detailHash: orderHash(positions),
    };
    expect(toHex(encodeDecisionEntry(decision))).toBe(entry);
  });

  test.each(vectors.shuffles)("shuffled: $positions", ({ positions, seed, ...shuffle }) => {
    const slots = shuffle.slots.map(({ position, sender, point }) => ({
      position,
      sender: fromHex(sender),
      isResolved: true,
      point: fromHex(point),
    }));
    const { chainId, height, rollupId } = shuffle;
    const order = shuffleOrder(chainId, Height(height), fromHex(rollupId), slots);
    expect({ ...order, seed: toHex(order.seed) }).toEqual({ seed, positions });
  });
});

function labelOf(input: ReferenceLabel): Uint8Array {
  const replay: Replay =
    "nonce" in input.replay
      ? { kind: "nonce", value: BigInt(input.replay.nonce) }
      : {
          kind: "unordered",
          expiryHeight: Height(input.replay.expiryHeight),
          salt: fromHex(input.replay.salt),
        };
  const of = {
    chainId: input.chainId,
    key: input.key,
    sender: fromHex(input.sender),
    replay,
    maxHeight: Height(input.maxHeight),
    maxFeePerByte: BigInt(input.maxFeePerByte),
    tipPerByte: BigInt(input.tipPerByte),
    bucket: input.bucket,
  };
  switch (input.kind) {
    case "sealed":
      return sealLabel({ ...of, rollupIds: input.rollupIds.map(fromHex) });
    case "bundle": {
      const { replacement } = input;
      return bundleLabel({
        ...of,
        legs: input.legs.map((leg) => ({
          rollupId: fromHex(leg.rollupId),
          revertMode: modeOf(leg.revertMode),
          tip: BigInt(leg.tip),
        })),
        minHeight: Height(input.minHeight),
        replacement:
          replacement === null
            ? undefined
            : { key: fromHex(replacement.key), sequence: BigInt(replacement.sequence) },
        cancelNonce: BigInt(input.cancelNonce),
        atomic: input.atomic ?? undefined,
      });
    }
    case "bid":
      return bidLabel({
        ...of,
        group: fromHex(input.group),
        minHeight: Height(input.minHeight),
      });
  }
}

function modeOf(value: number): RevertMode {
  const mode = Object.values(RevertMode).find((known) => known === value);
  if (mode === undefined) throw new Error(`no revert mode ${value}`);
  return mode;
}

function newVectors(): z.infer<typeof vectorsSchema> {
  const id = (byte: string) => byte.repeat(32);
  const of = {
    chainId: "weft-test",
    key: 3,
    sender: "a5".repeat(20),
    replay: { nonce: "18446744073709551615" },
    maxHeight: 900,
    maxFeePerByte: "6",
    tipPerByte: "9223372036854775807",
    bucket: 512,
  };
  const unordered = { expiryHeight: 77, salt: "00ff01" };
  const legs = [
    { rollupId: id("01"), revertMode: 0, tip: "0" },
    { rollupId: id("02"), revertMode: 2, tip: "9223372036854775807" },
    { rollupId: id("fe"), revertMode: 1, tip: "5" },
  ];
  const terms = { voteBlocks: 8, locks: [1, 256, 7] };
  const bundle = { ...of, kind: "bundle" as const, minHeight: 880, legs, atomic: null };
  const replacement = { key: "0123456789abcdef0123456789abcdef", sequence: "12" };
  const labels: readonly z.infer<typeof labelSchema>[] = [
    { ...of, kind: "sealed", rollupIds: [id("01"), id("02")] },
    { ...bundle, replacement: null, cancelNonce: "0" },
    { ...bundle, replay: unordered, replacement, cancelNonce: "4", bucket: 65_536 },
    { ...bundle, legs: legs.slice(0, 1), replacement, cancelNonce: "9223372036854775807" },
    { ...bundle, replacement: null, cancelNonce: "0", atomic: terms },
    { ...of, kind: "bid", group: id("0a"), minHeight: 0 },
    { ...of, kind: "bid", group: id("0a"), minHeight: 899, replay: unordered, bucket: 256 },
  ];
  const payloads = ["120161", "1203616263120101"];
  const bundles = [legs.slice(0, 1), legs.slice(0, 2)].map((some) =>
    some.map(({ rollupId, revertMode }, at) => ({
      rollupId,
      payload: payloads[at] ?? "",
      revertMode,
    })),
  );
  const atomicOf = (count: number) => ({ voteBlocks: 32, locks: terms.locks.slice(0, count) });
  const orders = [
    [1, 0],
    [4_294_967_295, 2, 7],
  ];
  const slot = (position: number, sender: string, point: string) => ({
    position,
    sender: sender.repeat(20),
    point: point.repeat(32),
  });
  const shuffles = [
    [slot(0, "01", "a1"), slot(1, "02", "a2")],
    [slot(0, "01", "a1"), slot(1, "02", "")],
    [slot(2, "01", "a1"), slot(3, "02", "a2"), slot(7, "03", ""), slot(9, "01", "a4")],
  ].map((slots) => ({ chainId: "weft-test", height: 41, rollupId: id("0a"), slots }));
  return {
    labels: labels.map((input) => ({ input, output: referenceLabel(input) })),
    bundles: bundles.flatMap((some) =>
      [null, atomicOf(some.length)].map((atomic) => ({
        chainId: "weft-test",
        legs: some,
        atomic,
        itemId: id("1d"),
        id: referenceBundleId("weft-test", some, atomic, id("1d")),
      })),
    ),
    orders: orders.map((positions) => ({
      seed: id("5e"),
      height: 41,
      positions,
      entry: referenceOrder(id("5e"), 41, positions),
    })),
    shuffles: shuffles.map((shuffle) => {
      const { seed, positions } = referenceShuffle(shuffle);
      return { ...shuffle, seed, positions: [...positions] };
    }),
  };
}
