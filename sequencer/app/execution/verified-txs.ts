import type { DecodedTx } from "./decoded-tx.ts";

const SIGNATURE_BYTES = 64;

/**
 * Decoded transactions whose signature holds, by the bytes of their item, so that one signature is
 * verified once per node whatever comes first: CheckTx, a proposal, a block. Least recently used out
 * first, bounded by bytes. An item ends with its signature, which finds it; all bytes are compared.
 */
export class VerifiedTxs {
  readonly #bytesMax: number;
  readonly #bySignature = new Map<string, DecodedTx>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(item: Uint8Array): DecodedTx | undefined {
    const key = signatureOf(item);
    const found = this.#bySignature.get(key);
    if (found === undefined || Buffer.compare(found.item, item) !== 0) return undefined;
    this.#bySignature.delete(key);
    this.#bySignature.set(key, found);
    return found;
  }

  add(tx: DecodedTx): void {
    const key = signatureOf(tx.item);
    const replaced = this.#bySignature.get(key);
    if (replaced !== undefined) {
      this.#bytes -= replaced.item.length;
      this.#bySignature.delete(key);
    }
    this.#bySignature.set(key, tx);
    this.#bytes += tx.item.length;
    if (this.#bytes <= this.#bytesMax) return;
    // One walk drops an eighth: a map's iterator steps over everything deleted before its start.
    const target = this.#bytesMax - (this.#bytesMax >> 3);
    for (const [oldest, dropped] of this.#bySignature) {
      if (this.#bytes <= target) break;
      this.#bySignature.delete(oldest);
      this.#bytes -= dropped.item.length;
    }
  }
}

function signatureOf(item: Uint8Array): string {
  const length = Math.min(SIGNATURE_BYTES, item.length);
  const start = item.byteOffset + item.length - length;
  return Buffer.from(item.buffer, start, length).toString("latin1");
}
