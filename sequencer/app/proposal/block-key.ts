import { createHash } from "node:crypto";
import type { BlockInput } from "../execution/execute-block.ts";

/**
 * Digests of everything that a block's outcome depends on. An executed block is found again by it,
 * whoever proposed it and however often it comes: "did I propose this?" never has to be asked
 * (prior art: Astria #936, #1646, #2024, #2044).
 */
export class BlockKeys {
  /** By list, because one block comes up to three times: prepared or received, processed, finalized. */
  readonly #digests = new WeakMap<readonly Uint8Array[], string>();

  keyOf(input: BlockInput): string {
    const misbehavior = input.misbehavior.map((fault) => [
      fault.type,
      hex(fault.validator.address),
      fault.validator.power.toString(),
      fault.height,
      fault.time.seconds.toString(),
      fault.time.nanos,
      fault.totalVotingPower.toString(),
    ]);
    const votes = input.votes.map((vote) => [
      hex(vote.validator.address),
      vote.validator.power.toString(),
      vote.blockIdFlag,
    ]);
    // JSON separates the fields; it is hashed here and never leaves the node.
    const head = [
      input.height,
      input.time.seconds.toString(),
      input.time.nanos,
      hex(input.proposerAddress),
      hex(input.nextValidatorsHash),
      input.round,
      misbehavior,
      votes,
      input.txs.map((tx) => tx.length),
    ];
    const hash = createHash("sha256");
    hash.update(JSON.stringify(head));
    hash.update(this.#txsDigest(input.txs), "binary");
    return hash.digest("binary");
  }

  #txsDigest(txs: readonly Uint8Array[]): string {
    const known = this.#digests.get(txs);
    if (known !== undefined) return known;
    const hash = createHash("sha256");
    for (const tx of txs) hash.update(tx);
    const digest = hash.digest("binary");
    // A list that changed would be taken for the old one; from now on an attempt throws.
    Object.freeze(txs);
    this.#digests.set(txs, digest);
    return digest;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
