/**
 * Sealed transactions a second time, line by line from docs/formats.md ("Sealed transactions:
 * cryptography") with integers, noble's group and OpenSSL: slow, and sharing no code with `mev/seal`.
 */
import { createCipheriv, createHash } from "node:crypto";
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";

const { Point } = ristretto255;
/** What is used of noble's points. */
export interface NoblePoint {
  add(other: NoblePoint): NoblePoint;
  multiplyUnsafe(scalar: bigint): NoblePoint;
  toBytes(): Uint8Array;
}
export const BASE: NoblePoint = Point.BASE;
export const ZERO: NoblePoint = Point.ZERO;
export const ORDER: bigint = Point.Fn.ORDER;

export interface ReferenceInput {
  /** Coefficients of the key's polynomial, lowest first; the first is the key's secret. */
  readonly coefficients: readonly bigint[];
  readonly tickets: number;
  readonly context: Uint8Array;
  readonly items: readonly {
    readonly label: Uint8Array;
    readonly plaintext: Uint8Array;
    readonly seed: Uint8Array;
    readonly nonce: Uint8Array;
  }[];
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const join = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts));
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${hex(bytes.toReversed())}`);
}

export function scalarBytes(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse();
}

export function tag(name: string): Uint8Array {
  const text = Buffer.from(`weft/seal/v1/${name}`);
  return join(Uint8Array.of(text.length), text);
}

export function H(name: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return createHash("sha512")
    .update(join(tag(name), ...parts))
    .digest();
}

export function Hs(name: string, ...parts: readonly Uint8Array[]): bigint {
  return littleEndian(H(name, ...parts)) % ORDER;
}

export function times(k: bigint, point: NoblePoint): NoblePoint {
  return point.multiplyUnsafe(k % ORDER);
}

function mapToPoint(wide: Uint8Array): NoblePoint {
  const point = ristretto255_hasher.deriveToCurve?.(Uint8Array.from(wide));
  if (point === undefined) throw new Error("noble has no one-way map");
  return Point.fromBytes(point.toBytes());
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (byte, i) => byte ^ (b[i] ?? 0));
}

/** All values as hex: the key, each ciphertext, each ticket's shares and proof, Z, and proofs of single points. */
export function referenceRun(input: ReferenceInput) {
  const G = BASE;
  const Gbar = mapToPoint(H("gbar"));
  const x = input.coefficients[0] ?? 0n;
  const Y = times(x, G);

  const ciphertexts = input.items.map(({ label, plaintext, seed, nonce }) => {
    const l = sha256(join(tag("label"), label));
    const r = Hs("r", l, seed);
    const U = times(r, G).toBytes();
    const Ubar = times(r, Gbar).toBytes();
    const Z = times(r, Y).toBytes();
    const c1 = xor(seed, H("mask", l, Z, U).subarray(0, 32));
    const key = H("key", l, seed, U).subarray(0, 32);
    const cipher = createCipheriv("chacha20-poly1305", key, new Uint8Array(12), {
      authTagLength: 16,
    });
    cipher.setAAD(label, { plaintextLength: plaintext.length });
    const body = join(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
    const s = Hs("nonce", nonce, l, seed, sha256(body));
    const W = times(s, G).toBytes();
    const Wbar = times(s, Gbar).toBytes();
    const e = Hs("ciphertext", l, U, Ubar, W, Wbar, c1, sha256(body));
    const phi = scalarBytes((s + e * r) % ORDER);
    return { kem: join(U, Ubar, W, Wbar, phi, c1), body, U, Z };
  });

  const points = ciphertexts.map(({ U }) => Point.fromBytes(U));
  const context = join(u32(input.context.length), input.context);
  const shares = Array.from({ length: input.tickets }, (_, i) => {
    const ticket = i + 1;
    const secret = input.coefficients.reduceRight((v, a) => (v * BigInt(ticket) + a) % ORDER, 0n);
    const X = times(secret, G);
    const D = points.map((U) => times(secret, U));
    const flat = (list: readonly NoblePoint[]): Uint8Array =>
      join(...list.map((point) => point.toBytes()));
    const h = H("shares", context, X.toBytes(), u32(points.length), flat(points), flat(D));
    let P = ZERO;
    let Q = ZERO;
    points.forEach((U, j) => {
      const block = H("expand", h, u32(Math.floor(j / 4)));
      const weight = littleEndian(block.subarray(16 * (j % 4), 16 * (j % 4) + 16));
      P = P.add(times(weight, U));
      Q = Q.add(times(weight, D[j] ?? ZERO));
    });
    const k = Hs("shares-nonce", scalarBytes(secret), h);
    const [A, B] = [times(k, G).toBytes(), times(k, P).toBytes()];
    const c = Hs("shares-proof", h, P.toBytes(), Q.toBytes(), A, B);
    const proof = join(scalarBytes(c), scalarBytes((k + c * secret) % ORDER));
    return {
      secret: hex(scalarBytes(secret)),
      publicShare: hex(X.toBytes()),
      points: hex(flat(D)),
      proof: hex(proof),
      dleq: hex(dleq(secret, X, points[0] ?? G, context)),
      possession: hex(possession(secret, X, context)),
    };
  });

  return {
    publicKey: hex(Y.toBytes()),
    gbar: hex(Gbar.toBytes()),
    ciphertexts: ciphertexts.map(({ kem, body, Z }) => ({
      kem: hex(kem),
      body: hex(body),
      z: hex(Z),
    })),
    shares,
  };
}

export function dleq(
  secret: bigint,
  X: NoblePoint,
  B: NoblePoint,
  context: Uint8Array,
): Uint8Array {
  const R = times(secret, B);
  const m = join(context, X.toBytes(), B.toBytes(), R.toBytes());
  const k = Hs("dleq-nonce", scalarBytes(secret), m);
  const c = Hs("dleq", m, times(k, BASE).toBytes(), times(k, B).toBytes());
  return join(scalarBytes(c), scalarBytes((k + c * secret) % ORDER));
}

export function possession(secret: bigint, X: NoblePoint, context: Uint8Array): Uint8Array {
  const m = join(context, X.toBytes());
  const k = Hs("possession-nonce", scalarBytes(secret), m);
  const c = Hs("possession", m, times(k, BASE).toBytes());
  return join(scalarBytes(c), scalarBytes((k + c * secret) % ORDER));
}
