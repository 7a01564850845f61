/**
 * TDH2 (Shoup and Gennaro) as a key encapsulation whose opening anybody can check (spec
 * encrypted-mempool.md, B.1), over ristretto255. docs/formats.md, "Sealed transactions: cryptography",
 * has the same formulas.
 *
 * L is the label, l = SHA-256(lp(tag "label") ‖ L); H, Hs and H32 are those of `hashes.ts`.
 *
 *     Ḡ    = map(H("gbar"))                             second base, nobody knows its logarithm
 *     r    = Hs("r"; l, seed)
 *     U    = rG,  Ū = rḠ,  Z = rY                       Y: the epoch's encryption key
 *     c1   = seed xor H32("mask"; l, Z, U)
 *     K    = H32("key"; l, seed, U)
 *     body = ChaCha20-Poly1305(K, nonce 0, AAD L, plaintext)
 *     s    = Hs("nonce"; nonce, l, seed, SHA-256(body))
 *     W    = sG,  W̄ = sḠ
 *     e    = Hs("ciphertext"; l, U, Ū, W, W̄, c1, SHA-256(body))
 *     φ    = s + e r
 *     kem  = U ‖ Ū ‖ W ‖ W̄ ‖ φ ‖ c1                     192 bytes
 *
 * A ciphertext is valid when φG = W + eU and φḠ = W̄ + eŪ. Z opens it when, with
 * seed = c1 xor H32("mask"; l, Z, U) and r = Hs("r"; l, seed), U = rG and Z = rY.
 */
import { AEAD_NONCE_BYTES, openChaCha20Poly1305, sealChaCha20Poly1305 } from "../../proto/aead.ts";
import { bytesEqual, joinBytes } from "../../proto/bytes.ts";
import { KEM_BYTES, POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";
import { type Group, SCALAR_BYTES, scalarFromBigint } from "./group/group.ts";
import { expandWeights, hashSeal, hashToScalar, labelHash, sealTag, u32 } from "./hashes.ts";
import { chooseTickets, lagrangeAtZero } from "./lagrange.ts";
import { createProofs, type Proofs } from "./proofs.ts";

export const SEED_BYTES = 32;
export const NONCE_BYTES = 64;

/** The part of a ciphertext that opening it needs. */
export interface SealedKey {
  readonly label: Uint8Array;
  /** 192 bytes. */
  readonly kem: Uint8Array;
}

export interface Ciphertext extends SealedKey {
  /** Plaintext and 16 bytes. */
  readonly body: Uint8Array;
}

/** One ticket's shares of a batch, 32 bytes for each ciphertext. */
export interface TicketShares {
  /** The argument v of x_v = f(v): 1 and up. */
  readonly ticket: number;
  readonly points: Uint8Array;
}

/** Fresh uniform bytes for one encryption. */
export interface EncryptionRandomness {
  /** 32 bytes; secret until opened, and the proof of what the sender sealed (`openWithSeed`). */
  readonly seed: Uint8Array;
  /** 64 bytes; secret. */
  readonly nonce: Uint8Array;
}

export interface Tdh2 extends Proofs {
  /** `publicKey` is canonical and not the identity; the caller pads the plaintext. */
  encrypt(
    publicKey: Uint8Array,
    label: Uint8Array,
    plaintext: Uint8Array,
    randomness: EncryptionRandomness,
  ): { readonly kem: Uint8Array; readonly body: Uint8Array };
  /**
   * Which ciphertexts are valid, for admission and before anybody makes a share. Together about 50 µs
   * each; a bad one among n costs about 2 log n more tests.
   */
  checkCiphertexts(items: readonly Ciphertext[]): readonly boolean[];
  /** x_v times each U: secret `secret`, constant time. The points are those of valid ciphertexts. */
  makeShares(secret: Uint8Array, points: Uint8Array): Uint8Array;
  /**
   * Z of each ciphertext, out of at least `threshold` tickets, distinct and with verified shares. Wrong
   * shares give wrong Z, which `open` refuses.
   */
  combine(shares: readonly TicketShares[], threshold: number): Uint8Array;
  /**
   * The seed of each ciphertext that its Z (32 bytes each) opens; undefined where it does not, whether Z
   * is wrong or the sender sealed garbage: with the right Z, proved by shares, it is the sender.
   */
  open(
    publicKey: Uint8Array,
    items: readonly SealedKey[],
    z: Uint8Array,
  ): readonly (Uint8Array | undefined)[];
  /** Z, when the ciphertext opens to `seed`: the same verdict that `open` gives on this Z. */
  openWithSeed(publicKey: Uint8Array, item: SealedKey, seed: Uint8Array): Uint8Array | undefined;
  /** The plaintext of an opened ciphertext; undefined when the body does not belong to it. */
  decrypt(
    label: Uint8Array,
    kem: Uint8Array,
    seed: Uint8Array,
    body: Uint8Array,
  ): Uint8Array | undefined;
}

const TAG = {
  gbar: sealTag("gbar"),
  r: sealTag("r"),
  mask: sealTag("mask"),
  key: sealTag("key"),
  nonce: sealTag("nonce"),
  ciphertext: sealTag("ciphertext"),
  check: sealTag("check"),
  open: sealTag("open"),
};
const AEAD_NONCE: Uint8Array = new Uint8Array(AEAD_NONCE_BYTES);
const MINUS_ONE = scalarFromBigint(-1n);

/** U of a ciphertext of the right length. */
export function kemPoint(kem: Uint8Array): Uint8Array {
  return kem.subarray(0, POINT_BYTES);
}

/** The seed that a Z (32 bytes) gives; of one that does not open the ciphertext, noise. */
export function seedUnder({ label, kem }: SealedKey, z: Uint8Array): Uint8Array {
  return seedIn(kem, labelHash(label), z);
}

/** As `Tdh2.decrypt`: it needs no group. */
export function decryptBody(
  label: Uint8Array,
  kem: Uint8Array,
  seed: Uint8Array,
  body: Uint8Array,
): Uint8Array | undefined {
  if (kem.length !== KEM_BYTES || seed.length !== SEED_BYTES) return undefined;
  const key = keyOf(labelHash(label), seed, kemPoint(kem));
  return openChaCha20Poly1305(key, AEAD_NONCE, label, body);
}

export function createTdh2(group: Group): Tdh2 {
  const gbar = group.fromUniform(hashSeal(TAG.gbar));
  const minusBase = group.mulBase(MINUS_ONE);
  const minusGbar = times(group, MINUS_ONE, gbar);
  const proofs = createProofs(group);

  return {
    proveDleq: (...claim) => proofs.proveDleq(...claim),
    verifyDleq: (...claim) => proofs.verifyDleq(...claim),
    provePossession: (...claim) => proofs.provePossession(...claim),
    verifyPossession: (...claim) => proofs.verifyPossession(...claim),
    proveShares: (...claim) => proofs.proveShares(...claim),
    verifyShares: (...claim) => proofs.verifyShares(...claim),

    encrypt(publicKey, label, plaintext, { seed, nonce }) {
      assert(seed.length === SEED_BYTES, `a seed has ${SEED_BYTES} bytes, got ${seed.length}`);
      assert(nonce.length === NONCE_BYTES, `a nonce has ${NONCE_BYTES} bytes, got ${nonce.length}`);
      assert(group.isCanonical(publicKey), "a key is a point, and not the identity");
      const hashed = labelHash(label);
      const r = hashToScalar(group, TAG.r, hashed, seed);
      const u = group.mulBase(r);
      const z = times(group, r, publicKey);
      const c1 = xor(seed, maskOf(hashed, z, u));
      const key = keyOf(hashed, seed, u);
      const body = sealChaCha20Poly1305(key, AEAD_NONCE, label, plaintext);
      const bodyHash = sha256(body);
      const s = hashToScalar(group, TAG.nonce, nonce, hashed, seed, bodyHash);
      const points = [u, times(group, r, gbar), group.mulBase(s), times(group, s, gbar)];
      const e = hashToScalar(group, TAG.ciphertext, hashed, ...points, c1, bodyHash);
      const phi = group.scalars.mulAdd(e, r, s);
      for (const secret of [r, s, z, key]) secret.fill(0);
      return { kem: joinBytes([...points, phi, c1]), body };
    },

    checkCiphertexts(items) {
      const verdicts = items.map(
        ({ kem, body }) =>
          kem.length === KEM_BYTES &&
          body.length >= AEAD_TAG_BYTES &&
          group.scalars.areCanonical(kem.subarray(4 * POINT_BYTES, 5 * POINT_BYTES)),
      );
      const checked = items.filter((_, i) => verdicts[i] === true);
      const held = checkEquations(group, checked, minusBase, minusGbar);
      let next = 0;
      return verdicts.map((isWellFormed) => isWellFormed && held[next++] === true);
    },

    makeShares(secret, points) {
      const shares = group.mulEach(secret, points, { keep: true });
      assert(shares !== undefined, "shares are made for points that were checked");
      return shares;
    },

    combine(shares, threshold) {
      const chosen = chooseTickets(
        shares.map(({ ticket }) => ticket),
        threshold,
      ).flatMap((index) => shares[index] ?? []);
      const { numerators, denominator } = lagrangeAtZero(chosen.map(({ ticket }) => ticket));
      const vectors = chosen.map(({ points }) => points);
      const z = group.linearCombinations(numerators, vectors, denominator);
      assert(z !== undefined, "shares that were verified are canonical");
      return z;
    },

    open(publicKey, items, z) {
      const count = items.length;
      if (z.length !== count * POINT_BYTES) return items.map(() => undefined);
      if (count === 0) return [];
      const openings = items.map(({ label, kem }, i) =>
        openingOf(label, kem, z.subarray(i * POINT_BYTES, (i + 1) * POINT_BYTES)),
      );
      const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
      const r = group.scalars.reduceWide(joinBytes(openings.map(({ wide }) => wide)));
      const seed = hashSeal(TAG.open, u32(count), publicKey, points, z, r);
      const weights = expandWeights(seed, 2 * count);
      const a = weights.subarray(0, count * SCALAR_BYTES);
      const b = weights.subarray(count * SCALAR_BYTES);
      const verdicts = group.checkEquations({
        count,
        terms: [
          { points, scalars: a },
          { points: z, scalars: b },
        ],
        sharedTerms: [
          { point: minusBase, scalars: group.scalars.mul(a, r) },
          { point: times(group, MINUS_ONE, publicKey), scalars: group.scalars.mul(b, r) },
        ],
      });
      return openings.map((opening, i) => (verdicts[i] === true ? opening.seed : undefined));
    },

    openWithSeed(publicKey, { label, kem }, seed) {
      if (seed.length !== SEED_BYTES || kem.length !== KEM_BYTES) return undefined;
      const hashed = labelHash(label);
      const r = hashToScalar(group, TAG.r, hashed, seed);
      const u = kemPoint(kem);
      if (!bytesEqual(group.mulBase(r), u)) return undefined;
      const z = times(group, r, publicKey);
      // Another seed under the mask would make the committee's verdict differ from this one.
      return bytesEqual(seedIn(kem, hashed, z), seed) ? z : undefined;
    },

    decrypt: decryptBody,
  };
}

/** Equations of well-formed ciphertexts: a (W + eU - φG) + b (W̄ + eŪ - φḠ) = 0, a and b random. */
function checkEquations(
  group: Group,
  items: readonly Ciphertext[],
  minusBase: Uint8Array,
  minusGbar: Uint8Array,
): readonly boolean[] {
  const count = items.length;
  if (count === 0) return [];
  const column = (index: number): Uint8Array =>
    joinBytes(items.map(({ kem }) => kem.subarray(index * 32, (index + 1) * 32)));
  const phi = column(4);
  const challenges = joinBytes(
    items.map(({ label, kem, body }) =>
      hashSeal(
        TAG.ciphertext,
        labelHash(label),
        kem.subarray(0, 4 * POINT_BYTES),
        kem.subarray(5 * POINT_BYTES),
        sha256(body),
      ),
    ),
  );
  const e = group.scalars.reduceWide(challenges);
  // The challenges are hashes of everything but φ.
  const weights = expandWeights(hashSeal(TAG.check, u32(count), challenges, phi), 2 * count);
  const a = weights.subarray(0, count * SCALAR_BYTES);
  const b = weights.subarray(count * SCALAR_BYTES);
  return group.checkEquations({
    count,
    terms: [
      { points: column(0), scalars: group.scalars.mul(a, e) },
      { points: column(1), scalars: group.scalars.mul(b, e) },
      { points: column(2), scalars: a },
      { points: column(3), scalars: b },
    ],
    sharedTerms: [
      { point: minusBase, scalars: group.scalars.mul(a, phi) },
      { point: minusGbar, scalars: group.scalars.mul(b, phi) },
    ],
  });
}

/** The seed that Z gives, and r before it is reduced: nothing yet says that they are right. */
function openingOf(
  label: Uint8Array,
  kem: Uint8Array,
  z: Uint8Array,
): { readonly seed: Uint8Array; readonly wide: Uint8Array } {
  const hashed = labelHash(label);
  const seed = seedIn(kem, hashed, z);
  return { seed, wide: hashSeal(TAG.r, hashed, seed) };
}

/** c1 without the mask that Z gives. */
function seedIn(kem: Uint8Array, hashed: Uint8Array, z: Uint8Array): Uint8Array {
  assert(kem.length === KEM_BYTES, `a kem has ${KEM_BYTES} bytes, got ${kem.length}`);
  return xor(kem.subarray(5 * POINT_BYTES), maskOf(hashed, z, kemPoint(kem)));
}

function maskOf(hashed: Uint8Array, z: Uint8Array, u: Uint8Array): Uint8Array {
  return hashSeal(TAG.mask, hashed, z, u).subarray(0, SEED_BYTES);
}

function keyOf(hashed: Uint8Array, seed: Uint8Array, u: Uint8Array): Uint8Array {
  return hashSeal(TAG.key, hashed, seed, u).subarray(0, 32);
}

/** A secret scalar times one canonical point. */
function times(group: Group, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const product = group.mulEach(scalar, point);
  assert(product !== undefined, "this point was checked before: it is canonical");
  return product;
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}
