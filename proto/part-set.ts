/** Blocks in parts (spec/cometbft-v0.38.md §7). */
import { bytesEqual } from "./bytes.ts";
import { assert, WeftError } from "./errors.ts";
import { BLOCK_PARTS_MAX, BLOCK_PART_SIZE_BYTES } from "./limits.ts";
import { merkleProofs, verifyMerkleProof } from "./merkle.ts";
import type { BitArray, Part, PartSetHeader } from "./types.ts";

/** Why a part was refused. */
export type PartSetErrorCode =
  /** The index is not below the total. */
  | "PART_SET_UNEXPECTED_INDEX"
  /** The part is longer than 65 536 bytes, or is not the last one and shorter. */
  | "PART_SET_WRONG_SIZE"
  /** The proof does not lead to the hash of the part set. */
  | "PART_SET_INVALID_PROOF"
  /** The header itself promises no part or more than 1601. */
  | "PART_SET_TOO_MANY_PARTS";

/** A block that was cut into all of its parts. */
export interface CompletePartSet {
  readonly header: PartSetHeader;
  readonly parts: readonly Part[];
}

/**
 * Cuts the bytes of a block. Parts are views into `bytes`, which must not change afterwards.
 */
export function splitIntoParts(bytes: Uint8Array): CompletePartSet {
  const total = Math.max(1, Math.ceil(bytes.length / BLOCK_PART_SIZE_BYTES));
  assert(total <= BLOCK_PARTS_MAX, `a block of ${bytes.length} bytes has too many parts`);
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < total; i++) {
    chunks.push(bytes.subarray(i * BLOCK_PART_SIZE_BYTES, (i + 1) * BLOCK_PART_SIZE_BYTES));
  }
  const { root, proofs } = merkleProofs(chunks);
  const parts = chunks.map((chunk, index): Part => {
    const proof = proofs[index];
    assert(proof !== undefined, "there is a proof for every chunk");
    return { index, bytes: chunk, proof };
  });
  return { header: { total, hash: root }, parts };
}

/** Shape of a part by itself: Go's Part.ValidateBasic, without the proof's own shape. */
export function isPartSizeValid(part: Part): boolean {
  return part.index < part.proof.total - 1
    ? part.bytes.length === BLOCK_PART_SIZE_BYTES
    : part.bytes.length <= BLOCK_PART_SIZE_BYTES;
}

/**
 * A part set that is filled as parts arrive. Parts are kept as given (their bytes are not copied);
 * `bytes()` joins them once all are there.
 */
export class PartSet {
  readonly header: PartSetHeader;
  readonly #parts: (Part | undefined)[];
  #count = 0;
  #sizeBytes = 0;

  /** Throws PART_SET_TOO_MANY_PARTS, so that a header off the wire cannot make us allocate. */
  constructor(header: PartSetHeader) {
    const { total } = header;
    if (!Number.isInteger(total) || total < 1 || total > BLOCK_PARTS_MAX) {
      throw refusal("PART_SET_TOO_MANY_PARTS", `expected 1 to ${BLOCK_PARTS_MAX}, got ${total}`);
    }
    this.header = header;
    this.#parts = Array.from({ length: total }, () => undefined);
  }

  /** A part set that has everything: our own proposal, or a stored block. */
  static complete(set: CompletePartSet): PartSet {
    const result = new PartSet(set.header);
    for (const part of set.parts) result.#put(part);
    assert(result.isComplete, "a complete part set has every part");
    return result;
  }

  /**
   * Adds a part after checking index, size and proof. False when the part is there already.
   * Throws a `WeftError` with a `PartSetErrorCode` when the part does not belong here.
   */
  add(part: Part): boolean {
    const { total, hash } = this.header;
    if (!Number.isInteger(part.index) || part.index < 0 || part.index >= total) {
      throw refusal("PART_SET_UNEXPECTED_INDEX", `expected an index below ${total}`, part.index);
    }
    if (this.#parts[part.index] !== undefined) return false;
    const isLast = part.index === total - 1;
    const { length } = part.bytes;
    if (length > BLOCK_PART_SIZE_BYTES || (!isLast && length !== BLOCK_PART_SIZE_BYTES)) {
      throw refusal("PART_SET_WRONG_SIZE", `unexpected size of ${length} bytes`, part.index);
    }
    const { proof } = part;
    const isProven =
      proof.index === part.index &&
      proof.total === total &&
      verifyMerkleProof(proof, hash, part.bytes);
    if (!isProven) {
      throw refusal("PART_SET_INVALID_PROOF", "the proof does not fit the header", part.index);
    }
    this.#put(part);
    return true;
  }

  get(index: number): Part | undefined {
    return this.#parts[index];
  }

  has(index: number): boolean {
    return this.#parts[index] !== undefined;
  }

  /** Parts held. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the parts held. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isComplete(): boolean {
    return this.#count === this.header.total;
  }

  hasHeader(header: PartSetHeader): boolean {
    return partSetHeadersEqual(this.header, header);
  }

  /** Which parts are held. */
  bitArray(): BitArray {
    const elems = Array.from({ length: Math.ceil(this.header.total / 64) }, () => 0n);
    this.#parts.forEach((part, i) => {
      if (part !== undefined) elems[i >> 6] = (elems[i >> 6] ?? 0n) | (1n << BigInt(i & 63));
    });
    return { bits: this.header.total, elems };
  }

  /** The bytes of the block. Every part must be there. */
  bytes(): Uint8Array {
    assert(this.isComplete, "the bytes of a part set need every part");
    const bytes = new Uint8Array(this.#sizeBytes);
    let offset = 0;
    for (const part of this.#parts) {
      assert(part !== undefined, "a complete part set has no gap");
      bytes.set(part.bytes, offset);
      offset += part.bytes.length;
    }
    return bytes;
  }

  #put(part: Part): void {
    this.#parts[part.index] = part;
    this.#count++;
    this.#sizeBytes += part.bytes.length;
  }
}

export function partSetHeadersEqual(a: PartSetHeader, b: PartSetHeader): boolean {
  return a.total === b.total && bytesEqual(a.hash, b.hash);
}

function refusal(code: PartSetErrorCode, message: string, index?: number): Error {
  const what = index === undefined ? "part set" : `part ${index}`;
  return new WeftError({ code }, `${what}: ${message}`);
}
