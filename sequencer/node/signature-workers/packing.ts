/**
 * Signatures as they cross to a worker: one buffer for a batch, given away instead of copied.
 * Layout, little-endian: u32 count, then for each u32 length of the message, public key (32),
 * signature (64), message. Items whose key or signature has another length are not packed: they are
 * false wherever they are looked at.
 */
import type { SignedItem } from "../../../proto/verify/ed25519.ts";
import {
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  signedBytes,
} from "../../../proto/verify/ed25519.ts";

const HEAD_BYTES = 4 + ED25519_PUBLIC_KEY_BYTES + ED25519_SIGNATURE_BYTES;

export function packedBytes(item: SignedItem): number {
  return HEAD_BYTES + signedBytes(item);
}

export function isPackable({ publicKey, signature }: SignedItem): boolean {
  return (
    publicKey.length === ED25519_PUBLIC_KEY_BYTES && signature.length === ED25519_SIGNATURE_BYTES
  );
}

/** @param items each packable */
export function packItems(items: readonly SignedItem[]): ArrayBuffer {
  const buffer = new ArrayBuffer(items.reduce((sum, item) => sum + packedBytes(item), 4));
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  view.setUint32(0, items.length, true);
  let at = 4;
  for (const item of items) {
    const { publicKey, prefix, message, signature } = item;
    view.setUint32(at, signedBytes(item), true);
    bytes.set(publicKey, at + 4);
    bytes.set(signature, at + 4 + ED25519_PUBLIC_KEY_BYTES);
    if (prefix !== undefined) bytes.set(prefix, at + HEAD_BYTES);
    bytes.set(message, at + HEAD_BYTES + (prefix?.length ?? 0));
    at += packedBytes(item);
  }
  return buffer;
}

/** How many items lie in `buffer`. */
export function packedCount(buffer: ArrayBuffer): number {
  return new DataView(buffer).getUint32(0, true);
}

/** Views into `buffer`, prefixes joined to their messages. */
export function unpackItems(buffer: ArrayBuffer): SignedItem[] {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  const items: SignedItem[] = [];
  let at = 4;
  for (let left = packedCount(buffer); left > 0; left--) {
    const end = at + HEAD_BYTES + view.getUint32(at, true);
    const signatureAt = at + 4 + ED25519_PUBLIC_KEY_BYTES;
    items.push({
      publicKey: bytes.subarray(at + 4, signatureAt),
      signature: bytes.subarray(signatureAt, at + HEAD_BYTES),
      message: bytes.subarray(at + HEAD_BYTES, end),
    });
    at = end;
  }
  return items;
}
