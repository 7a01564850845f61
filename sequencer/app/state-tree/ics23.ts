import { encode, type Writer } from "../../../proto/codec/writer.ts";

/** Numbers of `cosmos.ics23.v1`: HashOp.SHA256; LengthOp.NO_PREFIX is 0 and left out. */
const SHA256 = 1;
const LEAF_PREFIX = Uint8Array.of(0);

/** One step from a node to its parent: H(prefix ‖ child ‖ suffix). */
export interface Ics23Inner {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
}

/** A key and value, and the steps from their leaf to the root, bottom up. */
export interface Ics23Existence {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly path: readonly Ics23Inner[];
}

/** The neighbours of an absent key in the order of H(key); one may be missing at either end. */
export interface Ics23NonExistence {
  readonly key: Uint8Array;
  readonly left: Ics23Existence | undefined;
  readonly right: Ics23Existence | undefined;
}

export type Ics23Proof =
  | { readonly kind: "exists"; readonly proof: Ics23Existence }
  | { readonly kind: "absent"; readonly proof: Ics23NonExistence };

/** `cosmos.ics23.v1.CommitmentProof` for ICS-23's SmtSpec (cosmos/ics23, proofs.proto). */
export function encodeCommitmentProof(proof: Ics23Proof): Uint8Array {
  return encode(
    (writer: Writer, value: Ics23Proof) => {
      if (value.kind === "exists") writer.message(1, value.proof, writeExistence);
      else writer.message(2, value.proof, writeNonExistence);
    },
    proof,
    2_048,
  );
}

function writeExistence(writer: Writer, proof: Ics23Existence): void {
  writer.bytes(1, proof.key);
  writer.bytes(2, proof.value);
  writer.message(3, undefined, writeLeafOp);
  for (const step of proof.path) writer.message(4, step, writeInnerOp);
}

function writeNonExistence(writer: Writer, proof: Ics23NonExistence): void {
  writer.bytes(1, proof.key);
  if (proof.left !== undefined) writer.message(2, proof.left, writeExistence);
  if (proof.right !== undefined) writer.message(3, proof.right, writeExistence);
}

/** hash, prehash_key and prehash_value are SHA-256. */
function writeLeafOp(writer: Writer): void {
  writer.int32(1, SHA256);
  writer.int32(2, SHA256);
  writer.int32(3, SHA256);
  writer.bytes(5, LEAF_PREFIX);
}

function writeInnerOp(writer: Writer, step: Ics23Inner): void {
  writer.int32(1, SHA256);
  writer.bytes(2, step.prefix);
  writer.bytes(3, step.suffix);
}
