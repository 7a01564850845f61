import { createHash } from "node:crypto";
import { txHashes } from "../../../proto/hashes.ts";
import type { BlockInput } from "../execution/execute-block.ts";

/**
 * A digest of everything that a block's outcome depends on. An executed block is found again by it,
 * whoever proposed it and however often it comes: "did I propose this?" never has to be asked
 * (prior art: Astria #936, #1646, #2024, #2044).
 */
export function blockKey(input: BlockInput): string {
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
  ];
  const hash = createHash("sha256");
  hash.update(JSON.stringify(head));
  hash.update(txHashes(input.txs).join(""), "binary");
  return hash.digest("binary");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
