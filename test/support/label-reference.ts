/**
 * Labels, bundle ids and decisions a second time, line by line from docs/formats.md, with Buffers and OpenSSL's
 * hash: sharing no code with `mev` and `proto`. Bytes are hex, big numbers text.
 */
import { createHash } from "node:crypto";

interface Common {
  readonly chainId: string;
  readonly key: number;
  /** 20 bytes. */
  readonly sender: string;
  readonly replay:
    | { readonly nonce: string }
    | { readonly expiryHeight: number; readonly salt: string };
  readonly maxHeight: number;
  readonly maxFeePerByte: string;
  readonly tipPerByte: string;
  readonly bucket: number;
}

export interface ReferenceLeg {
  readonly rollupId: string;
  readonly revertMode: number;
  readonly tip: string;
}

/** Of level 1. */
export interface ReferenceTerms {
  readonly voteBlocks: number;
  readonly locks: readonly number[];
}

export type ReferenceLabel = Common &
  (
    | { readonly kind: "sealed"; readonly rollupIds: readonly string[] }
    | {
        readonly kind: "bundle";
        readonly legs: readonly ReferenceLeg[];
        readonly minHeight: number;
        readonly replacement: { readonly key: string; readonly sequence: string } | null;
        readonly cancelNonce: string;
        readonly atomic: ReferenceTerms | null;
      }
    | { readonly kind: "bid"; readonly group: string; readonly minHeight: number }
  );

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const lp = (value: Buffer): Buffer => Buffer.concat([Buffer.from([value.length]), value]);

function big(width: 1 | 2 | 4 | 8, value: bigint | number | string): Buffer {
  return bytes(
    BigInt(value)
      .toString(16)
      .padStart(width * 2, "0"),
  );
}

const TAGS = {
  sealed: "weft/seal/label/v1",
  bundle: "weft/seal/bundle/v1",
  bid: "weft/seal/bid/v1",
} as const;

const ATOMIC_LABEL_TAG = "weft/seal/bundle/v2";

/** The label of a ciphertext, hex. */
export function referenceLabel(label: ReferenceLabel): string {
  const isAtomic = label.kind === "bundle" && label.atomic !== null;
  const out: Buffer[] = [
    lp(Buffer.from(isAtomic ? ATOMIC_LABEL_TAG : TAGS[label.kind])),
    lp(Buffer.from(label.chainId)),
    big(8, label.key),
  ];
  if (label.kind === "bid") out.push(bytes(label.group));
  else {
    const ids =
      label.kind === "sealed" ? label.rollupIds : label.legs.map(({ rollupId }) => rollupId);
    out.push(big(1, ids.length), ...ids.map(bytes));
  }
  out.push(bytes(label.sender));
  if ("nonce" in label.replay) out.push(big(1, 0), big(8, label.replay.nonce));
  else out.push(big(1, 1), big(8, label.replay.expiryHeight), lp(bytes(label.replay.salt)));
  out.push(big(8, label.maxHeight), big(8, label.maxFeePerByte), big(8, label.tipPerByte));
  out.push(big(4, label.bucket));
  if (label.kind !== "sealed") out.push(big(8, label.minHeight));
  if (label.kind === "bundle") {
    const { replacement } = label;
    if (replacement === null) out.push(big(1, 0), Buffer.alloc(16), big(8, 0));
    else out.push(big(1, 1), bytes(replacement.key), big(8, replacement.sequence));
    out.push(big(8, label.cancelNonce));
    for (const { revertMode, tip } of label.legs) out.push(big(1, revertMode), big(8, tip));
    out.push(...termsOf(label.atomic));
  }
  return Buffer.concat(out).toString("hex");
}

function termsOf(terms: ReferenceTerms | null): readonly Buffer[] {
  if (terms === null) return [];
  return [big(1, terms.voteBlocks), ...terms.locks.map((count) => big(2, count))];
}

/** H(lp("weft/bundle/v1") ‖ lp(chain id) ‖ u8 legs ‖ …), hex. */
export function referenceBundleId(
  chainId: string,
  legs: readonly {
    readonly rollupId: string;
    readonly payload: string;
    readonly revertMode: number;
  }[],
  atomic: ReferenceTerms | null,
  itemId: string,
): string {
  const hash = createHash("sha256");
  const tag = atomic === null ? "weft/bundle/v1" : "weft/bundle/atomic/v1";
  hash.update(lp(Buffer.from(tag))).update(lp(Buffer.from(chainId)));
  hash.update(big(1, legs.length));
  for (const { rollupId, payload, revertMode } of legs) {
    hash.update(bytes(rollupId));
    hash.update(createHash("sha256").update(bytes(payload)).digest());
    hash.update(big(1, revertMode));
  }
  for (const part of termsOf(atomic)) hash.update(part);
  if (atomic !== null) hash.update(bytes(itemId));
  return hash.digest("hex");
}

/** A decision entry, 73 bytes, of an ORDER of these positions, hex. */
export function referenceOrder(seed: string, height: number, positions: readonly number[]): string {
  const detail = createHash("sha256");
  for (const position of positions) detail.update(big(4, position));
  return Buffer.concat([bytes(seed), big(1, 16), big(8, height), detail.digest()]).toString("hex");
}

export interface ReferenceShuffle {
  readonly chainId: string;
  readonly height: number;
  readonly rollupId: string;
  /** By position. `point`: empty for one that nobody opened. */
  readonly slots: readonly {
    readonly position: number;
    readonly sender: string;
    readonly point: string;
  }[];
}

/** Seed, and positions in the order of execution, of a block's shuffled entries. */
export function referenceShuffle({ chainId, height, rollupId, slots }: ReferenceShuffle): {
  readonly seed: string;
  readonly positions: readonly number[];
} {
  const sha256 = (...parts: readonly Buffer[]): Buffer =>
    createHash("sha256").update(Buffer.concat(parts)).digest();
  const seed = sha256(
    lp(Buffer.from("weft/order-seed/v1")),
    lp(Buffer.from(chainId)),
    big(8, height),
    bytes(rollupId),
    ...slots.map(({ point }) => (point === "" ? Buffer.alloc(32) : bytes(point))),
  );
  const keyed = slots.map(({ position, sender }) => ({
    position,
    key: sha256(lp(Buffer.from("weft/order/v1")), seed, bytes(sender)).toString("hex"),
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.position - b.position));
  return { seed: seed.toString("hex"), positions: keyed.map(({ position }) => position) };
}
