/**
 * Proofs of the application's state against an app hash: ICS-23 with its SmtSpec (cosmos/ics23,
 * docs/formats.md "State tree"). What a light client checks of an answer to `abci_query`.
 */
import { bytesEqual, compareBytes, concatBytes, EMPTY_BYTES } from "../bytes.ts";
import { decode, type Reader } from "../codec/reader.ts";
import { isWeftError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { HASH_BYTES, SHORT_BYTES_MAX } from "../limits.ts";
import { type Refusal, refusal } from "../refusal.ts";

/** Steps from a leaf to the root: a key's hash has so many bits. */
const SMT_DEPTH_MAX = 256;
/** Bytes of a value of the state that is proven. */
const VALUE_BYTES_MAX = 16 << 20;
const SHA256 = 1;
const LEAF_PREFIX = 0;
/** Stands for a subtree without leaves. */
const EMPTY_CHILD = new Uint8Array(HASH_BYTES);

export type StateProofCode =
  /** Not a commitment proof, or not one of a sparse Merkle tree. */
  | "STATE_PROOF_MALFORMED"
  /** The proof is of another key or value. */
  | "STATE_PROOF_OTHER"
  /** The proof leads to another root. */
  | "STATE_PROOF_ROOT"
  /** The neighbours that are shown do not surround the key. */
  | "STATE_PROOF_NEIGHBOURS";

export type StateProofRefusal = Refusal<StateProofCode>;

interface Step {
  readonly isLeftChild: boolean;
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  readonly sibling: Uint8Array;
}

interface Existence {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Bottom up. */
  readonly path: readonly Step[];
}

type CommitmentProof =
  | { readonly kind: "exists"; readonly leaf: Existence }
  | {
      readonly kind: "absent";
      readonly left: Existence | undefined;
      readonly right: Existence | undefined;
    };

/**
 * Why `proof` does not show that the tree of `root` has `value` at `key`, or nothing when `value` is
 * undefined; undefined when it does.
 */
export function stateProofFault(
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | undefined,
  proof: Uint8Array,
): StateProofRefusal | undefined {
  let decoded: CommitmentProof;
  try {
    decoded = decode(readCommitmentProof, proof, "lenient");
  } catch (error) {
    // Bytes of a stranger; whatever is no codec's refusal is a bug.
    if (!isWeftError(error)) throw error;
    return refusal("STATE_PROOF_MALFORMED", error.message);
  }
  return value === undefined
    ? absenceFault(root, key, decoded)
    : existenceFault(root, key, value, decoded);
}

function existenceFault(
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  proof: CommitmentProof,
): StateProofRefusal | undefined {
  if (proof.kind !== "exists") return refusal("STATE_PROOF_OTHER", "the proof is one of absence");
  const { leaf } = proof;
  // An empty value is what ICS-23 cannot tell from none.
  if (!bytesEqual(leaf.key, key) || !bytesEqual(leaf.value, value) || value.length === 0) {
    return refusal("STATE_PROOF_OTHER", "the proof is of another key or value");
  }
  return rootFault(leaf, root);
}

function absenceFault(
  root: Uint8Array,
  key: Uint8Array,
  proof: CommitmentProof,
): StateProofRefusal | undefined {
  if (proof.kind !== "absent") return refusal("STATE_PROOF_OTHER", "the proof is one of presence");
  // The key that the proof names plays no part, as in ICS-23: the neighbours say it all.
  const { left, right } = proof;
  const path = sha256(key);
  for (const [leaf, side] of [
    [left, -1],
    [right, 1],
  ] as const) {
    if (leaf === undefined) continue;
    const fault = rootFault(leaf, root);
    if (fault !== undefined) return fault;
    if (Math.sign(compareBytes(sha256(leaf.key), path)) !== side) {
      return refusal("STATE_PROOF_NEIGHBOURS", "a neighbour stands on the wrong side of the key");
    }
  }
  return areNeighbours(left, right)
    ? undefined
    : refusal("STATE_PROOF_NEIGHBOURS", "there is room for another key between the neighbours");
}

function areNeighbours(left: Existence | undefined, right: Existence | undefined): boolean {
  if (left === undefined) return right !== undefined && isAtEdge(right.path, true);
  if (right === undefined) return isAtEdge(left.path, false);
  const [a, b] = [[...left.path], [...right.path]];
  for (;;) {
    const [top, other] = [a.pop(), b.pop()];
    if (top === undefined || other === undefined) return false;
    const isShared = bytesEqual(top.prefix, other.prefix) && bytesEqual(top.suffix, other.suffix);
    if (isShared) continue;
    return top.isLeftChild && !other.isLeftChild && isAtEdge(a, false) && isAtEdge(b, true);
  }
}

/** Whether no leaf stands further left (or right) below the top of the path. */
function isAtEdge(path: readonly Step[], isLeftEdge: boolean): boolean {
  return path.every(
    (step) => step.isLeftChild === isLeftEdge || bytesEqual(step.sibling, EMPTY_CHILD),
  );
}

function rootFault(leaf: Existence, root: Uint8Array): StateProofRefusal | undefined {
  let hash = sha256(concatBytes(Uint8Array.of(LEAF_PREFIX), sha256(leaf.key), sha256(leaf.value)));
  for (const { prefix, suffix } of leaf.path) hash = sha256(concatBytes(prefix, hash, suffix));
  return bytesEqual(hash, root)
    ? undefined
    : refusal("STATE_PROOF_ROOT", "the proof leads to another app hash");
}

function readCommitmentProof(reader: Reader): CommitmentProof {
  let proof: CommitmentProof | undefined;
  while (reader.next()) {
    if (reader.field === 1) proof = { kind: "exists", leaf: reader.messageLast(readExistence) };
    else if (reader.field === 2) proof = reader.messageLast(readAbsence);
    else throw reader.missing("existence or absence, without batches or compression");
  }
  if (proof === undefined) throw reader.missing("proof of existence or absence");
  return proof;
}

function readAbsence(reader: Reader): CommitmentProof {
  let left: Existence | undefined;
  let right: Existence | undefined;
  while (reader.next()) {
    if (reader.field === 2) left = reader.messageLast(readExistence);
    else if (reader.field === 3) right = reader.messageLast(readExistence);
    else reader.unknown();
  }
  return { kind: "absent", left, right };
}

function readExistence(reader: Reader): Existence {
  let key: Uint8Array = EMPTY_BYTES;
  let value: Uint8Array = EMPTY_BYTES;
  let hasLeaf = false;
  const path: Step[] = [];
  while (reader.next()) {
    if (reader.field === 1) key = reader.bytes(SHORT_BYTES_MAX);
    else if (reader.field === 2) value = reader.bytes(VALUE_BYTES_MAX);
    else if (reader.field === 3) hasLeaf = reader.messageLast(readLeafOp);
    else if (reader.field === 4) {
      path.push(reader.repeatedMessage(readStep));
      if (path.length > SMT_DEPTH_MAX) throw reader.missing("path of at most 256 steps");
    } else reader.unknown();
  }
  if (!hasLeaf || key.length === 0 || value.length === 0) {
    throw reader.missing("leaf with a key and a value");
  }
  return { key, value, path };
}

/** Exactly the spec's: SHA-256 of 0x00, SHA-256(key), SHA-256(value), without lengths. */
function readLeafOp(reader: Reader): true {
  let prefix: Uint8Array = EMPTY_BYTES;
  const hashes = [0, 0, 0];
  let length = 0;
  while (reader.next()) {
    if (reader.field <= 3) hashes[reader.field - 1] = reader.int32();
    else if (reader.field === 4) length = reader.int32();
    else if (reader.field === 5) prefix = reader.bytes(SHORT_BYTES_MAX);
    else reader.unknown();
  }
  const isSpec = hashes.every((hash) => hash === SHA256) && length === 0;
  if (!isSpec || !bytesEqual(prefix, Uint8Array.of(LEAF_PREFIX))) {
    throw reader.missing("leaf as the sparse Merkle tree hashes it");
  }
  return true;
}

/** One byte that no leaf begins with, and the sibling before or after the child. */
function readStep(reader: Reader): Step {
  let hash = 0;
  let prefix: Uint8Array = EMPTY_BYTES;
  let suffix: Uint8Array = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) hash = reader.int32();
    else if (reader.field === 2) prefix = reader.bytes(SHORT_BYTES_MAX);
    else if (reader.field === 3) suffix = reader.bytes(SHORT_BYTES_MAX);
    else reader.unknown();
  }
  const isLeftChild = prefix.length === 1 && suffix.length === HASH_BYTES;
  const isRightChild = prefix.length === 1 + HASH_BYTES && suffix.length === 0;
  if (hash !== SHA256 || prefix[0] === LEAF_PREFIX || (!isLeftChild && !isRightChild)) {
    throw reader.missing("inner node as the sparse Merkle tree hashes it");
  }
  return { isLeftChild, prefix, suffix, sibling: isLeftChild ? suffix : prefix.subarray(1) };
}
