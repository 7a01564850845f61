import type { DecodedTx } from "./decoded-tx.ts";

const SIGNATURE_BYTES = 64;

/**
 * Decoded transactions whose signatures and proofs hold, by the bytes of their item, so that each is
 * verified once per node whatever comes first: CheckTx, a proposal, a block. An item ends with its
 * signature, which finds it; all bytes are compared. What a block has taken is forgotten: nothing asks for
 * it again that its fate does not answer first, and one that is kept weighs five times its bytes. Bounded by
 * bytes, in two generations: what is used moves to the young one; when that is half of the bound, the old
 * one is forgotten.
 */
export class VerifiedTxs {
  readonly #generationBytesMax: number;
  #young = new Map<string, DecodedTx>();
  #old = new Map<string, DecodedTx>();
  #youngBytes = 0;

  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2;
  }

  get(item: Uint8Array): DecodedTx | undefined {
    const key = signatureOf(item);
    const young = this.#young.get(key);
    const found = young ?? this.#old.get(key);
    if (found === undefined || Buffer.compare(found.item, item) !== 0) return undefined;
    if (young === undefined) this.#add(key, found);
    return found;
  }

  add(tx: DecodedTx): void {
    this.#add(signatureOf(tx.item), tx);
  }

  /** These are in a block. */
  forget(txs: readonly DecodedTx[]): void {
    for (const { item } of txs) {
      const key = signatureOf(item);
      const young = this.#young.get(key);
      if (young !== undefined) this.#youngBytes -= young.item.length;
      this.#young.delete(key);
      this.#old.delete(key);
    }
  }

  #add(key: string, tx: DecodedTx): void {
    this.#youngBytes += tx.item.length - (this.#young.get(key)?.item.length ?? 0);
    this.#young.set(key, tx);
    if (this.#youngBytes <= this.#generationBytesMax) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

function signatureOf(item: Uint8Array): string {
  const length = Math.min(SIGNATURE_BYTES, item.length);
  const start = item.byteOffset + item.length - length;
  return Buffer.from(item.buffer, start, length).toString("latin1");
}
