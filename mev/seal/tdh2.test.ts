import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { namedBytes } from "../../test/support/named-bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { sealLabel, type SealLabel } from "./labels.ts";
import { createGroup, scalarFromBigint } from "./group/group.ts";
import { hashSeal, hashToScalar, labelHash, sealTag } from "./hashes.ts";
import { type Ciphertext, createTdh2, kemPoint } from "./tdh2.ts";

const group = createGroup();
const tdh2 = createTdh2(group);

function secretOf(name: string): Uint8Array {
  return group.scalars.reduceWide(namedBytes(name, 64));
}

/** A key shared among `tickets`, `threshold` of which open. */
function committee(threshold: number, tickets: number) {
  const coefficients = joinBytes(
    Array.from({ length: threshold }, (_, i) => secretOf(`coefficient ${i}`)),
  );
  const shares = Array.from({ length: tickets }, (_, i) => {
    const secret = group.scalars.evaluate(coefficients, i + 1);
    return { ticket: i + 1, secret, publicShare: group.mulBase(secret) };
  });
  return { publicKey: group.mulBase(coefficients.subarray(0, 32)), shares };
}

const { publicKey, shares } = committee(3, 4);

function sealed(name: string): Ciphertext & { readonly seed: Uint8Array } {
  const label = utf8ToBytes(`label of ${name}`);
  const seed = namedBytes(`seed ${name}`, 32);
  const nonce = namedBytes(`nonce ${name}`, 64);
  const plaintext = utf8ToBytes(`plaintext of ${name}`);
  return { label, seed, ...tdh2.encrypt(publicKey, label, plaintext, { seed, nonce }) };
}

const items = Array.from({ length: 20 }, (_, i) => sealed(`tx ${i}`));
const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
const context = utf8ToBytes("block 7");
const vectors = shares.map(({ ticket, secret, publicShare }) => {
  const made = tdh2.makeShares(secret, points);
  const proof = tdh2.proveShares(context, secret, publicShare, points, made);
  return { ticket, secret, publicShare, points: made, proof };
});
const z = tdh2.combine(vectors.slice(0, 3), 3);

const [FIRST = sealed(""), SECOND = sealed("")] = items;
const [VECTOR = vectors[0], OTHER] = vectors;
if (VECTOR === undefined || OTHER === undefined) throw new Error("there are four tickets");

const IDENTITY = new Uint8Array(32);
/** Even and below 2^255 - 19, but no point of the group: RFC 9496, appendix A.2. */
const NO_POINT = fromHexString("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371");
const TOO_LARGE = fromHexString("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");

function fromHexString(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/** A copy with `part` at `at`. */
function patched(whole: Uint8Array, at: number, part: Uint8Array): Uint8Array {
  const copy = whole.slice();
  copy.set(part, at);
  return copy;
}

/** A copy with one bit turned. */
function flipped(whole: Uint8Array, bit: number): Uint8Array {
  const at = bit >> 3;
  return whole.with(at, (whole[at] ?? 0) ^ (1 << (bit & 7)));
}

/** U + dG and so on: what a mauler makes of a point. */
function shifted(point: Uint8Array): Uint8Array {
  return group.linearCombinations([1n, 1n], [point, group.base]) ?? IDENTITY;
}

function isValid(ciphertext: Ciphertext): boolean {
  return tdh2.checkCiphertexts([ciphertext])[0] === true;
}

describe("a batch of ciphertexts", () => {
  it("is checked, shared, proved, combined, opened and decrypted", () => {
    expect(tdh2.checkCiphertexts(items)).toEqual(items.map(() => true));
    for (const { publicShare, points: made, proof } of vectors) {
      expect(tdh2.verifyShares(context, publicShare, points, made, proof)).toBe(true);
    }
    expect(tdh2.open(publicKey, items, z)).toEqual(items.map(({ seed }) => seed));
    items.forEach(({ label, kem, body, seed }, i) => {
      const plaintext = tdh2.decrypt(label, kem, seed, body);
      expect(plaintext).toEqual(utf8ToBytes(`plaintext of tx ${i}`));
      expect(tdh2.openWithSeed(publicKey, { label, kem }, seed)).toEqual(
        z.slice(32 * i, 32 * i + 32),
      );
    });
  });

  it("opens to the same with any tickets, in any order, and more than are needed", () => {
    for (const subset of [
      [0, 1, 3],
      [3, 2, 0],
      [1, 2, 3],
      [3, 1, 0, 2],
    ]) {
      const chosen = subset.flatMap((i) => vectors[i] ?? []);
      expect(tdh2.combine(chosen, 3)).toEqual(z);
    }
  });

  it("is nothing when it is empty", () => {
    expect(tdh2.checkCiphertexts([])).toEqual([]);
    expect(tdh2.open(publicKey, [], IDENTITY.slice(0, 0))).toEqual([]);
    expect(tdh2.makeShares(VECTOR.secret, IDENTITY.slice(0, 0))).toHaveLength(0);
  });
});

describe("encryption", () => {
  it("comes back for any label and plaintext, and is valid", () => {
    const some = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(
        some,
        some,
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (label, text, seed) => {
          const nonce = namedBytes("nonce", 64);
          const { kem, body } = tdh2.encrypt(publicKey, label, text, { seed, nonce });
          expect(body).toHaveLength(text.length + 16);
          expect(isValid({ label, kem, body })).toBe(true);
          expect(tdh2.decrypt(label, kem, seed, body)).toEqual(text);
          expect(tdh2.openWithSeed(publicKey, { label, kem }, seed)).toHaveLength(32);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is for a key that is a point and not the identity", () => {
    const randomness = { seed: namedBytes("seed", 32), nonce: namedBytes("nonce", 64) };
    for (const key of [IDENTITY, NO_POINT, TOO_LARGE]) {
      expect(() => tdh2.encrypt(key, IDENTITY, IDENTITY, randomness)).toThrow("a key is a point");
    }
  });

  it("never uses a proof's nonce for two messages, even with the same randomness", () => {
    const randomness = { seed: namedBytes("seed", 32), nonce: namedBytes("nonce", 64) };
    const w = (label: string, text: string): string => {
      const { kem } = tdh2.encrypt(publicKey, utf8ToBytes(label), utf8ToBytes(text), randomness);
      return Buffer.from(kem.subarray(64, 96)).toString("hex");
    };
    expect(new Set([w("a", "x"), w("b", "x"), w("a", "y")]).size).toBe(3);
  });
});

describe("ciphertext check", () => {
  it("refuses a changed bit in every byte of kem, body and label", () => {
    const fields = ["kem", "body", "label"] as const;
    const bits = fields.flatMap((field) =>
      Array.from(FIRST[field], (_, i) => ({ field, bit: i * 8 + (i % 8) })),
    );
    const mauled = bits.map(({ field, bit }) => ({
      ...FIRST,
      [field]: flipped(FIRST[field], bit),
    }));
    expect(tdh2.checkCiphertexts(mauled).every((verdict) => !verdict)).toBe(true);
  });

  it.each([
    ["U", 0],
    ["Ū", 32],
    ["W", 64],
    ["W̄", 96],
  ])("refuses %s as another point, the identity or no point", (_, at) => {
    const { kem } = FIRST;
    const part = kem.slice(at, at + 32);
    const replacements = [
      shifted(part),
      IDENTITY,
      NO_POINT,
      TOO_LARGE,
      SECOND.kem.slice(at, at + 32),
    ];
    for (const point of replacements) {
      expect(isValid({ ...FIRST, kem: patched(kem, at, point) })).toBe(false);
    }
  });

  it("refuses U and Ū mauled alike, which is how a ciphertext would be opened early", () => {
    const gbarShift = group.linearCombinations(
      [1n, 1n],
      [FIRST.kem.slice(32, 64), group.fromUniform(namedBytes("any", 64))],
    );
    const kem = patched(FIRST.kem, 0, shifted(kemPoint(FIRST.kem)));
    expect(isValid({ ...FIRST, kem: patched(kem, 32, gbarShift ?? IDENTITY) })).toBe(false);
  });

  it("refuses a φ that is not canonical", () => {
    const phi = BigInt(`0x${Buffer.from(FIRST.kem.slice(128, 160).toReversed()).toString("hex")}`);
    const order = (1n << 252n) + 27742317777372353535851937790883648493n;
    const same = (phi + order).toString(16).padStart(64, "0");
    const kem = patched(FIRST.kem, 128, fromHexString(same).toReversed());
    expect(isValid({ ...FIRST, kem })).toBe(false);
  });

  it("refuses a zero proof, lengths that are wrong and parts of another ciphertext", () => {
    const { kem, body } = FIRST;
    expect(isValid({ ...FIRST, kem: new Uint8Array(192) })).toBe(false);
    expect(isValid({ ...FIRST, kem: kem.slice(1) })).toBe(false);
    expect(isValid({ ...FIRST, kem: joinBytes([kem, IDENTITY]) })).toBe(false);
    expect(isValid({ ...FIRST, body: body.slice(0, 15) })).toBe(false);
    expect(isValid({ ...FIRST, body: SECOND.body })).toBe(false);
    expect(isValid({ ...FIRST, kem: SECOND.kem })).toBe(false);
    expect(isValid({ ...FIRST, label: SECOND.label })).toBe(false);
    const c1 = SECOND.kem.slice(160);
    expect(isValid({ ...FIRST, kem: patched(kem, 160, c1) })).toBe(false);
  });

  it("refuses a ciphertext under another sender, nonce, fee, height, key, rollup, chain or bucket", () => {
    const label: SealLabel = {
      chainId: "weft-test",
      key: 1,
      rollupIds: [namedBytes("rollup", 32)],
      sender: namedBytes("victim", 20),
      replay: { kind: "nonce", value: 4n },
      maxHeight: Height(100),
      maxFeePerByte: 5n,
      tipPerByte: 1n,
      bucket: 256,
    };
    const randomness = { seed: namedBytes("seed", 32), nonce: namedBytes("nonce", 64) };
    const mine = tdh2.encrypt(publicKey, sealLabel(label), new Uint8Array(256), randomness);
    const under = (changes: Partial<SealLabel>): boolean =>
      isValid({ label: sealLabel({ ...label, ...changes }), ...mine });
    expect(under({})).toBe(true);
    expect(under({ sender: namedBytes("thief", 20) })).toBe(false);
    expect(under({ replay: { kind: "nonce", value: 5n } })).toBe(false);
    expect(under({ maxFeePerByte: 6n })).toBe(false);
    expect(under({ tipPerByte: 2n })).toBe(false);
    expect(under({ maxHeight: Height(101) })).toBe(false);
    expect(under({ key: 2 })).toBe(false);
    expect(under({ rollupIds: [namedBytes("rollup 2", 32)] })).toBe(false);
    expect(under({ chainId: "weft-test-2" })).toBe(false);
    expect(under({ bucket: 512 })).toBe(false);
  });

  it("finds exactly the bad ones of a batch, wherever they are", () => {
    const bad = fc.uniqueArray(fc.nat(items.length - 1), { maxLength: items.length });
    fc.assert(
      fc.property(bad, fc.nat(5), (list, how) => {
        const wrong = new Set(list);
        const batch = items.map((item, i) => {
          if (!wrong.has(i)) return item;
          if (how === 0) return { ...item, kem: item.kem.slice(1) };
          if (how === 1) return { ...item, kem: patched(item.kem, 0, IDENTITY) };
          if (how === 2) return { ...item, kem: patched(item.kem, 64, NO_POINT) };
          if (how === 3) return { ...item, kem: patched(item.kem, 128, TOO_LARGE) };
          if (how === 4) return { ...item, label: utf8ToBytes("another") };
          return { ...item, body: flipped(item.body, 3) };
        });
        expect(tdh2.checkCiphertexts(batch)).toEqual(items.map((_, i) => !wrong.has(i)));
      }),
      { numRuns: 40 },
    );
  });

  it("does not let two wrong ciphertexts cancel each other", () => {
    // Their errors are D and -D in every point: a sum without random weights would be the identity.
    const minus = group.linearCombinations([1n, -1n], [FIRST.kem.slice(64, 96), group.base]);
    const batch = [
      { ...FIRST, kem: patched(FIRST.kem, 64, shifted(FIRST.kem.slice(64, 96))) },
      { ...FIRST, kem: patched(FIRST.kem, 64, minus ?? IDENTITY) },
    ];
    expect(tdh2.checkCiphertexts(batch)).toEqual([false, false]);
  });
});

describe("proof of shares", () => {
  const verify = (changes: {
    context?: Uint8Array;
    publicShare?: Uint8Array;
    points?: Uint8Array;
    shares?: Uint8Array;
    proof?: Uint8Array;
  }): boolean =>
    tdh2.verifyShares(
      changes.context ?? context,
      changes.publicShare ?? VECTOR.publicShare,
      changes.points ?? points,
      changes.shares ?? VECTOR.points,
      changes.proof ?? VECTOR.proof,
    );
  const swapped = (list: Uint8Array): Uint8Array =>
    joinBytes([list.slice(32, 64), list.slice(0, 32), list.slice(64)]);

  it("is the same whenever it is made again", () => {
    const made = tdh2.makeShares(VECTOR.secret, points);
    expect(made).toEqual(VECTOR.points);
    expect(tdh2.proveShares(context, VECTOR.secret, VECTOR.publicShare, points, made)).toEqual(
      VECTOR.proof,
    );
  });

  it("refuses swapped entries, of shares, of points and of both", () => {
    expect(verify({})).toBe(true);
    expect(verify({ shares: swapped(VECTOR.points) })).toBe(false);
    expect(verify({ points: swapped(points) })).toBe(false);
    expect(verify({ points: swapped(points), shares: swapped(VECTOR.points) })).toBe(false);
  });

  it("refuses another context, ticket, batch or proof", () => {
    expect(verify({ context: utf8ToBytes("block 8") })).toBe(false);
    expect(verify({ publicShare: OTHER.publicShare })).toBe(false);
    expect(verify({ shares: OTHER.points })).toBe(false);
    expect(verify({ proof: OTHER.proof })).toBe(false);
    expect(verify({ points: points.slice(32), shares: VECTOR.points.slice(32) })).toBe(false);
    for (const bit of [0, 7, 250, 255, 256, 300, 511]) {
      expect(verify({ proof: flipped(VECTOR.proof, bit) })).toBe(false);
    }
  });

  it("refuses one wrong share among many, and two that cancel each other", () => {
    const at = 32 * 11;
    expect(
      verify({ shares: patched(VECTOR.points, at, shifted(VECTOR.points.slice(at, at + 32))) }),
    ).toBe(false);
    const up = shifted(VECTOR.points.slice(0, 32));
    const down = group.linearCombinations([1n, -1n], [VECTOR.points.slice(32, 64), group.base]);
    const cancelling = patched(patched(VECTOR.points, 0, up), 32, down ?? IDENTITY);
    expect(verify({ shares: cancelling })).toBe(false);
    const { secret, publicShare } = VECTOR;
    const proof = tdh2.proveShares(context, secret, publicShare, points, cancelling);
    expect(verify({ shares: cancelling, proof })).toBe(false);
  });

  it("refuses the identity, what is no point, and lengths that are wrong", () => {
    for (const point of [IDENTITY, NO_POINT, TOO_LARGE]) {
      expect(verify({ shares: patched(VECTOR.points, 64, point) })).toBe(false);
      expect(verify({ points: patched(points, 64, point) })).toBe(false);
      expect(verify({ publicShare: point })).toBe(false);
    }
    expect(verify({ shares: VECTOR.points.slice(32) })).toBe(false);
    expect(verify({ shares: VECTOR.points.slice(1), points: points.slice(1) })).toBe(false);
    expect(verify({ shares: IDENTITY.slice(0, 0), points: IDENTITY.slice(0, 0) })).toBe(false);
    expect(verify({ publicShare: IDENTITY.slice(1) })).toBe(false);
    expect(verify({ proof: VECTOR.proof.slice(1) })).toBe(false);
    expect(verify({ proof: joinBytes([VECTOR.proof, IDENTITY]) })).toBe(false);
    expect(verify({ proof: new Uint8Array(64).fill(255) })).toBe(false);
  });

  it("takes the identity of a secret of zero for nothing", () => {
    const zero = scalarFromBigint(0n);
    const nothing = new Uint8Array(points.length);
    const proof = tdh2.proveShares(context, zero, IDENTITY, points, nothing);
    expect(verify({ publicShare: IDENTITY, shares: nothing, proof })).toBe(false);
  });
});

describe("combining and opening", () => {
  const wrongOf = (index: number, point: Uint8Array) =>
    vectors.map((vector, i) =>
      i === index ? { ...vector, points: patched(vector.points, 0, point) } : vector,
    );

  it("opens everything but the entry that a bad share among the first t spoils", () => {
    const spoiled = tdh2.combine(wrongOf(1, shifted(OTHER.points.slice(0, 32))).slice(0, 3), 3);
    const seeds = tdh2.open(publicKey, items, spoiled);
    expect(seeds[0]).toBeUndefined();
    expect(seeds.slice(1)).toEqual(items.slice(1).map(({ seed }) => seed));
    const without = [VECTOR, ...vectors.slice(2)];
    expect(tdh2.open(publicKey, items, tdh2.combine(without, 3))[0]).toEqual(FIRST.seed);
  });

  it("does not open with fewer tickets than the threshold", () => {
    const two = tdh2.combine(vectors.slice(0, 2), 2);
    expect(tdh2.open(publicKey, items, two)).toEqual(items.map(() => undefined));
    expect(() => tdh2.combine(vectors.slice(0, 2), 3)).toThrow("3 tickets are needed");
    expect(() => tdh2.combine([VECTOR, VECTOR, OTHER], 3)).toThrow("stands there twice");
    expect(() => tdh2.combine([{ ...VECTOR, ticket: 0 }, OTHER], 2)).toThrow("at least 1");
  });

  it("finds a wrong Z in a batch, and two that cancel each other", () => {
    const up = shifted(z.slice(0, 32));
    const down = group.linearCombinations([1n, -1n], [z.slice(32, 64), group.base]) ?? IDENTITY;
    const expected = (wrong: readonly number[]) =>
      items.map(({ seed }, i) => (wrong.includes(i) ? undefined : seed));
    expect(tdh2.open(publicKey, items, patched(z, 0, up))).toEqual(expected([0]));
    expect(tdh2.open(publicKey, items, patched(patched(z, 0, up), 32, down))).toEqual(
      expected([0, 1]),
    );
    for (const point of [IDENTITY, NO_POINT, TOO_LARGE, z.slice(0, 32)]) {
      expect(tdh2.open(publicKey, items, patched(z, 96, point))).toEqual(expected([3]));
    }
    expect(tdh2.open(publicKey, items, z.slice(32))).toEqual(items.map(() => undefined));
  });

  it("does not open with the key of another epoch, or under another label", () => {
    const other = group.mulBase(secretOf("another key"));
    expect(tdh2.open(other, items, z)).toEqual(items.map(() => undefined));
    const relabelled = [{ ...FIRST, label: SECOND.label }, ...items.slice(1)];
    expect(tdh2.open(publicKey, relabelled, z)[0]).toBeUndefined();
  });

  it("opens garbage under c1 to nothing, though it is valid and Z is right", () => {
    const { ciphertext, seed, right } = withMask(() => namedBytes("noise", 32));
    expect(isValid(ciphertext)).toBe(true);
    expect(tdh2.open(publicKey, [ciphertext], right)).toEqual([undefined]);
    expect(tdh2.openWithSeed(publicKey, ciphertext, seed)).toBeUndefined();
  });

  it("lets no sender choose later whether it opens, by a mask that another Z takes off", () => {
    const other = shifted(z.slice(0, 32));
    const { ciphertext, right } = withMask((seed, hashed, u) => {
      const mask = hashSeal(sealTag("mask"), hashed, other, u);
      return seed.map((byte, i) => byte ^ (mask[i] ?? 0));
    });
    expect(isValid(ciphertext)).toBe(true);
    // U = rG holds for the seed under this mask; that Z is not rY is what refuses it.
    expect(tdh2.open(publicKey, [ciphertext], other)).toEqual([undefined]);
    expect(tdh2.open(publicKey, [ciphertext], right)).toEqual([undefined]);
  });

  it("refuses seeds that did not make the ciphertext", () => {
    expect(tdh2.openWithSeed(publicKey, FIRST, SECOND.seed)).toBeUndefined();
    expect(tdh2.openWithSeed(publicKey, FIRST, flipped(FIRST.seed, 9))).toBeUndefined();
    expect(tdh2.openWithSeed(publicKey, FIRST, FIRST.seed.slice(1))).toBeUndefined();
    expect(
      tdh2.openWithSeed(publicKey, { ...FIRST, label: SECOND.label }, FIRST.seed),
    ).toBeUndefined();
    expect(
      tdh2.openWithSeed(publicKey, { ...FIRST, kem: FIRST.kem.slice(1) }, FIRST.seed),
    ).toBeUndefined();
  });

  it("decrypts nothing but the body, under its seed and label", () => {
    const { label, kem, seed, body } = FIRST;
    expect(tdh2.decrypt(label, kem, seed, flipped(body, 0))).toBeUndefined();
    expect(tdh2.decrypt(label, kem, seed, body.slice(0, 15))).toBeUndefined();
    expect(tdh2.decrypt(label, kem, SECOND.seed, body)).toBeUndefined();
    expect(tdh2.decrypt(SECOND.label, kem, seed, body)).toBeUndefined();
    expect(tdh2.decrypt(label, SECOND.kem, seed, body)).toBeUndefined();
  });
});

describe("proofs about one secret", () => {
  const base2 = kemPoint(FIRST.kem);
  const { secret, publicShare } = VECTOR;
  const statement = { base2, publicShare, result: VECTOR.points.slice(0, 32) };
  const proof = tdh2.proveDleq(context, secret, statement);

  it("hold for equal logarithms and nothing else", () => {
    expect(tdh2.verifyDleq(context, statement, proof)).toBe(true);
    expect(tdh2.verifyDleq(utf8ToBytes("other"), statement, proof)).toBe(false);
    for (const field of ["base2", "publicShare", "result"] as const) {
      for (const point of [shifted(statement[field]), IDENTITY, NO_POINT, IDENTITY.slice(1)]) {
        expect(tdh2.verifyDleq(context, { ...statement, [field]: point }, proof)).toBe(false);
      }
    }
    for (const bit of [0, 256]) {
      expect(tdh2.verifyDleq(context, statement, flipped(proof, bit))).toBe(false);
    }
    const result = shifted(statement.result);
    const lie = tdh2.proveDleq(context, secret, { ...statement, result });
    expect(tdh2.verifyDleq(context, { ...statement, result }, lie)).toBe(false);
  });

  it("show possession to whom they were made for", () => {
    const possession = tdh2.provePossession(context, secret, publicShare);
    expect(tdh2.verifyPossession(context, publicShare, possession)).toBe(true);
    expect(tdh2.verifyPossession(utf8ToBytes("other"), publicShare, possession)).toBe(false);
    expect(tdh2.verifyPossession(context, OTHER.publicShare, possession)).toBe(false);
    expect(tdh2.verifyPossession(context, IDENTITY, possession)).toBe(false);
    expect(tdh2.verifyPossession(context, NO_POINT, possession)).toBe(false);
    expect(tdh2.verifyPossession(context, publicShare, proof)).toBe(false);
  });
});

describe("bytes of strangers", () => {
  it("are refused, never thrown at, whatever they are", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      fc.uint8Array({ minLength: 192, maxLength: 192 }),
      fc.constantFrom(IDENTITY, NO_POINT, TOO_LARGE, group.base, points, VECTOR.proof),
    );
    fc.assert(
      fc.property(noise, noise, noise, noise, noise, (a, b, c, d, e) => {
        expect(tdh2.verifyShares(a, b, c, d, e)).toBe(false);
        expect(tdh2.verifyDleq(a, { base2: b, publicShare: c, result: d }, e)).toBe(false);
        expect(tdh2.verifyPossession(a, b, c)).toBe(false);
        expect(tdh2.checkCiphertexts([{ label: a, kem: b, body: c }])).toEqual([false]);
        expect(tdh2.openWithSeed(publicKey, { label: a, kem: b }, c)).toBeUndefined();
        expect(tdh2.decrypt(a, b, c, d)).toBeUndefined();
        expect(tdh2.open(publicKey, [FIRST], a)).toEqual([undefined]);
      }),
      { numRuns: 300 },
    );
  });
});

/** A valid ciphertext with a c1 of its sender's choice, its seed, and the Z that the committee makes. */
function withMask(c1Of: (seed: Uint8Array, hashed: Uint8Array, u: Uint8Array) => Uint8Array) {
  const label = utf8ToBytes("garbage");
  const randomness = {
    seed: namedBytes("garbage seed", 32),
    nonce: namedBytes("garbage nonce", 64),
  };
  const { kem, body } = tdh2.encrypt(publicKey, label, utf8ToBytes("text"), randomness);
  const { seed } = randomness;
  const hashed = labelHash(label);
  const r = hashToScalar(group, sealTag("r"), hashed, seed);
  const s = secretOf("garbage s");
  const gbar = group.fromUniform(hashSeal(sealTag("gbar")));
  const head = joinBytes([kem.slice(0, 64), group.mulBase(s), group.mulEach(s, gbar) ?? IDENTITY]);
  const c1 = c1Of(seed, hashed, kemPoint(kem));
  const e = hashToScalar(group, sealTag("ciphertext"), hashed, head, c1, sha256(body));
  const ciphertext = { label, kem: joinBytes([head, group.scalars.mulAdd(e, r, s), c1]), body };
  const made = shares.map((share) => ({
    ticket: share.ticket,
    points: tdh2.makeShares(share.secret, kemPoint(kem)),
  }));
  return { seed, ciphertext, right: tdh2.combine(made, 3) };
}
