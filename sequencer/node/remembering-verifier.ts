/**
 * A verifier that remembers what it accepted. One signature is asked about again and again: a vote's in
 * the last commit of the next block, an extension's when the vote comes, when it is proposed and in the
 * block that holds it. To compare its bytes costs a fiftieth of checking it.
 */
import { bytesEqual, concatBytes, copyBytes } from "../../proto/bytes.ts";
import {
  type SignatureVerifier,
  signedBytes,
  type SignedItem,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import { REMEMBERED_MESSAGE_BYTES_MAX, REMEMBERED_SIGNATURES_MAX } from "./limits.ts";

interface Accepted {
  readonly publicKey: Uint8Array;
  /** Prefix and message. */
  readonly signed: Uint8Array;
}

/**
 * Only what `verifier` accepted is remembered, whole: another key, message or signature is another
 * question. Two generations: when the young one is full, the old one is forgotten.
 */
export function createRememberingVerifier(
  verifier: SignatureVerifier,
  generationMax = REMEMBERED_SIGNATURES_MAX / 2,
): SignatureVerifier {
  let young = new Map<string, Accepted>();
  let old = new Map<string, Accepted>();

  function remember(key: string, accepted: Accepted): void {
    if (young.size >= generationMax) {
      old = young;
      young = new Map();
    }
    young.set(key, accepted);
  }

  function isKnown(item: SignedItem): boolean {
    const key = keyOf(item);
    const accepted = young.get(key) ?? old.get(key);
    return accepted !== undefined && isSame(accepted, item);
  }

  async function verifyBatch(items: readonly SignedItem[]): Promise<readonly boolean[]> {
    const known = items.map(isKnown);
    const unknown = items.filter((_, i) => known[i] !== true);
    if (unknown.length === 0) return known;
    const verdicts = await verifier.verifyBatch(unknown);
    for (const [i, item] of unknown.entries()) {
      if (verdicts[i] !== true || signedBytes(item) > REMEMBERED_MESSAGE_BYTES_MAX) continue;
      remember(keyOf(item), {
        publicKey: copyBytes(item.publicKey),
        signed: concatBytes(item.prefix ?? new Uint8Array(0), item.message),
      });
    }
    let at = 0;
    return known.map((isAccepted) => isAccepted || verdicts[at++] === true);
  }

  return {
    verifySync: verifyEd25519Sync,
    async verify(publicKey, message, signature) {
      const [isValid] = await verifyBatch([{ publicKey, message, signature }]);
      return isValid === true;
    },
    verifyBatch,
  };
}

function keyOf({ signature: { buffer, byteOffset, length } }: SignedItem): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}

function isSame({ publicKey, signed }: Accepted, item: SignedItem): boolean {
  const prefixBytes = item.prefix?.length ?? 0;
  return (
    signed.length === signedBytes(item) &&
    bytesEqual(publicKey, item.publicKey) &&
    bytesEqual(signed.subarray(prefixBytes), item.message) &&
    (item.prefix === undefined || bytesEqual(signed.subarray(0, prefixBytes), item.prefix))
  );
}
