/** Signatures over a prefix and a message, good and bad, of every kind a verifier tells apart. */
import { concatBytes, fromHex } from "../../proto/bytes.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  type SignedItem,
} from "../../proto/verify/ed25519.ts";
import { SIGNATURE_VECTORS } from "../../proto/verify/self-test.ts";

/**
 * Prefixes from none to longer than the message, messages from empty to several MiB, the prefix cut
 * elsewhere, changed or left out, and ZIP-215's edge cases with their message cut in two: eight of
 * them only ZIP-215 accepts.
 */
export function prefixedItems(): SignedItem[] {
  const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(7));
  const items: SignedItem[] = [];
  for (const prefixBytes of [0, 1, 40, 70_000]) {
    for (const messageBytes of [0, 300, 20_000, 4 << 20]) {
      const prefix = filled(prefixBytes, 3);
      const message = filled(messageBytes, 5);
      const signature = signEd25519(key, concatBytes(prefix, message));
      const item = { publicKey: key.publicKey, prefix, message, signature };
      items.push(item);
      // Megabytes of rejects take a second; the small ones tell the same.
      if (messageBytes <= 20_000)
        items.push({ ...item, prefix: concatBytes(prefix, prefix, filled(1, 9)) });
    }
  }
  const prefix = filled(40, 3);
  const message = filled(300, 5);
  const signature = signEd25519(key, concatBytes(prefix, message));
  const item = { publicKey: key.publicKey, prefix, message, signature };
  const moved = {
    prefix: prefix.subarray(0, 39),
    message: concatBytes(prefix.subarray(39), message),
  };
  items.push({ ...item, ...moved }, { ...item, prefix: undefined }, { ...item, prefix: message });
  items.push({ ...item, signature: signature.subarray(1) });
  for (const vector of SIGNATURE_VECTORS) {
    const whole = fromHex(vector.message);
    for (const cut of [0, 1, whole.length]) {
      items.push({
        publicKey: fromHex(vector.publicKey),
        prefix: whole.subarray(0, cut),
        message: whole.subarray(cut),
        signature: fromHex(vector.signature),
      });
    }
  }
  return items;
}

function filled(length: number, start: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i * 31) & 0xff);
}
