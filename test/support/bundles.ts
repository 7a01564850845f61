/** Bundles as senders make them. */
import { labelOfSealed, sealBundle, type SealingBody } from "../../mev/seal/sealed-content.ts";
import type { EncryptionRandomness } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, utf8ToBytes } from "../../proto/bytes.ts";
import {
  type Bundle,
  type AtomicTerms,
  type BundleLeg,
  type CancelBundles,
  REPLACEMENT_KEY_BYTES,
  type Replacement,
  RevertMode,
  type SealedBundle,
} from "../../proto/codec/mev-tx.ts";
import { type Fee, type Replay, rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";
import { TEST_TDH2 } from "./sealing.ts";
import { CHAIN_ID, signedItem, type Wallet } from "./weft-app.ts";

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
  /** Of level 1; for all legs by rollup. */
  readonly atomic?: AtomicTerms | undefined;
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
    atomic: terms.atomic,
  };
}

export interface SealedBundleTerms extends BundleTerms, Partial<Fee> {
  /** Instead of the legs' content: whatever a sender seals, as long as a bucket. */
  readonly plaintext?: Uint8Array;
}

export interface SealedBundleItem {
  readonly item: Uint8Array;
  readonly action: SealedBundle;
  /** Opens it when the committee does not. */
  readonly seed: Uint8Array;
}

/** A signed sealed bundle; the same for the same arguments. `keyState`: of the key in force. */
export function sealedBundleItem(
  sender: Wallet,
  replay: Replay,
  keyState: { readonly number: number; readonly publicKey: Uint8Array },
  legs: readonly LegTerms[],
  terms: SealedBundleTerms = {},
): SealedBundleItem {
  const { maxFeePerByte = 1_000n, tipPerByte = 1n, plaintext } = terms;
  const fee = { maxFeePerByte, tipPerByte };
  const of = { chainId: CHAIN_ID, key: keyState, publicKey: sender.key.publicKey, replay, fee };
  const { minHeight, maxHeight, replacement, cancelNonce, atomic } = bundleOf(legs, terms);
  const named = JSON.stringify([replay, terms, legs], (_, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
  const name = utf8ToBytes(named);
  const randomness = { seed: sha256(name), nonce: sha512Concat(sender.address, name) };
  const made = sealBundle(
    TEST_TDH2,
    {
      ...of,
      legs: legs.map(({ rollup, entries = ["x"], revertMode, tip }) => ({
        rollupId: rollupIdOfName(rollup),
        data: entries.map(utf8ToBytes),
        revertMode: revertMode ?? RevertMode.ALLOW,
        tip: tip ?? 0n,
      })),
      minHeight,
      maxHeight,
      replacement,
      cancelNonce,
      atomic,
    },
    randomness,
  );
  const action = plaintext === undefined ? made : withPlaintext(of, made, plaintext, randomness);
  return { item: signedItem(sender, replay, action, fee), action, seed: randomness.seed };
}

function withPlaintext(
  of: SealingBody & { readonly key: { readonly publicKey: Uint8Array } },
  made: SealedBundle,
  plaintext: Uint8Array,
  randomness: EncryptionRandomness,
): SealedBundle {
  const body = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  const label = labelOfSealed(CHAIN_ID, of, { ...made, body });
  return { ...made, ...TEST_TDH2.encrypt(of.key.publicKey, label, plaintext, randomness) };
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
