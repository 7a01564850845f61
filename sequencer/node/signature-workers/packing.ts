/**
 * Signatures as they cross to a worker: one buffer for a batch, given away instead of copied, and given
 * back with the verdicts in it.
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

const COUNT_BYTES = 4;
/** What an item takes beside its message. */
export const ITEM_HEAD_BYTES = 4 + ED25519_PUBLIC_KEY_BYTES + ED25519_SIGNATURE_BYTES;

function packedBytes(item: SignedItem): number {
  return ITEM_HEAD_BYTES + signedBytes(item);
}

export function isPackable({ publicKey, signature }: SignedItem): boolean {
  return (
    publicKey.length === ED25519_PUBLIC_KEY_BYTES && signature.length === ED25519_SIGNATURE_BYTES
  );
}

/** Bytes that `items` take when packed. */
export function packedLength(items: readonly SignedItem[]): number {
  return items.reduce((sum, item) => sum + packedBytes(item), COUNT_BYTES);
}

/**
 * @param items each packable
 * @param buffer where they go, `packedLength(items)` bytes at least; a new one when it is left out
 * @returns the part of `buffer` that they take
 */
export function packItems(
  items: readonly SignedItem[],
  buffer: ArrayBuffer = new ArrayBuffer(packedLength(items)),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  view.setUint32(0, items.length, true);
  let at = COUNT_BYTES;
  for (const item of items) {
    const { publicKey, prefix, message, signature } = item;
    view.setUint32(at, signedBytes(item), true);
    bytes.set(publicKey, at + 4);
    bytes.set(signature, at + 4 + ED25519_PUBLIC_KEY_BYTES);
    if (prefix !== undefined) bytes.set(prefix, at + ITEM_HEAD_BYTES);
    bytes.set(message, at + ITEM_HEAD_BYTES + (prefix?.length ?? 0));
    at += packedBytes(item);
  }
  return bytes.subarray(0, at);
}

/** How many items lie in `packed`. */
export function packedCount(packed: Uint8Array): number {
  return viewOf(packed).getUint32(0, true);
}

/** Views into `packed`, prefixes joined to their messages. */
export function unpackItems(packed: Uint8Array): SignedItem[] {
  const view = viewOf(packed);
  const items: SignedItem[] = [];
  let at = COUNT_BYTES;
  for (let left = packedCount(packed); left > 0; left--) {
    const end = at + ITEM_HEAD_BYTES + view.getUint32(at, true);
    const signatureAt = at + 4 + ED25519_PUBLIC_KEY_BYTES;
    items.push({
      publicKey: packed.subarray(at + 4, signatureAt),
      signature: packed.subarray(signatureAt, at + ITEM_HEAD_BYTES),
      message: packed.subarray(at + ITEM_HEAD_BYTES, end),
    });
    at = end;
  }
  return items;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
