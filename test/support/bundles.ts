/** Bundles as senders make them. */
import { Height } from "../../proto/brands.ts";
import { compareBytes, utf8ToBytes } from "../../proto/bytes.ts";
import {
  type Bundle,
  type BundleLeg,
  type CancelBundles,
  REPLACEMENT_KEY_BYTES,
  type Replacement,
  RevertMode,
} from "../../proto/codec/mev-tx.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";

export interface LegTerms {
  readonly rollup: string;
  readonly entries?: readonly string[];
  readonly revertMode?: RevertMode;
  readonly tip?: bigint;
}

export interface BundleTerms {
  readonly minHeight?: number;
  readonly maxHeight?: number;
  readonly replacement?: Replacement | undefined;
  readonly cancelNonce?: bigint;
}

export function leg({ rollup, entries = ["x"], revertMode, tip }: LegTerms): BundleLeg {
  const rollupId = rollupIdOfName(rollup);
  return {
    rollupId,
    payload: rollupData(rollupId, entries.map(utf8ToBytes)).payload,
    revertMode: revertMode ?? RevertMode.ALLOW,
    tip: tip ?? 0n,
  };
}

/** A bundle in the clear; legs in any order. */
export function bundleOf(legs: readonly LegTerms[], terms: BundleTerms = {}): Bundle {
  return {
    kind: "bundle",
    legs: legs.map(leg).sort((a, b) => compareBytes(a.rollupId, b.rollupId)),
    minHeight: Height(terms.minHeight ?? 0),
    maxHeight: Height(terms.maxHeight ?? 50),
    replacement: terms.replacement,
    cancelNonce: terms.cancelNonce ?? 0n,
  };
}

/** `name`: of the key, up to 16 bytes of text. */
export function keyOf(name: string): Uint8Array {
  const key = new Uint8Array(REPLACEMENT_KEY_BYTES);
  key.set(utf8ToBytes(name));
  return key;
}

export const version = (name: string, sequence: number): Replacement => ({
  key: keyOf(name),
  sequence: BigInt(sequence),
});

export function cancelKey(name: string, sequence: number, untilHeight: number): CancelBundles {
  return {
    kind: "cancelBundles",
    key: keyOf(name),
    sequence: BigInt(sequence),
    untilHeight: Height(untilHeight),
    cancelNonce: 0n,
  };
}

export function cancelBelow(cancelNonce: bigint): CancelBundles {
  return {
    kind: "cancelBundles",
    key: new Uint8Array(0),
    sequence: 0n,
    untilHeight: Height(0),
    cancelNonce,
  };
}
