/**
 * Proofs about secrets: equal discrete logarithms (Chaum–Pedersen), one pair or a whole list at once
 * (the batched form of RFC 9497 §2.2), and possession (Schnorr). Each is c ‖ z, 64 bytes, with
 * z = k + c x. Nonces k are hashes of the secret and of all that the proof is about, so no randomness is
 * needed and the same input gives the same proof.
 */
import { POINT_BYTES, SEAL_PROOF_BYTES } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { bytesEqual, EMPTY_BYTES, joinBytes } from "../../proto/bytes.ts";
import { type Group, SCALAR_BYTES } from "./group/group.ts";
import { expandWeights, hashSeal, hashToScalar, prefixed, sealTag, u32 } from "./hashes.ts";

const IDENTITY: Uint8Array = new Uint8Array(POINT_BYTES);
const ZERO: Uint8Array = new Uint8Array(SCALAR_BYTES);

/** Claim: log_G `publicShare` = log_`base2` `result`. Points, 32 bytes each. */
export interface DleqStatement {
  readonly base2: Uint8Array;
  readonly publicShare: Uint8Array;
  readonly result: Uint8Array;
}

export interface Proofs {
  /** `secret` is the logarithm of both. */
  proveDleq(context: Uint8Array, secret: Uint8Array, statement: DleqStatement): Uint8Array;
  /** False also when a point is not canonical or the identity, or a length is wrong. */
  verifyDleq(context: Uint8Array, statement: DleqStatement, proof: Uint8Array): boolean;
  /** That the prover knows the logarithm `secret` of `publicKey`. */
  provePossession(context: Uint8Array, secret: Uint8Array, publicKey: Uint8Array): Uint8Array;
  verifyPossession(context: Uint8Array, publicKey: Uint8Array, proof: Uint8Array): boolean;
  /** That every share is `secret` times its point; `publicShare` is `secret` times G. */
  proveShares(
    context: Uint8Array,
    secret: Uint8Array,
    publicShare: Uint8Array,
    points: Uint8Array,
    shares: Uint8Array,
  ): Uint8Array;
  /** As `verifyDleq`, also of an empty list. */
  verifyShares(
    context: Uint8Array,
    publicShare: Uint8Array,
    points: Uint8Array,
    shares: Uint8Array,
    proof: Uint8Array,
  ): boolean;
}

const DLEQ = { nonce: sealTag("dleq-nonce"), challenge: sealTag("dleq") };
const POSSESSION = { nonce: sealTag("possession-nonce"), challenge: sealTag("possession") };
const SHARES = { nonce: sealTag("shares-nonce"), challenge: sealTag("shares-proof") };
const SHARES_STATEMENT = sealTag("shares");

type Tags = Readonly<Record<"nonce" | "challenge", Uint8Array>>;

/**
 * The formulas, with `Hs` and `H` of `hashes.ts` and ctx = u32(length) ‖ context:
 *
 * - possession: k = Hs("possession-nonce"; x, ctx, X), A = kG, c = Hs("possession"; ctx, X, A)
 * - dleq: m = ctx ‖ X ‖ B ‖ R; k = Hs("dleq-nonce"; x, m), c = Hs("dleq"; m, kG, kB)
 * - shares: h = H("shares"; ctx, X, u32 n, U_1..U_n, D_1..D_n); weights w = expand(h, n), P = Σ w_j U_j,
 *   Q = Σ w_j D_j; k = Hs("shares-nonce"; x, h), c = Hs("shares-proof"; h, P, Q, kG, kP)
 */
export function createProofs(group: Group): Proofs {
  return new GroupProofs(group);
}

/** Whether one of the points is the identity, whose encoding is zeros. */
export function hasIdentity(points: Uint8Array): boolean {
  for (let at = 0; at < points.length; at += POINT_BYTES) {
    if (bytesEqual(points.subarray(at, at + POINT_BYTES), IDENTITY)) return true;
  }
  return false;
}

class GroupProofs implements Proofs {
  readonly #group: Group;

  constructor(group: Group) {
    this.#group = group;
  }

  proveDleq(context: Uint8Array, secret: Uint8Array, statement: DleqStatement): Uint8Array {
    const { base2 } = statement;
    return this.#prove(DLEQ, secret, dleqMessage(context, statement), base2);
  }

  verifyDleq(context: Uint8Array, statement: DleqStatement, proof: Uint8Array): boolean {
    const { base2, publicShare, result } = statement;
    if (![base2, publicShare, result].every(isOnePoint)) return false;
    if (!this.#group.isCanonical(joinBytes([base2, publicShare, result]))) return false;
    const message = dleqMessage(context, statement);
    return this.#verify(DLEQ, publicShare, proof, message, { base: base2, product: result });
  }

  provePossession(context: Uint8Array, secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
    return this.#prove(POSSESSION, secret, joinBytes([prefixed(context), publicKey]), undefined);
  }

  verifyPossession(context: Uint8Array, publicKey: Uint8Array, proof: Uint8Array): boolean {
    if (!isOnePoint(publicKey) || !this.#group.isCanonical(publicKey)) return false;
    const message = joinBytes([prefixed(context), publicKey]);
    return this.#verify(POSSESSION, publicKey, proof, message, undefined);
  }

  proveShares(
    context: Uint8Array,
    secret: Uint8Array,
    publicShare: Uint8Array,
    points: Uint8Array,
    shares: Uint8Array,
  ): Uint8Array {
    assert(isListFor(points, shares), "a share for each point, and at least one");
    const group = this.#group;
    const statement = sharesStatement(context, publicShare, points, shares);
    const weights = expandWeights(statement, points.length / POINT_BYTES);
    const base = group.multiScalarMul(weights, points, { keep: true });
    assert(base !== undefined, "shares are made for points that were checked");
    const product = group.mulEach(secret, base);
    assert(product !== undefined, "a sum of points is canonical");
    return this.#prove(SHARES, secret, statement, base, joinBytes([base, product]));
  }

  verifyShares(
    context: Uint8Array,
    publicShare: Uint8Array,
    points: Uint8Array,
    shares: Uint8Array,
    proof: Uint8Array,
  ): boolean {
    const group = this.#group;
    if (!isListFor(points, shares) || hasIdentity(shares)) return false;
    if (!isOnePoint(publicShare) || !group.isCanonical(publicShare)) return false;
    const statement = sharesStatement(context, publicShare, points, shares);
    const weights = expandWeights(statement, points.length / POINT_BYTES);
    const base = group.multiScalarMul(weights, points, { keep: true });
    const product = group.multiScalarMul(weights, shares);
    if (base === undefined || product === undefined) return false;
    const sums = joinBytes([base, product]);
    return this.#verify(SHARES, publicShare, proof, statement, { base, product }, sums);
  }

  /** `message` is what is proved, `more` what follows from it and goes into the challenge too. */
  #prove(
    tags: Tags,
    secret: Uint8Array,
    message: Uint8Array,
    base: Uint8Array | undefined,
    more: Uint8Array = EMPTY_BYTES,
  ): Uint8Array {
    const group = this.#group;
    const nonce = hashToScalar(group, tags.nonce, secret, message);
    const commitment = group.mulBase(nonce);
    const second = base === undefined ? EMPTY_BYTES : group.mulEach(nonce, base);
    assert(second !== undefined, "a proof is made for a canonical base");
    const challenge = hashToScalar(group, tags.challenge, message, more, commitment, second);
    const response = group.scalars.mulAdd(challenge, secret, nonce);
    nonce.fill(0);
    return joinBytes([challenge, response]);
  }

  /** The points are canonical. */
  #verify(
    tags: Tags,
    publicShare: Uint8Array,
    proof: Uint8Array,
    message: Uint8Array,
    second: { readonly base: Uint8Array; readonly product: Uint8Array } | undefined,
    more: Uint8Array = EMPTY_BYTES,
  ): boolean {
    const group = this.#group;
    if (proof.length !== SEAL_PROOF_BYTES || !group.scalars.areCanonical(proof)) return false;
    const challenge = proof.subarray(0, SCALAR_BYTES);
    const response = proof.subarray(SCALAR_BYTES);
    const factors = joinBytes([response, group.scalars.sub(ZERO, challenge)]);
    const commitments: Uint8Array[] = [];
    const pairs = [[group.base, publicShare], ...(second ? [[second.base, second.product]] : [])];
    for (const pair of pairs) {
      const commitment = group.multiScalarMul(factors, joinBytes(pair));
      if (commitment === undefined) return false;
      commitments.push(commitment);
    }
    const expected = hashToScalar(group, tags.challenge, message, more, ...commitments);
    return bytesEqual(expected, challenge);
  }
}

/** One share for each point; a proof about none would say nothing. */
function isListFor(points: Uint8Array, shares: Uint8Array): boolean {
  const { length } = points;
  return length > 0 && length % POINT_BYTES === 0 && shares.length === length;
}

function isOnePoint(point: Uint8Array): boolean {
  return point.length === POINT_BYTES;
}

function dleqMessage(context: Uint8Array, statement: DleqStatement): Uint8Array {
  const { base2, publicShare, result } = statement;
  return joinBytes([prefixed(context), publicShare, base2, result]);
}

function sharesStatement(
  context: Uint8Array,
  publicShare: Uint8Array,
  points: Uint8Array,
  shares: Uint8Array,
): Uint8Array {
  const count = u32(points.length / POINT_BYTES);
  return hashSeal(SHARES_STATEMENT, prefixed(context), publicShare, count, points, shares);
}
